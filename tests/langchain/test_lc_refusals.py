"""An answer that a content filter withheld or cut is a refusal, and not a success."""

import pytest
from langchain.agents import create_agent
from langchain_core import exceptions
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from langchain_melious.errors import ModelRefusalError
from melious import MeliousError
from melious.sandbox import Reply

WITHHELD = [
    Reply(text="", finish_reason="content_filter"),
    Reply(text="It be", finish_reason="content_filter"),
]
IDS = ["empty", "cut"]


class Answer(BaseModel):
    """An answer."""

    text: str


@pytest.mark.parametrize("reply", WITHHELD, ids=IDS)
@pytest.mark.parametrize("streaming", [False, True, "stream"], ids=["whole", "streaming", "stream"])
def test_a_plain_call(way, chat, sandbox, reply, streaming):
    sandbox.replies.add(reply)
    llm = chat(streaming=True if streaming is True else None)
    with pytest.raises(ModelRefusalError, match="content filter") as caught:
        way.stream(llm, "Hello") if streaming == "stream" else way.invoke(llm, "Hello")
    assert isinstance(caught.value, MeliousError)
    assert isinstance(caught.value, getattr(exceptions, "ModelRefusalError", exceptions.ModelError))
    assert caught.value.text == (reply.text or "")
    assert caught.value.raw_message.text == (reply.text or "")
    assert caught.value.request_id == sandbox.requests[-1].request_id


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("reply", WITHHELD, ids=IDS)
async def test_the_third_version_of_events(chat, sandbox, reply):
    sandbox.replies.add(reply, times=2)
    with pytest.raises(ModelRefusalError, match="content filter"):
        assert chat().stream_events("Hello", version="v3").output
    stream = await chat().astream_events("Hello", version="v3")
    with pytest.raises(ModelRefusalError, match="content filter"):
        assert await stream.output


@pytest.mark.parametrize("reply", WITHHELD, ids=IDS)
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output(way, chat, sandbox, reply, method):
    sandbox.replies.add(reply, times=2)
    llm = chat().with_structured_output(Answer, method=method)
    with pytest.raises(ModelRefusalError, match="content filter"):
        way.invoke(llm, "Hello in json")
    both = way.invoke(chat().with_structured_output(Answer, method=method, include_raw=True), "Hello in json")
    assert isinstance(both["parsing_error"], ModelRefusalError)
    assert both["raw"].response_metadata["finish_reason"] == "content_filter"


def test_an_agent(way, chat, sandbox):
    sandbox.replies.add(WITHHELD[0])
    with pytest.raises(ModelRefusalError):
        way.invoke(create_agent(chat(), []), {"messages": "Hello"})


def test_a_fallback_takes_over(way, chat, sandbox):
    sandbox.replies.add(WITHHELD[0])
    llm = chat().with_fallbacks([RunnableLambda(lambda _: "Something else")])
    assert way.invoke(llm, "Hello") == "Something else"


def test_it_can_be_left_to_the_caller(way, chat, sandbox):
    sandbox.replies.add(WITHHELD[1])
    message = way.invoke(chat(raise_refusals=False), "Hello")
    assert (message.text, message.response_metadata["finish_reason"]) == ("It be", "content_filter")
