"""Every endpoint over a real server: what comes back is read."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest

from melious import ModelNotFoundError, ResponseDecodeError, ServerError
from melious.sandbox import Fault, Sandbox

from .clients import AUDIO, CHAT, IMAGES, QUESTION, RERANK, TOOL, Clients
from .pictures import png, png_url

# --- chat ------------------------------------------------------------------------------------------------------


def test_chat(clients: Clients, client: Any) -> None:
    answer = clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert answer.text == answer.choices[0].message.content != ""
    assert (answer.finish_reason, answer.model, answer.tool_calls, answer.reasoning) == ("stop", CHAT, [], "")
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0
    assert answer.environment_impact.location
    assert answer.billing_cost.charged > 0
    assert answer.raw["choices"][0]["message"]["content"] == answer.text
    assert answer.model_extra["system_fingerprint"]


def test_a_stream_is_the_same_answer_in_pieces(clients: Clients, client: Any) -> None:
    answer = clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    got = clients.stream(client, model=CHAT, messages=QUESTION)
    assert len(got.chunks) > 3
    assert got.text == answer.text
    whole = got.stream.completion()
    assert (whole.text, whole.finish_reason, whole.model) == (answer.text, "stop", CHAT)
    assert whole.usage.completion_tokens == answer.usage.completion_tokens
    assert whole.request_id == got.stream.request_id
    assert got.stream.attempts == 1


def test_reasoning(clients: Clients, client: Any) -> None:
    call = {"model": "gpt-oss-120b", "messages": QUESTION}
    answer = clients.call(client, "chat.create", **call)
    assert answer.reasoning
    assert answer.usage.reasoning_tokens > 0
    assert clients.stream(client, **call).stream.completion().reasoning == answer.reasoning
    sandbox_word = {"choices": [{"message": {"content": "Hi", "reasoning": "think"}}]}
    assert type(answer).model_validate(sandbox_word).reasoning == "think"


def test_tool_calls_there_and_back(clients: Clients, client: Any) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "What is the weather in Paris?"}]
    call = {"model": CHAT, "messages": messages, "tools": [TOOL], "tool_choice": "required"}
    answer = clients.call(client, "chat.create", **call)
    assert answer.finish_reason == "tool_calls"
    (asked,) = answer.tool_calls
    assert (asked["function"]["name"], asked["function"]["arguments"]) == ("get_weather", '{"city": "Paris"}')
    streamed = clients.stream(client, **call).stream.completion()
    assert [one["function"] for one in streamed.tool_calls] == [asked["function"]]
    messages += [
        {"role": "assistant", "content": "", "tool_calls": answer.tool_calls},
        {"role": "tool", "tool_call_id": asked["id"], "content": "17 degrees and rain"},
    ]
    final = clients.call(client, "chat.create", model=CHAT, messages=messages, tools=[TOOL])
    assert "17" in final.text


def test_several_answers(clients: Clients, client: Any) -> None:
    answer = clients.call(client, "chat.create", model=CHAT, messages=QUESTION, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    whole = clients.stream(client, model=CHAT, messages=QUESTION, n=3).stream.completion()
    assert [choice.message.content for choice in whole.choices] == [c.message.content for c in answer.choices]


# --- rerank ------------------------------------------------------------------------------------------------------


def test_rerank(clients: Clients, client: Any) -> None:
    documents = ["bread and butter", {"text": "a lighthouse shows ships the way"}, "a lamp on a desk"]
    result = clients.call(
        client, "rerank.create", model=RERANK, query="lighthouse ships", documents=documents
    )
    assert result.results[0].index == 1
    assert result.results[0].document == "a lighthouse shows ships the way"
    scores = [item.relevance_score for item in result.results]
    assert scores == sorted(scores, reverse=True)
    assert sorted(item.index for item in result.results) == [0, 1, 2]
    best = clients.call(
        client, "rerank.create", model=RERANK, query="q", documents=documents, top_n=1, return_documents=False
    )
    assert [item.document for item in best.results] == [None]
    assert (result.usage.total_tokens, result.billing_cost.charged) > (0, 0)


@pytest.mark.parametrize(
    ("meta", "tokens"),
    [
        ({"tokens": {"input_tokens": 60, "output_tokens": 0}}, 60),
        ({"tokens": {"input_tokens": 60}, "api_version": {}}, 60),
        ({"billed_units": {"search_units": 1}}, None),
        ({"tokens": {"input_tokens": "many"}}, None),
        (None, None),
    ],
)
def test_rerank_finds_the_tokens_in_meta_too(
    clients: Clients, client: Any, sandbox: Sandbox, meta: Any, tokens: int | None
) -> None:
    sandbox.faults.add(Fault(body={"results": [], "meta": meta}))
    result = clients.call(client, "rerank.create", model=RERANK, query="q", documents=["a"])
    assert (result.usage.total_tokens if result.usage else None) == tokens


def test_rerank_puts_a_shuffled_answer_in_order(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    call = {
        "model": RERANK,
        "query": "light on the sea",
        "documents": ["the sea", "light", "light on the sea", "x"],
    }
    ordered = clients.call(client, "rerank.create", **call).results
    sandbox.faults.add(Fault(shuffle_indices=True))
    assert clients.call(client, "rerank.create", **call).results == ordered


@pytest.mark.parametrize(
    "item",
    [
        {"index": 2},
        {"index": -1},
        {"index": 0},
        {"index": "x"},
        {"relevance_score": 1},
        {"index": 1, "relevance_score": "high"},
        {"index": 1, "relevance_score": None},
    ],
)
def test_rerank_never_names_a_document_that_was_not_sent(
    clients: Clients, client: Any, sandbox: Sandbox, item: dict[str, Any]
) -> None:
    first = {"index": 0, "relevance_score": 0.5}
    sandbox.faults.add(
        Fault(
            body={
                "results": [
                    first,
                    {"relevance_score": 0.4, **item} if "relevance_score" not in item else item,
                ]
            }
        )
    )
    with pytest.raises(ResponseDecodeError) as caught:
        clients.call(client, "rerank.create", model=RERANK, query="q", documents=["a", "b"])
    assert caught.value.request_id == sandbox.requests[-1].request_id
    assert caught.value.attempts == 1


def test_a_score_that_is_no_number_is_an_error(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(body='{"results": [{"index": 0, "relevance_score": NaN}]}'))
    with pytest.raises(ResponseDecodeError, match="relevance_score"):
        clients.call(client, "rerank.create", model=RERANK, query="q", documents=["a"])


@pytest.mark.parametrize(
    ("document", "read"), [("text", "text"), ({"text": "text"}, "text"), ({}, None), (None, None)]
)
def test_documents_of_an_answer_in_every_form(
    clients: Clients, client: Any, sandbox: Sandbox, document: Any, read: str | None
) -> None:
    sandbox.faults.add(Fault(body={"results": [{"index": 0, "relevance_score": 0.5, "document": document}]}))
    result = clients.call(client, "rerank.create", model=RERANK, query="q", documents=["a"])
    assert result.results[0].document == read


# --- images, audio, models -----------------------------------------------------------------------------------------


def test_images(clients: Clients, client: Any) -> None:
    call = {"model": IMAGES, "prompt": "a lighthouse", "size": "64x64", "n": 2}
    result = clients.call(client, "images.generate", **call)
    assert [image.to_bytes()[:8] for image in result.data] == [b"\x89PNG\r\n\x1a\n"] * 2
    assert result.environment_impact.energy_kwh > 0
    hosted = clients.call(client, "images.generate", **call, response_format="url").data[0]
    assert hosted.url.startswith("http")
    with pytest.raises(ValueError, match="URL"):
        hosted.to_bytes()


def test_a_picture_with_a_prefix_is_the_picture(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(
        Fault(body={"data": [{"b64_json": png_url()}, {"b64_json": base64.b64encode(png()).decode()}]})
    )
    result = clients.call(client, "images.generate", model=IMAGES, prompt="p")
    assert [image.to_bytes() for image in result.data] == [png(), png()]


@pytest.mark.parametrize("data", [None, [], "x", [None], {}])
def test_an_answer_without_pictures_is_an_error(
    clients: Clients, client: Any, sandbox: Sandbox, data: Any
) -> None:
    sandbox.faults.add(Fault(body={"created": "today", "data": data}))
    with pytest.raises(ResponseDecodeError):
        clients.call(client, "images.generate", model=IMAGES, prompt="p")


@pytest.mark.http_library
@pytest.mark.parametrize("kind", ["path", "text path", "open file", "bytes in memory", "pair"])
def test_audio_from_anywhere(
    clients: Clients, client: Any, sandbox: Sandbox, wav: bytes, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "täst ton.wav"
    path.write_bytes(wav)
    named = io.BytesIO(wav)
    named.name = "memory.wav"  # type: ignore[attr-defined]
    with path.open("rb") as opened:
        file: Any = {
            "path": path,
            "text path": str(path),
            "open file": opened,
            "bytes in memory": named,
            "pair": ("x.wav", wav),
        }[kind]
        result = clients.call(client, "audio.transcribe", model=AUDIO, file=file)
    assert result.text
    assert result.duration == pytest.approx(1.0)
    assert result.environment_impact.energy_kwh > 0
    sent = sandbox.requests[-1].body["file"]
    assert (sent["size"], sent["filename"]) == (
        len(wav),
        Path(getattr(file, "name", file[0] if kind == "pair" else str(file))).name,
    )


@pytest.mark.parametrize(
    ("form", "begins"), [("text", ""), ("srt", "1\n00:00:00,000 --> "), ("vtt", "WEBVTT")]
)
def test_plain_transcriptions(clients: Clients, client: Any, wav: bytes, form: str, begins: str) -> None:
    result = clients.call(client, "audio.transcribe", model=AUDIO, file=("a.wav", wav), response_format=form)
    assert result.text.startswith(begins)
    assert result.text.strip()
    assert result.raw == result.text
    assert (result.usage, result.environment_impact) == (None, None)


def test_verbose_transcriptions(clients: Clients, client: Any, wav: bytes) -> None:
    result = clients.call(
        client,
        "audio.transcribe",
        model=AUDIO,
        file=("a.wav", wav),
        response_format="verbose_json",
        language="fi",
    )
    assert (result.language, result.segments[0]["start"]) == ("fi", 0)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(body="<html>log in</html>", content_type="text/html; charset=utf-8"),
        Fault(body={"error": {"message": "boom"}}),
        Fault(body={"object": "error", "message": "boom", "code": 500}),
        Fault(body={"segments": []}),
        Fault(body={"text": None}),
        Fault(body="", content_type="application/json"),
    ],
    ids=["web page", "error", "flat error", "no text", "null", "nothing"],
)
@pytest.mark.parametrize("form", [None, "text", "srt"])
def test_what_is_no_transcription_is_never_taken_for_one(
    clients: Clients, client: Any, sandbox: Sandbox, wav: bytes, fault: Fault, form: str | None
) -> None:
    sandbox.faults.add(fault)
    with pytest.raises((ResponseDecodeError, ServerError)) as caught:
        clients.call(
            client, "audio.transcribe", model=AUDIO, file=("a.wav", wav), response_format=form, max_retries=0
        )
    assert caught.value.request_id == sandbox.requests[-1].request_id


@pytest.mark.http_library
def test_an_upload_is_sent_again_whole(clients: Clients, client: Any, sandbox: Sandbox, wav: bytes) -> None:
    sandbox.faults.add(Fault(status=503, headers={"retry-after-ms": "1"}, times=2))
    result = clients.call(client, "audio.transcribe", model=AUDIO, file=io.BytesIO(wav))
    assert result.attempts == 3
    assert [request.body["file"]["size"] for request in sandbox.requests] == [len(wav)] * 3


@pytest.mark.parametrize("meta", [False, True])
def test_models(clients: Clients, client: Any, sandbox: Sandbox, meta: bool) -> None:
    listed = clients.call(client, "models.list", include_meta=meta)
    assert (sandbox.requests[-1].method, sandbox.requests[-1].query) == (
        "GET",
        "include_meta=true" if meta else "",
    )
    assert "content-type" not in sandbox.requests[-1].headers
    found = {model.id: model for model in listed.data}
    model = clients.call(client, "models.retrieve", CHAT, include_meta=meta)
    assert (model.id, model.owned_by, model.card) == (CHAT, found[CHAT].owned_by, found[CHAT].card)
    assert (model.card is None) == (not meta)
    if meta:
        assert model.card["type"] == "chat"
        assert model.card["context_length"] > 0


@pytest.mark.parametrize("name", ["gpt-9", "a/b", "a b?c#d", "ä", "../embeddings", "glm-4.7:nope"])
def test_a_model_that_is_not_there(clients: Clients, client: Any, name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"models\.list"):
        clients.call(client, "models.retrieve", name)
