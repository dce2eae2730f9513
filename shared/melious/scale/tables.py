"""One interface to the batches of all engines: frames, Arrow tables, dicts, lists of rows."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

from melious.errors import InvalidArgumentError

Kind: TypeAlias = Literal["vector", "text"]


class Column(NamedTuple):
    """A column to write: its kind, and a value or None for each row."""

    kind: Kind
    values: list[Any]


class Table(ABC):
    """A batch.

    Attributes:
        arrays: Whether vectors are numpy arrays; otherwise they are lists.
    """

    arrays: ClassVar[bool]

    @abstractmethod
    def names(self) -> list[str]:
        """The names of the columns."""

    @abstractmethod
    def read(self, name: str) -> list[Any]:
        """The values of a column."""

    @abstractmethod
    def written(self, columns: Mapping[str, Column]) -> Any:
        """A batch of the same kind with these columns added or replaced."""


def table_of(batch: Any, text: str) -> Table:
    """Wrap a batch according to its type; `text` is the column for rows that are plain text."""
    if _is(batch, "pandas", "DataFrame"):
        return _Frame(batch)
    if _is(batch, "pyarrow", "Table") or _is(batch, "pyarrow", "RecordBatch"):
        return _Arrow(batch)
    if isinstance(batch, Mapping):
        _check_columns(batch)
        return _Arrays(batch) if any(_is_array(column) for column in batch.values()) else _Columns(batch)
    if isinstance(batch, Sequence) and not isinstance(batch, str | bytes):
        return _Rows([{text: row} if isinstance(row, str) else row for row in batch])
    raise InvalidArgumentError(
        "batch: must be a DataFrame, an Arrow table, a dict of columns or a list of rows, "
        f"not {type(batch).__name__}"
    )


def _check_columns(columns: Mapping[Any, Any]) -> None:
    """Refuse a dict whose values are not columns of one length."""
    first: tuple[Any, int] | None = None
    for name, column in columns.items():
        if isinstance(column, str | bytes | Mapping) or not hasattr(column, "__len__"):
            raise InvalidArgumentError(
                f"batch: column {name!r:.80} must be a list or an array, not {type(column).__name__}"
            )
        first = first or (name, len(column))
        if len(column) != first[1]:
            raise InvalidArgumentError(
                f"batch: columns {first[0]!r:.80} and {name!r:.80} differ in length: "
                f"{first[1]} and {len(column)}"
            )


def _is(value: Any, package: str, name: str) -> bool:
    module = sys.modules.get(package)
    kind = getattr(module, name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _is_array(value: Any) -> bool:
    return _is(value, "numpy", "ndarray")


class _Frame(Table):
    """A pandas frame."""

    arrays = True

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def names(self) -> list[str]:
        return [str(name) for name in self._frame.columns]

    def read(self, name: str) -> list[Any]:
        return list(self._frame.iloc[:, self.names().index(name)])

    def written(self, columns: Mapping[str, Column]) -> Any:
        frame = self._frame.copy(deep=False)
        series = import_module("pandas").Series
        labels = dict(zip(self.names(), self._frame.columns, strict=True))
        for name, column in columns.items():
            frame[labels.get(name, name)] = series(column.values, index=frame.index, dtype=object)
        return frame


class _Arrow(Table):
    """An Arrow table or record batch."""

    arrays = True

    def __init__(self, table: Any) -> None:
        self._table = table

    def names(self) -> list[str]:
        return list(self._table.schema.names)

    def read(self, name: str) -> list[Any]:
        return list(self._table.column(name).to_pylist())

    def written(self, columns: Mapping[str, Column]) -> Any:
        schema, arrays = self._table.schema, list(self._table.columns)
        for name, column in columns.items():
            array = _arrow_array(column)
            field = import_module("pyarrow").field(name, array.type)
            place = schema.get_field_index(name)
            if place < 0:
                schema = schema.append(field)
                arrays.append(array)
            else:
                schema = schema.set(place, field)
                arrays[place] = array
        return type(self._table).from_arrays(arrays, schema=schema)


class _Columns(Table):
    """A dict of lists."""

    arrays = False

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = columns
        self._labels = {str(label): label for label in columns}

    def names(self) -> list[str]:
        return [str(label) for label in self._columns]

    def read(self, name: str) -> list[Any]:
        column = self._columns[self._labels[name]]
        # Columns from an earlier batch of this embedder may be Arrow arrays.
        return list(column.to_pylist() if hasattr(column, "to_pylist") else column)

    def written(self, columns: Mapping[str, Column]) -> Any:
        made = {self._labels.get(name, name): self._made(column) for name, column in columns.items()}
        return {**self._columns, **made}

    def _made(self, column: Column) -> Any:
        return column.values


class _Arrays(_Columns):
    """A dict of numpy arrays, as Ray Data has it.

    numpy has no nulls, so a column of vectors with gaps would change its type from batch to batch. New
    columns are Arrow arrays, which Ray accepts, if pyarrow is installed.
    """

    arrays = True

    def _made(self, column: Column) -> Any:
        try:
            return _arrow_array(column)
        except ImportError:
            numpy = import_module("numpy")
            made = numpy.empty(len(column.values), dtype=object)
            for place, value in enumerate(column.values):
                made[place] = value
            return made


class _Rows(Table):
    """A list of rows, each a dict."""

    arrays = False

    def __init__(self, rows: Sequence[Any]) -> None:
        for place, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise InvalidArgumentError(
                    f"batch[{place}]: must be a dict or text, not {type(row).__name__:.60}"
                )
        self._rows = rows

    def names(self) -> list[str]:
        return list(dict.fromkeys(str(name) for row in self._rows for name in row))

    def read(self, name: str) -> list[Any]:
        return [row.get(name) for row in self._rows]

    def written(self, columns: Mapping[str, Column]) -> Any:
        return [
            {**row, **{name: column.values[place] for name, column in columns.items()}}
            for place, row in enumerate(self._rows)
        ]


def _arrow_array(column: Column) -> Any:
    return import_module("pyarrow").array(column.values, type=_arrow_type(column.kind))


def _arrow_type(kind: Kind) -> Any:
    arrow = import_module("pyarrow")
    return arrow.list_(arrow.float32()) if kind == "vector" else arrow.string()


def with_arrow_types(frame: Any, kinds: Mapping[str, Kind]) -> Any:
    """Give columns of a pandas frame Arrow types, which an empty column has too, if pyarrow is installed."""
    try:
        types = {name: _arrow_type(kind) for name, kind in kinds.items()}
    except ImportError:
        return frame
    arrow_dtype = import_module("pandas").ArrowDtype
    labels = {str(label): label for label in frame.columns}
    return frame.astype({labels[name]: arrow_dtype(kind) for name, kind in types.items()})
