"""The schema: what each column is, how its values are read, what it is for, and which values are accepted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from mlwright.data.errors import ColumnNotFound
from mlwright.spec import LogicalType

if TYPE_CHECKING:
    import pyarrow as pa

_METADATA: Final = b"mlwright.schema"

Role = Literal["target", "feature", "id", "time", "group", "weight", "unused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueReading:
    """How the values of one column are turned into its type; the same at training and at prediction.

    Attributes
    ----------
    missing
        Texts that mean missing, in lower case and without spaces around them.
    missing_numbers
        Numbers that mean missing, such as -999.
    replace
        Spellings unified before anything else, as pairs.
    decimal, thousands
        Of numbers written as text.
    affixes
        What stands before or after the number and is left out: a currency, a percent sign.
    formats
        Of dates written as text, in the order in which they are tried.
    """

    missing: tuple[str, ...] = ()
    missing_numbers: tuple[float, ...] = ()
    replace: tuple[tuple[str, str], ...] = ()
    decimal: str = "."
    thousands: str = ""
    affixes: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a schema.

    Attributes
    ----------
    why
        What was decided about it, and from what; for people.
    nullable, levels, low, high
        What the training rows had: whether values were missing, the levels of a category, the range of a number.
        Empty until something was learned from rows.
    """

    name: str
    type: LogicalType
    role: Role = "feature"
    reading: ValueReading = field(default_factory=ValueReading)
    why: str = ""
    nullable: bool = True
    levels: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_number(self) -> bool:
        """Whether its values can be calculated with."""
        return self.type in {"number", "integer"}

    def but(self, **changes: Any) -> Column:
        """The same column with other attributes."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a table, in order."""

    columns: tuple[Column, ...]
    _by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {column.name: column for column in self.columns})

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Column:
        if name not in self._by_name:
            raise ColumnNotFound(name, self.names, where="the schema")
        return self._by_name[name]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def features(self) -> list[Column]:
        """The columns that a model may look at."""
        return [column for column in self.columns if column.role == "feature"]

    def with_role(self, role: Role) -> Column | None:
        """The one column with a role that only one can have."""
        return next((column for column in self.columns if column.role == role), None)

    def replaced(self, changed: Sequence[Column]) -> Schema:
        """The same schema with some columns replaced by those of the same name."""
        by_name = {column.name: column for column in changed}
        return Schema(tuple(by_name.get(column.name, column) for column in self.columns))

    def select(self, names: Sequence[str]) -> Schema:
        """Only the named columns, in the order of the schema."""
        wanted = set(names)
        return Schema(tuple(column for column in self.columns if column.name in wanted))

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"format_version": 1, "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Schema:
        return cls(tuple(_column(entry) for entry in state["columns"]))

    def written_on(self, table: pa.Table) -> pa.Table:
        """The table with this schema in its metadata, for a table whose values were read already.

        `read` then takes types and readings from there: a model that is trained on it still reads values as they are sent.
        """
        metadata = {**(table.schema.metadata or {}), _METADATA: json.dumps(self.state()).encode()}
        return table.replace_schema_metadata(metadata)

    def as_written_on(self, described: pa.Schema) -> Schema:
        """The same schema with the types and readings that the metadata of a table has, if it has any."""
        content = (described.metadata or {}).get(_METADATA)
        if content is None:
            return self
        said = [one for one in Schema.of_state(json.loads(content)) if one.name in self]
        return self.replaced([self[one.name].but(type=one.type, reading=one.reading, why=one.why) for one in said])


def _column(entry: dict[str, Any]) -> Column:
    reading: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry["reading"].items()
    }
    reading["replace"] = tuple((old, new) for old, new in reading["replace"])
    levels = entry["levels"]
    return Column(
        **{
            **entry,
            "reading": ValueReading(**reading),
            "levels": None if levels is None else tuple(levels),
        }
    )
