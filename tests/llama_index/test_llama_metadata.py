"""What LlamaIndex asks of an LLM beside answers: metadata, payload, rate limits, prompts, parsers."""

import pytest
from llama_index.core import Settings
from llama_index.core.base.llms.types import ChatMessage, VideoBlock
from llama_index.core.callbacks import CallbackManager
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import BaseOutputParser
from llama_kit import MODEL, whole

from llama_index_melious import Melious
from melious import InvalidArgumentError, PermissionDeniedError
from melious.sandbox import Fault

HELLO = [ChatMessage("Hello, you!")]
SYSTEM = {"role": "system", "content": "Answer in rhymes."}


def listed(**metas):
    """An answer of GET /models that tells these things of these models."""
    data = [
        {"id": name, "object": "model"} | ({} if meta is None else {"_meta": meta})
        for name, meta in metas.items()
    ]
    return Fault(endpoint="models", body={"object": "list", "data": data})


# --- metadata --------------------------------------------------------------------------------------------


def test_metadata_from_argument_then_catalogue_then_default(make_llm, sandbox):
    known = make_llm(model="glm-4.7:eco").metadata
    assert (known.context_window, known.is_chat_model, known.is_function_calling_model) == (
        131072,
        True,
        True,
    )
    assert known.num_output == -1
    assert known.model_name == "glm-4.7:eco"
    told = make_llm(context_window=1000, max_tokens=99, is_function_calling_model=False).metadata
    assert (told.context_window, told.num_output, told.is_function_calling_model) == (1000, 99, False)
    assert make_llm(model="qwen3-vl-235b-a22b-instruct").metadata.is_function_calling_model is False
    assert not sandbox.requests


@pytest.mark.parametrize("model", ["somebody/new:model", "gpt-99", "glm-9.9:eco", ":", "größer"])
def test_no_model_is_too_unknown_for_metadata(make_llm, sandbox, model):
    metadata = make_llm(model=model).metadata
    assert metadata.context_window == DEFAULT_CONTEXT_WINDOW
    assert metadata.is_chat_model
    assert metadata.is_function_calling_model is False
    assert not sandbox.requests


async def test_the_live_catalogue_counts_once_it_was_asked_for(make_llm, way, start_sandbox):
    sandbox = start_sandbox()  # an address of its own: what it says stays in the process
    llm = make_llm(model="brand-new-1:eco", base_url=sandbox.base_url, api_key=sandbox.api_key)
    told = {
        "type": "chat",
        "context_length": 77_000,
        "capabilities": {"function_calling": False},
        "input_modalities": ["text", "video"],
    }
    sandbox.faults.add(listed(**{"brand-new-1": told, "bare": None, "bge-m3": {"type": "embeddings"}}))
    assert llm.metadata.context_window == DEFAULT_CONTEXT_WINDOW
    assert [card.id for card in await way(llm, "available_models")] == ["brand-new-1"]
    (request,) = sandbox.requests
    assert (request.path, request.query) == ("/v1/models", "include_meta=true")
    assert llm.metadata.context_window == 77_000
    assert llm.metadata.is_function_calling_model is False
    assert make_llm(model="brand-new-1").metadata.context_window == DEFAULT_CONTEXT_WINDOW  # another service
    own = llm.model_copy(update={"context_window": 5, "is_function_calling_model": True}).metadata
    assert (own.context_window, own.is_function_calling_model) == (5, True)
    assert await way(llm, "available_models", vision=True) == []
    assert len(sandbox.requests) == 1
    sandbox.faults.add(Fault(body=whole({"content": "A film."})))
    await way(llm, "chat", [ChatMessage(role="user", blocks=[VideoBlock(url="https://example.org/a.mp4")])])
    assert sandbox.requests[-1].body["messages"][0]["content"][0]["type"] == "video_url"


@pytest.mark.parametrize(
    "meta",
    [
        {"type": "chat", "context_length": "long", "capabilities": None, "input_modalities": "text"},
        {"type": "chat", "context_length": 0, "capabilities": []},
        {"type": "chat"},
        None,
    ],
)
async def test_strange_words_of_the_live_catalogue_are_no_words(make_llm, way, start_sandbox, meta):
    sandbox = start_sandbox()
    llm = make_llm(model="strange-1", base_url=sandbox.base_url, api_key=sandbox.api_key)
    sandbox.faults.add(listed(**{"strange-1": meta}))
    await way(llm, "available_models")
    assert llm.metadata.context_window == DEFAULT_CONTEXT_WINDOW
    assert llm.metadata.is_function_calling_model is False


