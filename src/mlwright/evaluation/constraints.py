"""What the spec demands of the model itself, judged: latency, size, memory, monotonic columns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from mlwright.core import Evidence, Interval, MlwrightError
from mlwright.data import Dataset
from mlwright.models import Model, latency_of_answers, size_in_bytes
from mlwright.spec import Spec

Outcome = Literal["met", "not met", "undecided"]
_TIMES = 400
#: What is measured in a process of its own: what a server needs to answer, without the server.
_ANSWERING = """
import sys
from mlwright.core import peak_memory_mb
from mlwright.models import Scorer, golden_rows
scorer = Scorer.load(sys.argv[1])
scorer.score(golden_rows(scorer.model))
print(peak_memory_mb())
"""
_MOST_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintResult:
    """One constraint and how it ended.

    Attributes
    ----------
    name
        Its key below `constraints`: `latency_ms`, `monotonic.age`.
    asked
        In words.
    interval
        Of the value, where it is uncertain.
    """

    name: str
    asked: str
    outcome: Outcome
    value: float | None
    limit: float
    unit: str
    interval: Interval | None
    n: int
    reason: str

    def evidence(self) -> Iterator[Evidence]:
        """The outcome and the value, as measured."""
        for id_, value, interval, unit in (
            (f"constraints.{self.name}", self.outcome, None, None),
            (f"constraints.{self.name}.value", self.value, self.interval, self.unit),
        ):
            yield Evidence(
                id=id_,
                value=value,
                interval=interval,
                method=self.reason,
                rows="test rows",
                n=self.n,
                unit=unit,
                kind="measured",
            )


class ConstraintsNotMet(MlwrightError):
    """The model does not keep what the spec demands of it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, missed: Sequence[ConstraintResult]) -> None:
        first = missed[0]
        more = f" (and {len(missed) - 1} more)" if len(missed) > 1 else ""
        super().__init__(
            f"{first.asked} is not met: {first.reason}{more}",
            where=f"constraints.{first.name}",
            fix="loosen the constraint, or give the search more time to find a model that keeps it",
        )


def judge_limits(model: Model, test: Dataset, spec: Spec, package: Path | None) -> tuple[ConstraintResult, ...]:
    """Measure the model against the limits of the spec; empty if it sets none."""
    limits = spec.constraints
    found = []
    if limits.latency_ms is not None:
        found.append(_latency(model, test, limits.latency_ms))
    if limits.size_mb is not None:
        found.append(_size(package, limits.size_mb))
    if limits.memory_mb is not None:
        found.append(_memory(package, limits.memory_mb))
    return tuple(found)


def _latency(model: Model, test: Dataset, limit: float) -> ConstraintResult:
    """Judged like a requirement: the interval of the 95th percentile against the limit."""
    found = latency_of_answers(model, test, _TIMES)
    interval = found.range95
    outcome: Outcome = "met" if interval.high <= limit else "not met" if interval.low > limit else "undecided"
    return ConstraintResult(
        name="latency_ms",
        asked=f"an answer within {limit:g} ms",
        outcome=outcome,
        value=found.p95,
        limit=limit,
        unit="ms",
        interval=interval,
        n=found.n,
        reason=f"95th percentile of the time to answer one record, {found.p95:.3g} ms of {found.n} answers on this machine; "
        "interval by the order of the times",
    )


def _size(package: Path | None, limit: float) -> ConstraintResult:
    size = None if package is None else size_in_bytes(package) / 1e6
    return ConstraintResult(
        name="size_mb",
        asked=f"a package of at most {limit:g} MB",
        outcome="undecided" if size is None else "met" if size <= limit else "not met",
        value=size,
        limit=limit,
        unit="MB",
        interval=None,
        n=0,
        reason="the model is not saved yet" if size is None else f"all files of the package, {size:.3g} MB",
    )


def _memory(package: Path | None, limit: float) -> ConstraintResult:
    memory, reason = None, "the model is not saved yet"
    if package is not None:
        memory, reason = _memory_of_answering(package)
    return ConstraintResult(
        name="memory_mb",
        asked=f"a process that answers in at most {limit:g} MB",
        outcome="undecided" if memory is None else "met" if memory <= limit else "not met",
        value=memory,
        limit=limit,
        unit="MB",
        interval=None,
        n=0,
        reason=reason,
    )


def _memory_of_answering(package: Path) -> tuple[float | None, str]:
    """The most memory that a process of its own held while it loaded the package and answered, in MB."""
    try:
        said = subprocess.run(  # noqa: S603 - this Python, on a package that this run has written
            [sys.executable, "-c", _ANSWERING, str(package)],
            capture_output=True,
            text=True,
            timeout=_MOST_SECONDS,
            check=True,
        )
        memory = float(said.stdout)
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        return None, f"it could not be measured ({type(error).__name__})"
    return memory, f"largest memory of a process that loads the package and answers 100 rows, {memory:.0f} MB"
