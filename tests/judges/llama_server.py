"""llama.cpp's own server, in a process of its own: chat on one slot, or `rank` for rerank."""

import sys
import threading
from pathlib import Path

import xllamacpp


def main(model: str, port: str, kind: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {"smollm2"}
    params.port = int(port)
    params.n_ctx = 2048
    # More would wait for each other on a busy machine.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_parallel = 1
    # What is cached rounds differently, and the same question must get the same answer.
    params.cache_prompt = False
    params.use_jinja = True
    # The model's own has no place for tools.
    params.chat_template = (Path(__file__).parent / "chat_template.jinja").read_text("utf-8")
    params.endpoint_slots = True
    params.endpoint_metrics = True
    if kind == "rank":
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
