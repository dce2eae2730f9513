"""What is expected where an answer is to be an object: by schema, through tools, through text; streamed."""

import json
import re
from typing import Any, Generic, TypeVar

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel

from conformance.factory import Factory
from conformance.service import Answer, call, call_piece, count, piece, whole

T = TypeVar("T")
PROMPT = PromptTemplate("Who is {name}?")
SYSTEM = "You are a clerk."


class Person(BaseModel):
    """A person."""

    name: str
    age: int
    children: list[str] = []


class Page(BaseModel, Generic[T]):
    """A page of items."""

    items: list[T]


ANNA = Person(name="Anna", age=40, children=["Ben", "Eva"])


def grown(partial: Any) -> dict[str, Any]:
    """What is there of an object that streams."""
    return {name: value for name, value in partial.model_dump().items() if value not in (None, [])}


class StructuredConformance(Factory):
    """Checks objects as answers of a `FunctionCallingLLM`; made like `LLMConformance`.

    Attributes:
        native: The arguments of the constructor under which the schema goes along as `response_format`;
            None if that is not offered.
    """

    native: dict[str, Any] | None = {}  # noqa: RUF012 - a switch

    def native_llm(self, service: Any, **more: Any) -> Any:
        """An LLM that sends the schema along."""
        self.offered(self.native is not None, "answers by schema")
        return self.make(service, **(self.native or {}), **more)

    def through_tools(self, service: Any, **more: Any) -> Any:
        """An LLM that gets objects through a tool."""
        return self.make(service, pydantic_program_mode=PydanticProgramMode.FUNCTION, **more)

    # --- by schema -----------------------------------------------------------------------------------

    async def test_schema_goes_along(self, service, way):
        service.answer(Answer(body=whole({"content": ANNA.model_dump_json()})))
        person = await way(self.native_llm(service), "structured_predict", Person, PROMPT, name="Anna")
        assert person == ANNA
        body = service.requests[-1].body
        assert body["response_format"]["type"] == "json_schema"
        assert body["response_format"]["json_schema"]["schema"]["properties"].keys() == {
            "name",
            "age",
            "children",
        }
        assert not {"tools", "tool_choice"} & set(body), "tools go along with a schema"

    async def test_names_of_schemas_are_plain(self, service, way):
        service.answer(Answer(body=whole({"content": '{"items": [1]}'})))
        page = await way(self.native_llm(service), "structured_predict", Page[int], PROMPT, name="x")
        assert page.items == [1]
        name = service.requests[-1].body["response_format"]["json_schema"]["name"]
        assert re.fullmatch("[a-zA-Z0-9_-]{1,64}", name), f"servers refuse the name {name!r}"

    @pytest.mark.parametrize("form", ["structured_predict", "stream_structured_predict"])
    async def test_llm_kwargs_are_not_changed_and_say_nothing_of_tools(self, service, way, form):
        given = {"tool_choice": "required", "temperature": 0.5}
        text = ANNA.model_dump_json()
        chunks = [piece({"content": text}), piece({}, "stop")]
        service.answer(Answer(stream=chunks) if "stream" in form else Answer(body=whole({"content": text})))
        await way(self.native_llm(service), form, Person, PROMPT, given, name="Anna")
        assert given == {"tool_choice": "required", "temperature": 0.5}, (
            "the caller's llm_kwargs were changed"
        )
        body = service.requests[-1].body
        assert "tool_choice" not in body
        assert body["temperature"] == 0.5

    async def test_streamed_objects_grow(self, service, way):
        text = ANNA.model_dump_json()
        chunks = [piece({"content": text[at : at + 4]}) for at in range(0, len(text), 4)]
        service.answer(Answer(stream=[*chunks, piece({}, "stop"), count(1, 1)]))
        objects = await way(
            self.native_llm(service), "stream_structured_predict", Person, PROMPT, name="Anna"
        )
        self._grew(objects)

    @pytest.mark.parametrize("form", ["chat", "complete"])
    async def test_as_structured_llm(self, service, way, form):
        service.answer(Answer(body=whole({"content": ANNA.model_dump_json()})))
        structured = self.native_llm(service).as_structured_llm(Person)
        asked = "Who?" if form == "complete" else [ChatMessage("Who?")]
        response = await way(structured, form, asked)
        assert response.raw == ANNA

    @pytest.mark.parametrize("form", ["structured_predict", "stream_structured_predict"])
    async def test_system_prompt_goes_along(self, service, way, form):
        text = ANNA.model_dump_json()
        chunks = [piece({"content": text}), piece({}, "stop")]
        service.answer(Answer(stream=chunks) if "stream" in form else Answer(body=whole({"content": text})))
        await way(self.native_llm(service, system_prompt=SYSTEM), form, Person, PROMPT, name="Anna")
        assert service.requests[-1].body["messages"][0] == {"role": "system", "content": SYSTEM}

    @pytest.mark.parametrize(
        "text", ["I would rather not.", "", '{"name": "An'], ids=["prose", "empty", "cut"]
    )
    async def test_other_answers_are_errors(self, service, way, text):
        service.answer(Answer(body=whole({"content": text}, "length" if "{" in text else "stop")))
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the integration's own error
            await way(self.native_llm(service), "structured_predict", Person, PROMPT, name="Anna")
        assert text in str(caught.value) or getattr(caught.value, "text", None) == text, (
            "the error does not tell what the model said"
        )

    # --- through tools and through text --------------------------------------------------------------

    async def test_through_a_tool(self, service, way):
        made = call("c1", "Person", ANNA.model_dump_json())
        service.answer(Answer(body=whole({"content": None, "tool_calls": [made]}, "tool_calls")))
        person = await way(self.through_tools(service), "structured_predict", Person, PROMPT, name="Anna")
        assert person == ANNA
        body = service.requests[-1].body
        named = {"type": "function", "function": {"name": "Person"}}
        assert body["tool_choice"] in ("required", named), "the model may chat instead"
        assert body["tools"][0]["function"]["name"] == "Person"
        assert "response_format" not in body

    async def test_streamed_through_a_tool(self, service, way):
        text = ANNA.model_dump_json()
        chunks: list[dict[str, Any]] = [
            piece({"role": "assistant", "content": None}),
            call_piece(0, "c1", "Person"),
            *(call_piece(0, arguments=text[at : at + 4]) for at in range(0, len(text), 4)),
            piece({}, "tool_calls"),
            count(1, 1),
        ]
        service.answer(Answer(stream=chunks))
        objects = await way(
            self.through_tools(service), "stream_structured_predict", Person, PROMPT, name="Anna"
        )
        self._grew(objects)

    async def test_system_prompt_goes_along_with_a_tool(self, service, way):
        made = call("c1", "Person", ANNA.model_dump_json())
        service.answer(Answer(body=whole({"content": None, "tool_calls": [made]}, "tool_calls")))
        llm = self.through_tools(service, system_prompt=SYSTEM)
        await way(llm, "structured_predict", Person, PROMPT, name="Anna")
        prompts = [
            message for message in service.requests[-1].body["messages"] if message["role"] == "system"
        ]
        assert len(prompts) == 1, f"the system prompt was sent {len(prompts)} times"

    async def test_through_text(self, service, way):
        service.answer(Answer(body=whole({"content": f"Here: {json.dumps(ANNA.model_dump())}"})))
        llm = self.make(service, pydantic_program_mode=PydanticProgramMode.LLM)
        assert await way(llm, "structured_predict", Person, PROMPT, name="Anna") == ANNA
        assert not {"tools", "response_format"} & set(service.requests[-1].body)

    def _grew(self, objects: list[Any]) -> None:
        assert grown(objects[-1]) == ANNA.model_dump(), "the last object is not the whole one"
        sizes = [len(str(grown(partial))) for partial in objects]
        assert sizes == sorted(sizes), "an object that streams shrank"
        partial = [grown(one).get("children") for one in objects]
        assert ["Ben"] in partial, "parts of the object could not be seen before its end"
