"""What `test_lc_wire.py` sends: all the messages and blocks, and tools, schemas and parameters of every kind."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool, tool
from lc_wire_messages import (
    CALL,
    HELLO,
    HISTORIES,
    HISTORIES_ASKED,
    IMAGE,
    IMAGES,
    MESSAGES,
    RESULT,
    SOUNDS,
    TEXTS,
)
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as BaseModelV1
from pydantic.v1 import Field as FieldV1

from langchain_melious import ChatMelious
from melious import ProviderFilters

SEES, HEARS, THINKS, PLAIN = "gemma-4-26b-a4b", "voxtral-small-24b-2507", "glm-4.7", "llama-3.3-70b-instruct"


@dataclass(frozen=True)
class Case:
    """A conversation, the model it goes to, what is given with the call, and what is made of the model."""

    messages: Sequence[BaseMessage]
    model: str = PLAIN
    arguments: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)
    build: Callable[[ChatMelious], Any] = lambda llm: llm


# --- tools and schemas -------------------------------------------------------------------------------


class Person(BaseModel):
    """Somebody."""

    name: str = Field(description="What they are called")
    age: int | None = None


class Name(BaseModel):
    name: str


class PersonV1(BaseModelV1):
    """Somebody."""

    name: str = FieldV1(description="What they are called")
    age: int | None = None


class PersonDict(TypedDict):
    """Somebody."""

    name: Annotated[str, ..., "What they are called"]
    age: int | None


PERSON_SCHEMA: dict[str, Any] = {
    "title": "Person",
    "description": "Somebody.",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
}


def person(name: str, age: int = 3) -> str:
    """Tell of somebody.

    Args:
        name: What they are called.
        age: In years.
    """
    return f"{name}, {age}"


TOOLS: dict[str, Any] = {
    "function": person,
    "pydantic": Person,
    "pydantic_v1": PersonV1,
    "typed_dict": PersonDict,
    "json_schema": PERSON_SCHEMA,
    "decorated": tool(person, parse_docstring=True),
    # From Python 3.13 on docstrings come without their indentation, and LangChain takes them here as they are.
    "structured_json": StructuredTool.from_function(
        person, description=inspect.cleandoc(person.__doc__ or ""), args_schema=PERSON_SCHEMA
    ),
    "openai": {
        "type": "function",
        "function": {"name": "person", "description": "Somebody.", "parameters": PERSON_SCHEMA},
    },
    "openai_function": {"name": "person", "description": "Somebody.", "parameters": PERSON_SCHEMA},
    "anthropic": {
        "name": "person",
        "description": "Somebody.",
        "input_schema": PERSON_SCHEMA,
        "cache_control": {"type": "ephemeral"},
    },
}

CHOICES: dict[str, Any] = {
    "none": "none",
    "auto": "auto",
    "any": "any",
    "required": "required",
    "true": True,
    "false": False,
    "name": "person",
    "openai": {"type": "function", "function": {"name": "person"}},
    "anthropic": {"type": "tool", "name": "person"},
    "anthropic_any": {"type": "any"},
}

SCHEMAS: dict[str, Any] = {
    "pydantic": Person,
    "pydantic_v1": PersonV1,
    "typed_dict": PersonDict,
    "json_schema": PERSON_SCHEMA,
}

# --- routing and parameters --------------------------------------------------------------------------

_FILTERS = {"countries": ["DE", "FR"], "max_carbon_intensity": 400, "min_speed_tps": 1.5}
_FIELDS: dict[str, Any] = {
    "temperature": 0.5,
    "max_tokens": 600,
    "top_p": 0.9,
    "stop": ["END"],
    "seed": 7,
    "user": "ada",
}
PARAMETERS: dict[str, Case] = {
    "preset": Case([HELLO], arguments={"preset": "environment"}),
    "flavor": Case([HELLO], arguments={"flavor": "eco"}),
    "flavor_in_the_model": Case([HELLO], model=f"{PLAIN}:speed"),
    "filters": Case([HELLO], arguments={"filters": _FILTERS}),
    "filters_as_an_object": Case([HELLO], arguments={"filters": ProviderFilters(**_FILTERS)}),
    "extra_body": Case([HELLO], arguments={"extra_body": {"cache_salt": "x"}}),
    "fields": Case([HELLO], arguments=_FIELDS),
    "fields_of_the_call": Case([HELLO], call=_FIELDS),
    "fields_bound": Case([HELLO], build=lambda llm: llm.bind(**_FIELDS)),
    "call_over_constructor": Case(
        [HELLO],
        arguments={
            "preset": "speed",
            "temperature": 1.0,
            "flavor": "price",
            "filters": {"countries": ["PL"]},
        },
        call={"preset": "price", "temperature": 0.0, "model": THINKS, "filters": _FILTERS},
    ),
    "call_takes_back": Case([HELLO], arguments={"temperature": 1.0, "seed": 3}, call={"temperature": None}),
    "response_format": Case(
        [HELLO],
        call={
            "response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON_SCHEMA}}
        },
    ),
    "reasoning_not_replayed": Case(
        MESSAGES["ai_reasoning_and_calls"], arguments={"replay_reasoning": False}, model=THINKS
    ),
    "tools_of_the_call": Case([HELLO], call={"tools": [TOOLS["anthropic"]], "tool_choice": "any"}),
}


def _bound(**arguments: Any) -> Callable[[ChatMelious], Any]:
    return lambda llm: llm.bind_tools([person], **arguments)


def _structured(schema: Any, **arguments: Any) -> Callable[[ChatMelious], Any]:
    return lambda llm: llm.with_structured_output(schema, **arguments)


_ASKED = [HumanMessage("Maria is 52 years old. Answer in JSON with the keys 'name' and 'age'.")]
_SHOWN = [HELLO, AIMessage("", tool_calls=[CALL]), ToolMessage(["A lamp.", IMAGE], tool_call_id="call_1")]

CASES: dict[str, Case] = {
    **{f"message-{name}": Case(messages, THINKS) for name, messages in MESSAGES.items()},
    **{f"block-{name}": Case([HumanMessage(["Look:", block])], SEES) for name, block in IMAGES.items()},
    **{f"block-{name}": Case([HumanMessage(["Hear:", block])], HEARS) for name, block in SOUNDS.items()},
    **{f"block-{name}": Case([HumanMessage(["Read:", block])]) for name, block in TEXTS.items()},
    **{
        f"history-{name}": Case([HISTORIES_ASKED, message, RESULT], THINKS)
        for name, message in HISTORIES.items()
    },
    "tool_image-moved": Case(_SHOWN, SEES),
    "tool_image-kept": Case(_SHOWN, SEES, {"profile": {"image_tool_message": True}}),
    **{
        f"tool-{name}": Case([HELLO], build=lambda llm, given=given: llm.bind_tools([given]))
        for name, given in TOOLS.items()
    },
    "tool-strict": Case([HELLO], build=_bound(strict=True)),
    "tool-one_at_a_time": Case([HELLO], build=_bound(parallel_tool_calls=False)),
    **{f"choice-{name}": Case([HELLO], build=_bound(tool_choice=given)) for name, given in CHOICES.items()},
    **{
        f"structured-{method}-{name}": Case(_ASKED, build=_structured(schema, method=method))
        for method in ("json_schema", "function_calling")
        for name, schema in SCHEMAS.items()
    },
    "structured-json_mode": Case(_ASKED, build=_structured(Name, method="json_mode")),
    "structured-strict": Case(_ASKED, build=_structured(Person, method="json_schema", strict=True)),
    "structured-include_raw": Case(_ASKED, build=_structured(Person, include_raw=True)),
    "structured-auto": Case(_ASKED, "glm-4.6", build=_structured(Person)),
    **{f"parameters-{name}": case for name, case in PARAMETERS.items()},
}
