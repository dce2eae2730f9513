"""Instances of a JSON schema, with values taken from a text where it has them."""

import re
from collections.abc import Sequence
from typing import Any

from melious_sandbox.brain import phrases
from melious_sandbox.brain.answers import answer
from melious_sandbox.brain.extract import Field, Mention, Words, has_foreign_unit, units_of
from melious_sandbox.brain.lexicon import SWITCHES, TERSE
from melious_sandbox.brain.plain import plain
from melious_sandbox.brain.relevance import scores
from melious_sandbox.brain.validation import Schema, branches, has_type, kind_of, merged, validate
from melious_sandbox.brain.words import sentences, stem

__all__ = ["Filler", "fill", "validate"]

_DEEPEST = 8
_MOST_RECORDS = 256
_MISSING: Any = object()


def fill(schema: Schema, text: str, name: str = "") -> Any:
    """Make an instance that is valid under ``schema``.

    Args:
        schema: A JSON schema; references stay within it.
        text: Where values are taken from. What it does not say gets the default of the schema, else the
            plainest valid value.
        name: What the instance is, e.g. the name of the argument it is for.

    >>> person = {"type": "object", "required": ["name", "age"], "properties": {
    ...     "name": {"type": "string"}, "age": {"type": "integer"}, "city": {"type": "string"}}}
    >>> fill(person, "Anna is 31 years old and lives in Rome.")
    {'name': 'Anna', 'age': 31, 'city': 'Rome'}
    """
    return Filler(schema, Words(text)).fill(name)


