"""The official OpenAI SDK as the judge: what it sends must be taken, what comes back must parse."""

import base64
import io
import json
import math
import struct
import wave

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from melious.sandbox import Fault

MODEL = "llama-3.3-70b-instruct"
QUESTION = [{"role": "user", "content": "Which harbour has the oldest lighthouse?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the current weather in a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "name of the city"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city"],
        },
    },
}


@pytest.fixture
def client(sandbox):
    with OpenAI(base_url=sandbox.base_url, api_key=sandbox.api_key, max_retries=0) as client:
        yield client


@pytest.fixture
async def aclient(sandbox):
    async with AsyncOpenAI(base_url=sandbox.base_url, api_key=sandbox.api_key, max_retries=0) as client:
        yield client


def wav_bytes(seconds: float = 1.5, rate: int = 8000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        tone = (int(8000 * math.sin(step / 12)) for step in range(int(seconds * rate)))
        file.writeframes(b"".join(struct.pack("<h", value) for value in tone))
    return buffer.getvalue()


def test_chat(client):
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0.2, max_tokens=200)
    assert answer.model == MODEL
    assert "sandbox" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model_extra["environment_impact"]["location"] == "FI"
    assert answer.model_extra["billing_cost"]["paid_with"] == "credits"


async def test_chat_async(aclient):
    answer = await aclient.chat.completions.create(model=MODEL, messages=QUESTION)
    assert "lighthouse" in answer.choices[0].message.content


def test_extension_fields_reach_routing(client):
    answer = client.chat.completions.create(
        model=MODEL, messages=QUESTION, extra_body={"filters": {"countries": ["SE"]}}
    )
    assert answer.model_extra["environment_impact"]["location"] == "SE"


def test_stream_adds_up_to_the_whole_answer(client):
    whole = client.chat.completions.create(model=MODEL, messages=QUESTION)
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == [
        "stop"
    ]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_stream_async_without_usage(aclient):
    stream = await aclient.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)
    chunks = [chunk async for chunk in stream]
    assert len(chunks) > 5
    assert all(chunk.usage is None for chunk in chunks)


def test_stream_helper_accumulates_tool_calls(client):
    with client.chat.completions.stream(
        model=MODEL, messages=[{"role": "user", "content": "What is the weather in Oslo?"}], tools=[WEATHER]
    ) as stream:
        final = stream.get_final_completion()
    call = final.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert '"Oslo"' in call.function.arguments
    assert final.choices[0].finish_reason == "tool_calls"


def test_tool_loop_ends_with_the_results_in_the_answer(client):
    messages = [{"role": "user", "content": "What is the weather in Lisbon in celsius?"}]
    rounds = 0
    while True:
        message = (
            client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER]).choices[0].message
        )
        if not message.tool_calls:
            break
        rounds += 1
        assert rounds < 3
        messages.append(message.to_dict() | {"content": ""})
        messages.extend(
            {"role": "tool", "tool_call_id": call.id, "content": "27 degrees and windy"}
            for call in message.tool_calls
        )
    assert rounds == 1
    assert "27 degrees and windy" in message.content


class Person(BaseModel):
    name: str
    age: int
    city: str


def test_structured_output(client):
    answer = client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": "Anna is 31 years old and lives in Rome."}],
        response_format=Person,
    )
    assert answer.choices[0].message.parsed == Person(name="Anna", age=31, city="Rome")


async def test_structured_output_async(aclient):
    answer = await aclient.chat.completions.parse(
        model=MODEL, messages=[{"role": "user", "content": "Bruno, 44, from Porto"}], response_format=Person
    )
    assert answer.choices[0].message.parsed.age == 44


def test_reasoning_and_logprobs(client):
    answer = client.chat.completions.create(
        model="glm-4.7", messages=QUESTION, reasoning_effort="low", logprobs=True, top_logprobs=2
    )
    choice = answer.choices[0]
    assert choice.message.reasoning_content
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    assert "".join(token.token for token in choice.logprobs.content) == choice.message.content
    assert all(len(token.top_logprobs) == 2 for token in choice.logprobs.content)


def test_embeddings_default_to_base64_and_equal_the_floats(client, sandbox):
    texts = ["a red fox in the snow", "a fox, red, in snow", "quarterly tax return"]
    answer = client.embeddings.create(model="bge-m3", input=texts)
    assert sandbox.requests[-1].body["encoding_format"] == "base64"
    vectors = [list(item.embedding) for item in answer.data]
    assert [len(vector) for vector in vectors] == [1024] * 3
    floats = client.embeddings.create(model="bge-m3", input=texts, encoding_format="float")
    assert vectors == [item.embedding for item in floats.data]
    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[2])


async def test_embeddings_async_with_dimensions(aclient):
    answer = await aclient.embeddings.create(model="qwen3-embedding-8b", input="fox", dimensions=256)
    assert len(answer.data[0].embedding) == 256


