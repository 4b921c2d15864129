"""What the spec asks, and what the run does about it, with the numbers of these rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlwright.checks import CheckReport
from mlwright.core import Evidence
from mlwright.data import Split
from mlwright.spec import Spec
from mlwright.translation.decisions import decision_lines
from mlwright.translation.demands import demand_lines
from mlwright.translation.line import TranslationLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """The business question as the run takes it: one line per thing that is asked."""

    lines: tuple[TranslationLine, ...]
    n_train: int = 0
    n_test: int = 0

    def of(self, topic: str) -> list[TranslationLine]:
        """The lines about one topic: `objective`, `decision`, `capacity` …"""
        return [line for line in self.lines if line.topic == topic]

    def evidence(self) -> Iterator[Evidence]:
        """Every number as evidence, `translation.<line>.<name>`."""
        for line in self.lines:
            for name, value in line.numbers.items():
                yield Evidence(
                    id=f"translation.{line.id}.{name}",
                    value=value,
                    method=f"from {line.asked}"[:200],
                    rows="training and test rows",
                    n=self.n_train + self.n_test,
                )

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format_version": 1,
            "lines": [asdict(line) for line in self.lines],
            "n_train": self.n_train,
            "n_test": self.n_test,
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Translation:
        """The translation that had this state."""
        lines = tuple(TranslationLine(**line) for line in state["lines"])
        return cls(lines=lines, n_train=state["n_train"], n_test=state["n_test"])


def translate(spec: Spec, split: Split, *, checks: CheckReport | None = None) -> Translation:
    """Say for everything that the spec asks what the run does about it.

    Parameters
    ----------
    checks
        What checks found: the proxies of columns that must not be used are told from it.

    Raises
    ------
    WorthUnknown, ExpressionInvalid, CostsAllZero
        If the worth of an outcome is no number, or no decision matters.
    CapacityUnclear
        If a capacity is no share of the rows.
    MetricUnknown, LevelMissing
        If a requirement names a metric that does not fit.
    """
    lines = (*decision_lines(spec, split), *demand_lines(spec, split, checks))
    return Translation(lines=lines, n_train=len(split.train_rows), n_test=len(split.test_rows))