class Filler:
    """Fills one schema from one text.

    After :meth:`fill`, ``words.taken`` tells what was used, and ``guessed`` which fields the text says
    nothing about.

    Args:
        schema: The schema.
        words: The values that the text holds.
        answer: What a field for an answer or a summary gets; by default what answers the text.
    """

    def __init__(self, schema: Schema, words: Words, answer: str = "") -> None:
        self.root = schema
        self.words = words
        self.answer = answer
        self.guessed: set[str] = set()

    def fill(self, name: str = "") -> Any:
        """An instance of the whole schema."""
        field = Field.of(name, merged(self.root, self.root))
        found = self._found(field, strict=False, depth=0)
        return self._guess(field) if found is _MISSING or not self._fits(found, field) else found

    def _fits(self, value: Any, field: Field) -> bool:
        return not validate(value, field.schema, self.root)

    def _guess(self, field: Field) -> Any:
        self.guessed.add(field.name)
        return plain(field.schema, self.root)

    def _found(self, field: Field, *, strict: bool, depth: int) -> Any:
        """What the text says for ``field``.

        ``strict`` asks for a cue that this very field is meant; otherwise a value of the right kind will do.
        What may be null needs such a cue always.
        """
        schema = field.schema
        if depth > _DEEPEST or "const" in schema:
            return _MISSING
        if "enum" in schema:
            return self._chosen(field, schema["enum"])
        strict = strict or self._may_be_null(schema)
        for branch in branches(schema):
            inner = Field.of(field.name, self._inner(schema, branch))
            found = self._found(inner, strict=strict, depth=depth + 1)
            if found is not _MISSING and found is not None:
                return found
        kind = kind_of(schema)
        if kind == "object":
            return self._object(field, strict=strict, depth=depth)
        if kind == "array":
            return self._array(field, strict=strict, depth=depth)
        return self._scalar(field, kind, strict=strict)

    def _may_be_null(self, schema: Schema) -> bool:
        options = [merged(branch, self.root) for branch in branches(schema)]
        kinds = [option.get("type") for option in (schema, *options)]
        return any("null" in kind if isinstance(kind, list) else kind == "null" for kind in kinds)

    def _scalar(self, field: Field, kind: str, *, strict: bool) -> Any:
        match kind:
            case "string":
                return self._string(field, strict=strict)
            case "integer" | "number":
                return self._number(field, kind, strict=strict)
            case "boolean":
                return self._boolean(field)
            case _:
                return _MISSING

    def _inner(self, outer: Schema, branch: Schema) -> Schema:
        """A branch of anyOf with the description of the whole."""
        inner = merged(branch, self.root)
        about = {key: outer[key] for key in ("title", "description") if key in outer and key not in inner}
        return {**inner, **about}

    def _object(self, field: Field, *, strict: bool, depth: int) -> Any:
        """Fields with a cue first, so that none takes what another is named for; then the required rest."""
        schema = field.schema
        properties = schema.get("properties") or {}
        fields = {name: Field.of(name, merged(part, self.root)) for name, part in properties.items()}
        required = [name for name in schema.get("required") or () if name in fields]
        found: dict[str, Any] = {}
        for name in [*required, *(name for name in fields if name not in required)]:
            value = self._found(fields[name], strict=True, depth=depth + 1)
            if value is not _MISSING and self._fits(value, fields[name]):
                found[name] = value
        if strict and not found:
            return _MISSING
        for name in required:
            if name not in found:
                value = self._found(fields[name], strict=False, depth=depth + 1)
                usable = value is not _MISSING and self._fits(value, fields[name])
                found[name] = value if usable else self._guess(fields[name])
        return {name: found[name] for name in fields if name in found}

    def _array(self, field: Field, *, strict: bool, depth: int) -> Any:
        items = merged(field.schema.get("items") or {}, self.root)
        if "prefixItems" in field.schema:
            return _MISSING
        if "enum" in items:
            found = self._all_chosen(items["enum"])
        elif kind_of(items) == "object":
            found = self._records(field, items, strict=strict, depth=depth)
        else:
            found = self._list(field, items, strict=strict)
        if field.schema.get("uniqueItems"):
            found = [item for position, item in enumerate(found) if item not in found[:position]]
        found = found[: field.schema.get("maxItems", len(found))]
        return found if found and len(found) >= field.schema.get("minItems", 0) else _MISSING

    def _records(self, field: Field, items: Schema, *, strict: bool, depth: int) -> list[Any]:
        """One object for each number of things, else for each clause that says something for it."""
        if counted := self._counted(items):
            return counted
        required = items.get("required") or list(items.get("properties") or ())
        found: list[dict[str, Any]] = []
        for clause in phrases.clauses(self.words.text)[:_MOST_RECORDS]:
            filler = Filler(self.root, Words(clause))
            record = filler._object(Field.of(field.name, items), strict=False, depth=depth + 1)
            if filler.words.taken and len(filler.words.taken) >= min(2, len(required)):
                found.append(record)
        if strict and len(found) < 2 and self.words.says(field.cues) is None:  # noqa: PLR2004 - several
            return []
        if not found and not strict:
            whole = self._object(Field.of(field.name, items), strict=True, depth=depth + 1)
            if whole is not _MISSING:
                found.append(self._object(Field.of(field.name, items), strict=False, depth=depth + 1))
        return found

    def _counted(self, items: Schema) -> list[Any]:
        """The objects of "3 apples and two pears", where an item has a quantity and a name and no more."""
        properties = {name: merged(part, self.root) for name, part in (items.get("properties") or {}).items()}
        amounts = [name for name, part in properties.items() if Field.of(name, part).cues & _QUANTITY]
        things = [name for name in items.get("required") or properties if name not in amounts]
        if len(amounts) != 1 or len(things) != 1:
            return []
        found = [{things[0]: thing, amounts[0]: count} for count, thing in phrases.counted(self.words.text)]
        return [record for record in found if not validate(record, items, self.root)]

    def _list(self, field: Field, items: Schema, *, strict: bool) -> list[Any]:
        kind = kind_of(items)
        if kind in {"integer", "number"}:
            numbers = [m for m in self.words.of("number") if _valid(_as_number(m.value, kind), items)]
            return [_as_number(self.words.take(m), kind) for m in numbers]
        if kind != "string":
            return []
        item = Field.of(field.name, {**items, "description": field.schema.get("description", "")})
        if (labelled := self.words.labelled(field)) is not None:
            return phrases.split_list(labelled)
        for mention in self._strings(item):
            group = [m for m in self.words.listed(mention) if m not in self.words.taken]
            if len(group) > 1 or not strict:
                return [self.words.take(m) for m in group]
        if strict or self.words.told_list:
            return []
        self.words.told_list = True
        return phrases.spoken_list(self.words.text)

    def _chosen(self, field: Field, options: Sequence[Any]) -> Any:
        if (labelled := self.words.labelled(field)) is not None:
            for option in options:
                if str(option).lower() == labelled.lower():
                    return option
        return next(iter(self._all_chosen(options)), _MISSING)

    def _all_chosen(self, options: Sequence[Any]) -> list[Any]:
        places = [(place, option) for option in options if (place := self._place_of(option)) is not None]
        return [option for _, option in sorted(places, key=lambda found: found[0])]

    def _place_of(self, option: Any) -> int | None:
        """Where the text names an option: as it is, or word for word by stems."""
        if option is None or isinstance(option, bool):
            return None
        spelt = re.sub(r"[_\-]+", " ", str(option)).lower()
        text = self.words.text.lower()
        if exact := re.search(rf"(?<!\w){re.escape(spelt)}(?!\w)", text.replace("_", " ").replace("-", " ")):
            return exact.start()
        if (sign := _SIGNS.get(spelt)) and (found := re.search(sign, self.words.text)):
            return found.start()
        stems = [stem(word) for word in spelt.split()]
        places = [self.words.says([part]) for part in stems if len(part) > 2]  # noqa: PLR2004 - "of", "a"
        known = [place for place in places if place is not None]
        return known[0] if known and len(known) == len(places) else None

    def _boolean(self, field: Field) -> Any:
        if (labelled := self.words.labelled(field)) is not None:
            said = labelled.lower().split()[0]
            if said in _YES or said in _NO:
                return said in _YES
        if field.cues & _POWER and (switched := _SWITCHED.search(self.words.text)):
            return switched.group(1).lower() == "on"
        cues = field.cues - SWITCHES
        place = self.words.says(cues)
        if place is None:
            return _MISSING
        before = self.words.text[max(0, place - 24) : place].lower()
        return not re.search(r"\b(?:no|not|without|don't|do not|doesn't|never|skip|exclude|isn't)\b", before)

    def _number(self, field: Field, kind: str, *, strict: bool) -> Any:
        units = units_of(field)
        best: tuple[float, Mention] | None = None
        for mention in self.words.of("number"):
            if not _valid(_as_number(mention.value, kind), field.schema):
                continue
            fit = 0.0
            gap = self.words.near(mention, field.cues)
            if gap is not None:
                fit += 3.0 - 0.5 * gap
            if {stem(mention.after), mention.before} & units:
                fit += 2.0
            elif has_foreign_unit(mention, units):
                fit -= 1.0
            if (hint_gap := self.words.near(mention, field.hints, 3)) is not None:
                fit += 1.0 - 0.25 * hint_gap
            if fit >= (1.0 if strict else -10.0) and (best is None or fit > best[0]):
                best = (fit, mention)
        return _MISSING if best is None else _as_number(self.words.take(best[1]), kind)

    def _string(self, field: Field, *, strict: bool) -> Any:
        if (labelled := self.words.labelled(field)) is not None and _valid(labelled, field.schema):
            return labelled
        for mention in self._strings(field):
            if _valid(str(mention.value), field.schema):
                return str(self.words.take(mention))
        if field.is_a("expression") and (found := phrases.expression(self.words.text)):
            return found
        if strict:
            return _MISSING
        terse = self.words.told or field.cues & TERSE
        written = "" if terse else self._rest(field)
        return written if written and _valid(written, field.schema) else _MISSING

    def _strings(self, field: Field) -> list[Mention]:
        """Mentions that fit what the field is, the best first."""
        words = self.words
        kind = field.schema.get("format", "")
        for role, formats in _FORMATTED:
            if kind in formats or (not kind and field.is_a(role)):
                return phrases.dated(words.of(role), kind)
        if kind:
            return []
        if field.is_a("place"):
            return phrases.places(words, field)
        if field.is_a("person"):
            return phrases.people(words)
        return phrases.directed(words, field) or words.of("quote")

    def _rest(self, field: Field) -> str:
        """Free text: what is searched for, a name, the sentence about the field, or all of it."""
        text = self.words.text
        if field.is_a("place"):
            if spoken := phrases.spoken_place(text):
                return spoken
            self.guessed.add(field.name)
        if field.cues & _ANSWERING:
            return self.answer or answer([{"role": "user", "content": text}])
        if not field.is_a("query"):
            if introduced := phrases.introduced(text, field):
                return introduced
            if names := self.words.of("name"):
                return str(self.words.take(names[0]))
        self.words.told = True
        said = sentences(text)
        if field.is_a("query") or len(said) < 2:  # noqa: PLR2004 - nothing to choose from
            return phrases.wanted(text)
        fits = scores(" ".join([*field.cues, *field.hints]), said)
        return said[fits.index(max(fits))]