def cosine(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


def test_models(client):
    models = {model.id: model for model in client.models.list()}
    assert len(models) > 40
    assert client.models.retrieve("glm-4.7").owned_by == models["glm-4.7"].owned_by


async def test_models_async(aclient):
    assert (await aclient.models.retrieve("bge-m3")).id == "bge-m3"


def test_images_as_base64_and_as_url(client):
    answer = client.images.generate(
        model="flux-schnell", prompt="a lighthouse", size="1024x1024", response_format="b64_json"
    )
    png = base64.b64decode(answer.data[0].b64_json)
    assert struct.unpack(">II", png[16:24]) == (1024, 1024)
    linked = client.images.generate(
        model="flux-schnell", prompt="a lighthouse", size="1024x1024", response_format="url"
    )
    assert httpx.get(linked.data[0].url, trust_env=False).content == png


def test_transcription(client):
    file = ("tone.wav", wav_bytes(1.5))
    answer = client.audio.transcriptions.create(model="whisper-large-v3", file=file)
    assert "1.5 seconds" in answer.text
    verbose = client.audio.transcriptions.create(
        model="whisper-large-v3", file=file, response_format="verbose_json", language="en"
    )
    assert verbose.duration == pytest.approx(1.5)
    assert verbose.segments[-1].end == pytest.approx(1.5)
    assert client.audio.transcriptions.create(
        model="whisper-large-v3", file=file, response_format="srt"
    ).startswith("1\n00:00:00,000 --> ")


async def test_transcription_async_text(aclient):
    text = await aclient.audio.transcriptions.create(
        model="whisper-large-v3", file=("tone.wav", wav_bytes()), response_format="text"
    )
    assert "WAV" in text


ERRORS = [
    (Fault(code="auth"), openai.AuthenticationError, 401),
    (Fault(code="scope"), openai.PermissionDeniedError, 403),
    (Fault(code="model_not_found"), openai.NotFoundError, 404),
    (Fault(code="context_length"), openai.BadRequestError, 400),
    (Fault(code="rate_limit"), openai.RateLimitError, 429),
    (Fault(code="insufficient_quota"), openai.RateLimitError, 429),
    (Fault(code="provider_error"), openai.InternalServerError, 503),
    (Fault(code="upstream_timeout"), openai.InternalServerError, 504),
]


@pytest.mark.parametrize(("fault", "error", "status"), ERRORS, ids=lambda value: getattr(value, "code", None))
def test_error_classes(client, sandbox, fault, error, status):
    sandbox.faults.add(fault)
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=MODEL, messages=QUESTION)
    assert caught.value.status_code == status
    assert caught.value.request_id == sandbox.requests[-1].request_id
    assert caught.value.code


async def test_error_classes_of_real_refusals(aclient, sandbox):
    with pytest.raises(openai.NotFoundError) as unknown:
        await aclient.chat.completions.create(model="gpt-9", messages=QUESTION)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="allowed roles"):
        await aclient.chat.completions.create(
            model=MODEL, messages=[{"role": "developer", "content": "Be brief"}]
        )
    async with AsyncOpenAI(base_url=sandbox.base_url, api_key="sk-mel-wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()


def test_its_retries_get_through_a_rate_limit(sandbox):
    sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after-ms": "10"}))
    with OpenAI(base_url=sandbox.base_url, api_key=sandbox.api_key, max_retries=1) as client:
        assert client.chat.completions.create(model=MODEL, messages=QUESTION).choices
    assert [request.status for request in sandbox.requests] == [429, 200]


def test_error_inside_a_stream(client, sandbox):
    sandbox.faults.add(Fault(error_after_events=3))
    with pytest.raises(openai.APIError, match="provider encountered an error"):
        list(client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True))


def test_cut_stream(client, sandbox):
    sandbox.faults.add(Fault(cut_after_events=3))
    # Version 3 wraps what the HTTP library raises here, version 2 does not.
    with pytest.raises((openai.APIConnectionError, httpx.TransportError)):
        list(client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True))


def test_a_batch(client, sandbox):
    body = {"model": MODEL, "messages": QUESTION}
    lines = [
        {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body} for name in "ab"
    ]
    sandbox.faults.add(Fault(code="provider_error"), when=lambda request: request.custom_id == "b")
    text = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    file = client.files.create(file=("lines.jsonl", text), purpose="batch")
    assert client.files.retrieve(file.id).bytes == len(text)
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}
    )
    while batch.status != "completed":
        batch = client.batches.retrieve(batch.id)
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (
        2,
        1,
        1,
    )
    (answer,) = map(json.loads, client.files.content(batch.output_file_id).text.splitlines())
    assert answer["response"]["body"]["choices"][0]["message"]["content"]
    (failed,) = map(json.loads, client.files.content(batch.error_file_id).text.splitlines())
    assert failed["response"]["status_code"] == 503
    assert [one.id for one in client.batches.list(limit=1)] == [batch.id]
    assert client.files.delete(file.id).deleted
