"""Objects as answers through tool calls and through the text of the prompt: whole and streamed."""

import json

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.output_parsers.pydantic import PydanticOutputParser
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import PydanticProgramMode
from llama_kit import piece, sse, whole
from pydantic import BaseModel, RootModel

from llama_index_melious import StructuredOutputError
from melious import ModelRefusalError
from melious.sandbox import Fault, Reply

PROMPT = PromptTemplate("Make a book of this: {text}")
TEXT = 'Title: "Dune", by Frank Herbert, 412 pages.'
SYSTEM = {"role": "system", "content": "You are a librarian."}
METHODS = ["structured_predict", "stream_structured_predict"]
DEFAULT, FUNCTION, THROUGH_TEXT = (
    PydanticProgramMode.DEFAULT,
    PydanticProgramMode.FUNCTION,
    PydanticProgramMode.LLM,
)


class Book(BaseModel):
    """A book."""

    title: str
    pages: int
    tags: list[str] = []


DUNE = {"title": "Dune", "pages": 412, "tags": ["sand", "worms"]}


def last(result):
    return result[-1] if isinstance(result, list) else result


def cut(text, size=3):
    return [text[at : at + size] for at in range(0, len(text), size)]


def saying(text, method, finish="stop"):
    """The answer, whole or streamed in small pieces."""
    if "stream" in method:
        return Fault(raw=sse(*(piece({"content": part}) for part in cut(text)), piece({}, finish)))
    return Fault(body=whole({"content": text}, finish))


def calling(arguments, method, finish="tool_calls"):
    """The answer that calls the tool, whole or streamed in small pieces."""
    function = {"name": "Book", "arguments": arguments}
    if "stream" not in method:
        call = {"id": "c1", "type": "function", "function": function}
        return Fault(body=whole({"content": "Here:", "tool_calls": [call]}, finish))
    begin = {"index": 0, "id": "c1", "type": "function", "function": {"name": "Book", "arguments": ""}}
    parts = [{"index": 0, "function": {"arguments": part}} for part in cut(arguments)]
    chunks = [piece({"content": "Here:"}), *(piece({"tool_calls": [one]}) for one in (begin, *parts))]
    return Fault(raw=sse(*chunks, piece({}, finish)))


# --- through a tool ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
async def test_through_a_tool(make_llm, way, sandbox, method):
    llm = make_llm(system_prompt="You are a librarian.", pydantic_program_mode=FUNCTION)
    given = {"temperature": 0.5, "tool_choice": "auto"}
    sandbox.replies.add(Reply(tool_calls=[("Book", DUNE)]))
    book = last(await way(llm, method, Book, PROMPT, given, text=TEXT))
    assert book == Book(**DUNE)
    assert given == {"temperature": 0.5, "tool_choice": "auto"}
    body = sandbox.requests[-1].body
    assert body["messages"] == [SYSTEM, {"role": "user", "content": f"Make a book of this: {TEXT}"}]
    assert body["tools"][0]["function"]["name"] == "Book"
    assert body["tools"][0]["function"]["parameters"]["required"] == ["title", "pages"]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "Book"}}
    assert body["parallel_tool_calls"] is False
    assert body["temperature"] == 0.5
    assert "response_format" not in body


async def test_objects_grow_through_a_tool(make_llm, way, sandbox):
    sandbox.faults.add(calling(json.dumps(DUNE), "stream"))
    llm = make_llm(pydantic_program_mode=FUNCTION)
    objects = await way(llm, "stream_structured_predict", Book, PROMPT, text=TEXT)
    assert objects[-1] == Book(**DUNE)
    titles = [partial.title for partial in objects if getattr(partial, "title", None)]
    assert titles.index("D") < titles.index("Dune")
    lengths = [len(partial.tags or []) for partial in objects if isinstance(partial, Book)]
    assert lengths == sorted(lengths)
    assert {0, 1, 2} <= set(lengths)


@pytest.mark.parametrize("method", METHODS)
async def test_a_model_that_calls_no_tools(make_llm, way, sandbox, method):
    llm = make_llm(pydantic_program_mode=FUNCTION, is_function_calling_model=False)
    with pytest.raises(ValueError, match=r"pydantic_program_mode: .* is not known to support tools"):
        await way(llm, method, Book, PROMPT, text=TEXT)
    assert not sandbox.requests


# --- through text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("Here you are: ", " Enjoy!"), ("```json\n", "\n```"), ("Sure.\n\n```\n", "\n```\nEnjoy!")],
)
async def test_through_text(make_llm, way, sandbox, method, before, after):
    sandbox.faults.add(saying(before + json.dumps(DUNE) + after, method))
    llm = make_llm(system_prompt="You are a librarian.", pydantic_program_mode=THROUGH_TEXT)
    result = await way(llm, method, Book, PROMPT, {"temperature": 0.5, "tools": []}, text=TEXT)
    assert last(result) == Book(**DUNE)
    body = sandbox.requests[-1].body
    assert body["temperature"] == 0.5
    assert not {"tools", "tool_choice", "response_format"} & set(body)
    system, user = body["messages"]
    assert system == SYSTEM
    assert user["content"].startswith(f"Make a book of this: {TEXT}\n")
    assert PydanticOutputParser(Book).get_format_string(escape_json=False).strip() in user["content"]
    if "stream" in method:
        titles = [partial.title for partial in result if getattr(partial, "title", None)]
        assert titles[0] in ("D", "Du", "Dun")