async def test_available_models_of_the_service(make_llm, way, start_sandbox):
    sandbox = start_sandbox()
    llm = make_llm(base_url=sandbox.base_url, api_key=sandbox.api_key)
    sandbox.faults.add(Fault(endpoint="models", status=403))
    with pytest.raises(PermissionDeniedError):
        await way(llm, "available_models")
    names = [card.id for card in await way(llm, "available_models")]
    assert MODEL in names
    assert "bge-m3" not in names
    with pytest.raises(InvalidArgumentError, match="did you mean 'vision'"):
        await way(llm, "available_models", vison=True)


def test_the_llm_of_the_settings(make_llm, monkeypatch):
    monkeypatch.setattr(Settings, "_llm", None)
    Settings.llm = make_llm(model="somebody/new-model")
    assert Settings.llm.metadata.model_name == "somebody/new-model"


# --- what observers and LlamaIndex read and set ------------------------------------------------------------


def test_payload_has_what_observers_read(make_llm):
    llm = make_llm(temperature=0.2, max_tokens=9, preset="speed", filters={"countries": ["DE"]})
    payload = llm.to_payload()
    assert payload["class_name"] == Melious.class_name()
    assert payload["model"] == payload["model_name"] == MODEL
    assert (payload["temperature"], payload["max_tokens"]) == (0.2, 9)
    assert payload["preset"] == "speed"
    assert payload["filters"] == {"countries": ["DE"]}
    bare = make_llm().to_payload()
    assert bare["temperature"] is None
    assert "preset" not in bare


async def test_rate_limiter_is_asked_where_there_is_one(make_llm, way):
    class Counter:
        asked = 0

        def acquire(self, num_tokens: int = 0) -> None:
            self.asked += 1

        async def async_acquire(self, num_tokens: int = 0) -> None:
            self.asked += 1

    limiter = Counter()
    if "rate_limiter" not in Melious.model_fields:  # before llama-index-core knew of any
        with pytest.raises(InvalidArgumentError, match="rate_limiter"):
            make_llm(rate_limiter=limiter)
        return
    llm = make_llm(rate_limiter=limiter)
    await way(llm, "chat", HELLO)
    await way(llm, "stream_complete", "Hello")
    assert limiter.asked == 2
    assert "rate_limiter" not in llm.to_dict()


def test_callback_manager_is_taken_or_made(make_llm):
    manager = CallbackManager([])
    assert make_llm(callback_manager=manager).callback_manager is manager
    assert isinstance(make_llm(callback_manager=None).callback_manager, CallbackManager)


async def test_system_prompt_in_predict(make_llm, way, sandbox):
    llm = make_llm(system_prompt="Answer in rhymes.")
    await way(llm, "predict", PromptTemplate("Tell me about {topic}."), topic="owls")
    await way(llm, "stream", PromptTemplate("Tell me about {topic}."), topic="owls")
    for request in sandbox.requests:
        assert request.body["messages"] == [SYSTEM, {"role": "user", "content": "Tell me about owls."}]


async def test_a_system_prompt_that_is_there_stays_alone(make_llm, way, sandbox):
    llm = make_llm(system_prompt="Answer in rhymes.")
    messages = [ChatMessage("Answer in rhymes.", role="system"), ChatMessage("Hello")]
    await way(llm, "chat", llm._extend_messages(messages))
    assert sandbox.requests[-1].body["messages"].count(SYSTEM) == 1


async def test_output_parser(make_llm, way, sandbox):
    class Shout(BaseOutputParser):
        def parse(self, output):
            return output.upper()

        def format(self, query):
            return f"{query} Whisper!"

    sandbox.faults.add(Fault(body=whole({"content": "psst"})))
    answer = await way(make_llm(output_parser=Shout()), "predict", PromptTemplate("Say it."))
    assert answer == "PSST"
    assert sandbox.requests[-1].body["messages"][-1]["content"] == "Say it. Whisper!"


@pytest.mark.parametrize("form", ["complete", "stream_complete"])
async def test_a_prompt_is_needed_once(make_llm, way, sandbox, form):
    llm = make_llm()
    for arguments in ({}, {"formatted": True}):
        with pytest.raises(ValueError, match="No prompt provided in positional or keyword arguments"):
            await way(llm, form, **arguments)
    with pytest.raises(TypeError, match="prompt"):
        await way(llm, form, "one", prompt="two")
    with pytest.raises(InvalidArgumentError, match="prompt: must be text, not int"):
        await way(llm, form, 5)
    assert not sandbox.requests


@pytest.mark.parametrize("form", ["complete", "stream_complete"])
async def test_a_prompt_by_position_or_by_name_and_formatted(make_llm, way, sandbox, form):
    llm = make_llm(completion_to_prompt=lambda prompt: f"<{prompt}>")
    await way(llm, form, "one")
    await way(llm, form, prompt="one")
    await way(llm, form, "one", True)
    await way(llm, form, "one", formatted=True)
    sent = [request.body["messages"][0]["content"] for request in sandbox.requests]
    assert sent == ["<one>", "<one>", "one", "one"]