_QUANTITY = {stem(word) for word in ("quantity", "qty", "count", "amount", "pieces", "units")}
_ANSWERING = {stem(word) for word in ("answer", "response", "reply", "summary", "explanation")}
_FORMATTED = (
    ("email", {"email"}),
    ("url", {"uri", "url"}),
    ("date", {"date", "date-time"}),
    ("time", {"time"}),
)
_POWER = {stem(word) for word in ("on", "power", "enabled", "active")}
_SWITCHED = re.compile(r"\b(?:turn|switch)(?:ed|s|ing)?\b.{0,60}?\b(on|off)\b", re.IGNORECASE)
_YES = {"true", "yes", "on", "enabled", "1"}
_NO = {"false", "no", "off", "disabled", "0"}
_SIGNS = {
    "celsius": "°C",
    "fahrenheit": "°F",
    "eur": "€|[Ee]uro",
    "usd": r"\$|[Dd]ollar",
    "gbp": "£|[Pp]ound",
}


def _as_number(value: float, kind: str) -> float:
    return int(value) if kind == "integer" and float(value).is_integer() else value


def _valid(value: Any, schema: Schema) -> bool:
    kind = kind_of(schema)
    return has_type(value, kind) and not validate(value, {k: v for k, v in schema.items() if k != "$ref"})
