"""What checks found: results with a status, their evidence, and the error that stops a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from mlwright.core import Evidence, MlwrightError

Status = Literal["pass", "warn", "fail"]
_ORDER: dict[Status, int] = {"fail": 0, "warn": 1, "pass": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One judgement.

    Attributes
    ----------
    check
        The name of the check in `CHECKS`.
    column
        What it is about; None if it is about the table.
    what
        One sentence for people.
    evidence
        The numbers behind it, by name.
    method
        What computed them.
    rows
        Which rows it looked at, in words; `n` is how many.
    listed
        Row numbers or values that one may want to see, e.g. the rows whose target looks wrong.
    """

    check: str
    status: Status
    what: str
    advice: str = ""
    column: str | None = None
    evidence: Mapping[str, float | int | str | None] = field(default_factory=dict)
    method: str = ""
    rows: str = "all rows"
    n: int = 0
    listed: tuple[Any, ...] = ()


class ChecksFailed(MlwrightError):
    """A check says that a model from this data would be wrong."""

    exit_code: ClassVar[int] = 1

    def __init__(self, failed: list[CheckResult]) -> None:
        first = failed[0]
        more = f" (and {len(failed) - 1} more failed checks: see `mlwright check`)" if len(failed) > 1 else ""
        where = f"check {first.check!r}" + (f", column {first.column!r}" if first.column else "")
        super().__init__(first.what + more, where=where, fix=first.advice)
        self.results = tuple(failed)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All results, the worst first."""

    results: tuple[CheckResult, ...]

    def __iter__(self) -> Iterator[CheckResult]:
        return iter(self.results)

    def of(self, check: str) -> list[CheckResult]:
        """The results of one check."""
        return [result for result in self.results if result.check == check]

    def failed(self, check: str | None = None) -> list[CheckResult]:
        """Results that stop a run; of one check, or of all."""
        return self._with("fail", check)

    def warned(self, check: str | None = None) -> list[CheckResult]:
        """Results that a person should look at; of one check, or of all."""
        return self._with("warn", check)

    def _with(self, status: Status, check: str | None) -> list[CheckResult]:
        return [r for r in self.results if r.status == status and (check is None or r.check == check)]

    @property
    def status(self) -> Status:
        """The worst of all."""
        return min((result.status for result in self.results), key=_ORDER.__getitem__, default="pass")

    def raise_if_failed(self) -> None:
        """Stop.

        Raises
        ------
        ChecksFailed
            If a check failed; exit code 1.
        """
        if failed := self.failed():
            raise ChecksFailed(failed)

    def evidence(self) -> list[Evidence]:
        """Every number as evidence, `checks.<check>.<column>.<name>`."""
        return [
            Evidence(
                id=".".join(filter(None, ["checks", result.check, result.column, name])),
                value=value,
                method=result.method or result.check,
                rows=result.rows,
                n=result.n or None,
            )
            for result in self.results
            for name, value in result.evidence.items()
        ]

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"format_version": 1, "results": [asdict(result) for result in self.results]}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> CheckReport:
        """The report that had this state."""
        return cls(tuple(CheckResult(**{**entry, "listed": tuple(entry["listed"])}) for entry in state["results"]))

    @classmethod
    def of_results(cls, results: list[CheckResult]) -> CheckReport:
        """Sorted: failures first, then warnings; inside those in the order of the checks."""
        return cls(tuple(sorted(results, key=lambda result: _ORDER[result.status])))
