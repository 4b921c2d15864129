"""Loading a version so that it can answer at once: read, verified and warmed."""

from __future__ import annotations

from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from mlwright.features import RecordInvalid
from mlwright.models import golden_rows
from mlwright.serving.http import encode_json
from mlwright.serving.kept import KeptVersions
from mlwright.serving.service import Served
from mlwright.serving.versions import VersionSource

_WARM_ROWS = 32


def load_version(package: Path, *, name: str, strict: bool = False) -> Served:
    """Read a package, verify it (checksums, golden rows, parity of the quick forms), and answer some rows with it.

    Raises
    ------
    PackageDamaged, PackageTooNew, VersionNotFound, ...
        If it is not whole, or its model does not answer as it did.
    """
    served = Served.load(package, name=name, strict=strict)
    _warm(served)
    return served


def begun_version(
    source: VersionSource, kept: KeptVersions | None, *, name: str, strict: bool = False
) -> tuple[Served, Exception | None]:
    """What a worker begins with: what the source says or, if that cannot be loaded, what answered last, and the error.

    Raises
    ------
    PackageDamaged, PackageTooNew, VersionNotFound, ...
        As `load_version`, if nothing answered before.
    """
    try:
        return load_version(source.package(), name=name, strict=strict), None
    except Exception as error:
        good = None if kept is None else kept.latest()
        if good is None:
            raise
        return load_version(good, name=name, strict=strict), error


def _warm(served: Served) -> None:
    """Answer made-up rows by each way that a request can take, so that the first request finds all of it used."""
    records = _complete_records(served)
    scorer = served.scorer
    # A column that has no usual value leaves its rows unanswered; the golden rows were replayed before this anyway.
    with suppress(RecordInvalid):
        for record in records:
            scorer.answer(record)
            scorer.answers_of_json(encode_json(record))
        scorer.answers(records)
        scorer.answers(records[:1], reasons=1)


def _complete_records(served: Served) -> list[dict[str, Any]]:
    """Golden rows without the missing values and the level never seen, which would be counted as if clients had sent them."""
    rows = golden_rows(served.scorer.model).slice(1)
    columns = []
    for column in rows.columns:
        values = [value for value in column.to_pylist() if value is not None]
        columns.append(list(islice(cycle(values), _WARM_ROWS)) if values else [None] * _WARM_ROWS)
    return [dict(zip(rows.column_names, values, strict=True)) for values in zip(*columns, strict=True)]