@pytest.mark.filterwarnings(
    "ignore:The `json` method is deprecated:pydantic.warnings.PydanticDeprecatedSince20"
)
@pytest.mark.parametrize("mode", [DEFAULT, FUNCTION, THROUGH_TEXT])
@pytest.mark.parametrize("method", ["chat", "stream_chat"])
async def test_messages_of_the_caller_stay_as_they_are(make_llm, way, sandbox, mode, method):
    answer = calling if mode is FUNCTION else saying
    sandbox.faults.add(answer(json.dumps(DUNE), method))
    image = ImageBlock(url="https://example.org/a.png")
    messages = [
        ChatMessage("Read {this} and {'a': 1}.", role="system"),
        ChatMessage(role="user", blocks=[TextBlock(text="A {book}?"), image]),
    ]
    before = [message.model_copy(deep=True) for message in messages]
    llm = make_llm(model="mistral-small-3.2-24b-instruct", pydantic_program_mode=mode)
    response = last(await way(llm.as_structured_llm(Book), method, messages, temperature=0.1))
    assert response.raw == Book(**DUNE)
    assert messages == before
    system, user = sandbox.requests[-1].body["messages"]
    assert system["content"] == "Read {this} and {'a': 1}."
    assert user["content"][:2] == [
        {"type": "text", "text": "A {book}?"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    assert sandbox.requests[-1].body["temperature"] == 0.1


async def test_the_schema_follows_a_talk_that_the_user_did_not_end(make_llm, way, sandbox):
    sandbox.faults.add(saying(json.dumps(DUNE), ""))
    llm = make_llm(pydantic_program_mode=THROUGH_TEXT).as_structured_llm(Book)
    await way(llm, "chat", [ChatMessage("A book?"), ChatMessage("Dune.", role="assistant")])
    *_, answer, asked = sandbox.requests[-1].body["messages"]
    assert answer == {"role": "assistant", "content": "Dune."}
    assert asked["role"] == "user"
    assert "JSON schema" in asked["content"]


async def test_lists_as_roots(make_llm, way, sandbox):
    class Books(RootModel[list[Book]]):
        pass

    for text in (json.dumps([DUNE]), f"```json\n{json.dumps([DUNE])}\n```"):
        sandbox.faults.add(saying(text, ""))
        books = await way(make_llm(), "structured_predict", Books, PROMPT, text=TEXT)
        assert books.root == [Book(**DUNE)]


# --- what is no object ---------------------------------------------------------------------------------------


@pytest.mark.sampled(3)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", [DEFAULT, FUNCTION, THROUGH_TEXT])
@pytest.mark.parametrize(
    ("text", "finish", "advice"),
    [
        ("I cannot do that.", "stop", "json_schema"),
        ("", "stop", "json_schema"),
        ('{"title": "Du', "length", "max_tokens"),
        ('{"title": "Dune", "pages": "many"}', "stop", "pages"),
    ],
)
async def test_one_error_in_every_mode(make_llm, way, sandbox, method, mode, text, finish, advice):
    answer = calling if mode is FUNCTION and text.startswith("{") else saying
    sandbox.faults.add(*[answer(text, method, finish)] * 2)
    with pytest.raises(StructuredOutputError, match=advice) as caught:
        await way(make_llm(pydantic_program_mode=mode), method, Book, PROMPT, text=TEXT)
    assert (caught.value.text, caught.value.finish_reason) == (text, finish)
    assert caught.value.request_id == sandbox.requests[-1].request_id
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("method", METHODS)
async def test_a_refusal_is_told(make_llm, way, sandbox, method):
    refusal = {"content": None, "refusal": "I would rather not."}
    sandbox.faults.add(
        Fault(raw=sse(piece({"refusal": "I would "}), piece({"refusal": "rather not."}), piece({}, "stop")))
        if "stream" in method
        else Fault(body=whole(refusal))
    )
    with pytest.raises(ModelRefusalError, match="the model refused: I would rather not") as caught:
        await way(make_llm(), method, Book, PROMPT, text=TEXT)
    assert caught.value.text == "I would rather not."


@pytest.mark.parametrize("method", METHODS)
async def test_modes_of_other_programs_are_left_to_llamaindex(make_llm, way, sandbox, method):
    llm = make_llm(pydantic_program_mode=PydanticProgramMode.LM_FORMAT_ENFORCER)
    with pytest.raises(ImportError, match="llama-index-program-lmformatenforcer"):
        await way(llm, method, Book, PROMPT, text=TEXT)
    assert not sandbox.requests
