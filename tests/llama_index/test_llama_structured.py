"""Objects as answers, natively by schema: whole and streamed."""

import json
from typing import Generic, TypeVar

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.prompts import PromptTemplate
from llama_kit import piece, sse, whole
from pydantic import BaseModel, ConfigDict, Field

from llama_index_melious import StructuredOutputError
from melious import PermissionDeniedError
from melious.sandbox import Fault, Reply

T = TypeVar("T")
PROMPT = PromptTemplate("Make a book of this: {text}")
TEXT = 'Title: "Dune", by Frank Herbert, 412 pages.'
SYSTEM = {"role": "system", "content": "You are a librarian."}


class Author(BaseModel):
    name: str


class Book(BaseModel):
    """A book."""

    title: str
    pages: int
    tags: list[str] = []
    author: Author | None = None


class Page(BaseModel, Generic[T]):
    items: list[T]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    word: str


BOOK = {"title": "Dune", "pages": 412, "tags": ["sand", "worms"], "author": {"name": "Frank Herbert"}}


@pytest.fixture
def says_book(sandbox):
    """The model says the book, in pieces where it is streamed."""
    text = json.dumps(BOOK)
    sandbox.replies.add(Reply(chunks=[text[at : at + 3] for at in range(0, len(text), 3)]))


def schema_sent(sandbox):
    return sandbox.requests[-1].body["response_format"]["json_schema"]


# --- native ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("says_book")
async def test_the_schema_goes_along(make_llm, way, sandbox):
    llm = make_llm(system_prompt="You are a librarian.", temperature=0.0)
    book = await way(llm, "structured_predict", Book, PROMPT, text=TEXT)
    assert book == Book.model_validate(BOOK)
    body = sandbox.requests[-1].body
    assert body["messages"] == [SYSTEM, {"role": "user", "content": f"Make a book of this: {TEXT}"}]
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "Book", "schema": Book.model_json_schema()},
    }
    assert body["temperature"] == 0.0
    assert "tools" not in body


async def test_names_of_schemas_are_plain(make_llm, way, sandbox):
    sandbox.replies.add(Reply(text='{"items": [1, 2, 3]}'))
    await way(make_llm(), "structured_predict", Page[int], PROMPT, text="1, 2, 3")
    assert schema_sent(sandbox)["name"] == "Page_int_"


async def test_strict_where_the_schema_allows_it(make_llm, way, sandbox):
    sandbox.replies.add(Reply(text='{"word": "yes"}'))
    await way(make_llm(), "structured_predict", Closed, PROMPT, text="yes")
    assert schema_sent(sandbox)["strict"] is True


@pytest.mark.usefixtures("says_book")
async def test_llm_kwargs_stay_as_they_were(make_llm, way, sandbox):
    given = {"tool_choice": "required", "temperature": 0.5, "preset": "speed"}
    await way(make_llm(), "structured_predict", Book, PROMPT, given, text=TEXT)
    assert given == {"tool_choice": "required", "temperature": 0.5, "preset": "speed"}
    body = sandbox.requests[-1].body
    assert (body["temperature"], body["preset"]) == (0.5, "speed")
    assert "tool_choice" not in body


@pytest.mark.usefixtures("says_book")
async def test_streamed_objects_grow(make_llm, way):
    objects = await way(make_llm(), "stream_structured_predict", Book, PROMPT, text=TEXT)
    assert objects[-1] == Book.model_validate(BOOK)
    titles = [getattr(partial, "title", None) for partial in objects]
    assert titles.index("D") < titles.index("Dune")
    lengths = [len(partial.tags or []) for partial in objects if isinstance(partial, Book)]
    assert lengths == sorted(lengths)
    assert {0, 1, 2} <= set(lengths)


@pytest.mark.usefixtures("says_book")
async def test_streaming_sends_schema_and_system_prompt(make_llm, way, sandbox):
    llm = make_llm(system_prompt="You are a librarian.")
    objects = await way(llm, "stream_structured_predict", Book, PROMPT, text=TEXT)
    assert objects[-1] == Book.model_validate(BOOK)
    assert sandbox.requests[-1].body["messages"][0] == SYSTEM
    assert schema_sent(sandbox)["name"] == "Book"


@pytest.mark.usefixtures("says_book")
# LlamaIndex's StructuredLLM writes its streamed messages with a method that pydantic deprecates.
@pytest.mark.filterwarnings(
    "ignore:The `json` method is deprecated:pydantic.warnings.PydanticDeprecatedSince20"
)
@pytest.mark.parametrize("method", ["chat", "complete", "stream_chat"])
async def test_as_structured_llm(make_llm, way, sandbox, method):
    structured = make_llm(system_prompt="You are a librarian.").as_structured_llm(Book)
    argument = TEXT if "complete" in method else [ChatMessage(TEXT)]
    result = await way(structured, method, argument)
    response = result[-1] if isinstance(result, list) else result
    assert response.raw == Book.model_validate(BOOK)
    assert sandbox.requests[-1].body["messages"] == [SYSTEM, {"role": "user", "content": TEXT}]


@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
@pytest.mark.parametrize(
    ("text", "finish", "advice"),
    [
        ("I cannot do that.", "stop", "json_schema"),
        ('{"title": "Du', "length", "max_tokens"),
        ("", "stop", "json_schema"),
        ('{"title": "Dune", "pages": "many"}', "stop", "pages"),
    ],
)
async def test_other_answers_are_one_error(make_llm, way, sandbox, method, text, finish, advice):
    body = whole({"content": text}, finish)
    raw = sse(piece({"content": text}), piece({}, finish))
    sandbox.faults.add(Fault(raw=raw) if "stream" in method else Fault(body=body))
    with pytest.raises(StructuredOutputError, match=advice) as caught:
        await way(make_llm(), method, Book, PROMPT, text=TEXT)
    assert caught.value.text == text
    assert caught.value.finish_reason == finish


async def test_fences_around_the_object_are_seen_through(make_llm, way, sandbox):
    fenced = f"```json\n{json.dumps(BOOK)}\n```"
    sandbox.faults.add(Fault(body=whole({"content": fenced})))
    assert await way(make_llm(), "structured_predict", Book, PROMPT, text=TEXT) == Book.model_validate(BOOK)
    sandbox.faults.add(Fault(raw=sse(piece({"content": fenced}), piece({}, "stop"))))
    objects = await way(make_llm(), "stream_structured_predict", Book, PROMPT, text=TEXT)
    assert objects[-1] == Book.model_validate(BOOK)


@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
async def test_errors_of_the_service_come_through(make_llm, way, sandbox, method):
    sandbox.faults.add(Fault(status=403))
    with pytest.raises(PermissionDeniedError):
        await way(make_llm(), method, Book, PROMPT, text=TEXT)


@pytest.mark.usefixtures("says_book")
async def test_events_of_structured_predict(make_llm, way):
    class Names(BaseEventHandler):
        seen: list[str] = Field(default_factory=list)

        def handle(self, event, **_):
            self.seen.append(event.class_name())

    handler = Names()
    root = get_dispatcher()
    root.add_event_handler(handler)
    try:
        await way(make_llm(), "structured_predict", Book, PROMPT, text=TEXT)
    finally:
        root.event_handlers.remove(handler)
    ends = [name for name in handler.seen if name.startswith("LLMStructuredPredict")]
    assert ends == ["LLMStructuredPredictStartEvent", "LLMStructuredPredictEndEvent"]
