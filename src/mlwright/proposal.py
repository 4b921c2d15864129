"""`mlwright init`: look at a table and write the spec that its owner goes on with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mlwright.checks import run_checks
from mlwright.core import MlwrightError, Progress, silent
from mlwright.data import Column, Dataset, plan_split, read, split_rows
from mlwright.spec import ColumnNote, Draft, Query, Spec

_TIME_NAME = re.compile(
    r"(?:^|_)(?:snapshot|as_?of|event|order|transaction|created|opened|issued|applied|pickup|timestamp|datetime|date|time)"
    r"(?:_|$)",
    re.IGNORECASE,
)
_NOT_A_TIME = re.compile(r"birth|dob|expir|due|signup|sign_up|joined|registered", re.IGNORECASE)
_GROUP_NAME = re.compile(
    r"(?:^|_)(?:customer|client|user|patient|household|account|member|person|company|store|device|session)"
    r"(?:_?(?:id|no|nr|number|key))?$",
    re.IGNORECASE,
)
_ID_NAME = re.compile(r"(?:^|[^a-z])(?:id|uuid|guid|key|no|nr|number)$|Id$|ID$", re.IGNORECASE)
_SENSITIVE = re.compile(
    r"(?:^|_)(?:gender|sex|race|ethnicity|age|age_?(?:band|group|cat)|nationality|religion|disability|senior_?citizen|"
    r"marital(?:_status)?)(?:_|$)",
    re.IGNORECASE,
)


class SpecExists(MlwrightError):
    """A spec is there already, and nobody said that it may be overwritten."""


def propose(
    source: str | Query,
    target: str,
    *,
    folder: Path,
    task: str = "auto",
    frame: Any | None = None,
    progress: Progress = silent,
) -> Draft:
    """Find out what a first spec for a table should say.

    Parameters
    ----------
    folder
        Where the spec will stand; relative paths start from it.

    Raises
    ------
    SourceNotFound, SourceUnreadable, ColumnNotFound, DataUnfit
        If nothing can be learned from the table as it is.
    """
    spec = Spec.of({"data": {"source": source, "target": target}, "task": task}).at(folder)
    dataset = read(spec, frame, progress=progress)
    roles = {
        "id": _first(dataset, _is_id),
        "group": _first(dataset, _is_group),
        "time": _time_of(dataset),
    }
    named = spec.but(data=spec.data.model_copy(update={k: v for k, v in roles.items() if v is not None}))
    dataset = read(named, frame)
    plan = plan_split(dataset, named)
    split = split_rows(dataset, plan, seed=named.seed)
    leaks = _all_leaks(dataset, named, progress)
    dates = [c.name for c in dataset.schema if c.type == "datetime" and c.name != roles["time"]]
    summary = split.train.summary()
    return Draft(
        name=_name(source, target),
        source=source if isinstance(source, str) else source.url,
        query=None if isinstance(source, str) else source.query,
        rows=len(dataset) + dataset.unlabelled,
        target=target,
        task=dataset.task,
        positive_class=dataset.classes[1] if dataset.task == "binary" else None,
        classes=tuple(map(str, dataset.classes)),
        id=roles["id"],
        time=roles["time"],
        group=roles["group"],
        sensitive=tuple(c.name for c in dataset.schema.features if _is_sensitive(c)),
        suspects=tuple(leaks),
        other_times=tuple(dates),
        split=plan.kind,
        split_reason=plan.reason,
        columns=tuple(
            ColumnNote(
                name=column.name,
                type=column.type,
                remark=_remark(column, summary[column.name].nulls, len(split.train_rows)),
            )
            for column in dataset.schema
        ),
    )


def _remark(column: Column, nulls: int, rows: int) -> str:
    missing = f"; {nulls / rows:.1%} missing" if nulls else ""
    unused = "; not used" if column.role == "unused" else ""
    return f"{column.why}{missing}{unused}"


def _all_leaks(dataset: Dataset, spec: Spec, progress: Progress) -> list[str]:
    """Leaking columns, again and again without those found: the strongest one hides the others."""
    found: list[str] = []
    while True:
        report = run_checks(dataset.without(found), spec, only=("leakage",), progress=progress)
        more = [result.column for result in report.failed("leakage") if result.column is not None]
        if not more or len(dataset.features) - len(found) - len(more) < 1:
            return found
        found.extend(more)


def _first(dataset: Dataset, fits: Any) -> str | None:
    return next((column.name for column in dataset.schema if fits(dataset, column)), None)


def _is_id(dataset: Dataset, column: Column) -> bool:  # noqa: ARG001 - one signature for all roles
    return column.type == "identifier" and column.role == "unused" and bool(_ID_NAME.search(column.name))


def _is_group(dataset: Dataset, column: Column) -> bool:
    """A column that names someone, with several rows each."""
    if column.role != "feature" or column.type not in {"category", "integer"} or not _GROUP_NAME.search(column.name):
        return False
    distinct = len(dataset.levels(column.name)[1])
    return 20 < distinct < 0.9 * len(dataset)


def _time_of(dataset: Dataset) -> str | None:
    """The column that says when a row was known: by its name, or the only date there is."""
    dated = [c for c in dataset.schema if c.type == "datetime" and not _NOT_A_TIME.search(c.name)]
    full = [c for c in dated if dataset.table.column(c.name).null_count < 0.05 * len(dataset)]
    named = [c for c in full if _TIME_NAME.search(c.name)]
    if len(named) >= 1:
        return named[0].name
    return full[0].name if len(full) == 1 else None


def _is_sensitive(column: Column) -> bool:
    return bool(_SENSITIVE.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.name)))


def _name(source: str | Query, target: str) -> str:
    if isinstance(source, Query):
        return target
    stem = Path(source.rstrip("/*")).stem.split(".")[0]
    return re.sub(r"[^\w.-]+", "-", stem).strip("-") or target
