"""Evidence: every number that a run states, with what computed it and on which rows.

Reports, the model card and the manager's page are views of one `EvidenceStore`; `mlwright verify` computes the
numbers again and compares.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mlwright._version import __version__
from mlwright.core.errors import MlwrightError
from mlwright.core.files import read_json, write_json

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A range meant to contain the true value with the stated confidence (0 to 1)."""

    low: float
    high: float
    confidence: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def finite(value: float) -> float | None:
    """The number, or None where it could not be computed (NaN) or has no bound; JSON has neither."""
    return float(value) if math.isfinite(value) else None


def bounded(interval: Interval | None) -> Interval | None:
    """The interval, or None where one of its ends is not known."""
    return interval if interval is not None and math.isfinite(interval.low) and math.isfinite(interval.high) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One number (or status) with its origin.

    Attributes
    ----------
    id
        Dotted path, unique in a run: `test.roc_auc`.
    value
        Null if it could not be computed; `method` then says why.
    method
        What computed it, in words that name the method.
    rows
        Which rows it came from, in words; `n` is how many.
    kind
        `computed` from data and seed, so it can be computed again; `measured` is a time or a size, so it can only be
        measured again.
    """

    id: str
    value: float | int | str | bool | None
    method: str
    rows: str
    n: int | None = None
    interval: Interval | None = None
    unit: str | None = None
    kind: Literal["computed", "measured"] = "computed"
    code: str = f"mlwright {__version__}"


class EvidenceStore:
    """The evidence of a run, in the order in which it was found."""

    def __init__(self, records: Iterable[Evidence] = ()) -> None:
        self._records: dict[str, Evidence] = {}
        self.extend(records)

    def extend(self, records: Iterable[Evidence]) -> None:
        """Add records; a later one with the same id takes the place of the earlier one."""
        for record in records:
            self._records[record.id] = _finite(record)

    def __iter__(self) -> Iterator[Evidence]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, id: str) -> Evidence:  # noqa: A002 - the field is called id in the file
        return self._records[id]

    def get(self, id: str) -> Evidence | None:  # noqa: A002 - see above
        return self._records.get(id)

    def write(self, path: Path) -> None:
        """Write `evidence.json`, whole."""
        write_json(path, {"format_version": FORMAT_VERSION, "records": [asdict(record) for record in self]})

    @classmethod
    def read(cls, path: Path) -> EvidenceStore:
        """Read `evidence.json`.

        Raises
        ------
        EvidenceUnreadable
            If it is not a file that this version of mlwright understands.
        """
        tree = read_json(path)
        if not isinstance(tree, dict) or tree.get("format_version") != FORMAT_VERSION:
            raise EvidenceUnreadable(path)
        try:
            return cls(_record(entry) for entry in tree["records"])
        except (AttributeError, KeyError, TypeError) as error:
            raise EvidenceUnreadable(path) from error


class EvidenceUnreadable(MlwrightError):
    """The evidence file is of another format."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the evidence is not in format {FORMAT_VERSION}, the one that mlwright {__version__} reads",
            where=str(path),
            fix="read it with the version of mlwright that wrote it, or make a new run",
        )


def _record(entry: dict[str, Any]) -> Evidence:
    interval = entry.pop("interval")
    return Evidence(**entry, interval=None if interval is None else Interval(**interval))


def _finite(record: Evidence) -> Evidence:
    """JSON has no NaN: a number that could not be computed is null, an interval without two ends is none."""
    tree = {name: getattr(record, name) for name in record.__slots__}
    if isinstance(record.value, float):
        tree["value"] = finite(record.value)
    tree["interval"] = bounded(record.interval)
    return Evidence(**tree)
