"""A figure beside its target: what a benchmark asks, what was reached, and whether that is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of a table.

    Attributes
    ----------
    goal, target, reached
        What was asked, how much of it, and what was measured.
    good
        Whether that is enough; None where nothing was asked.
    beside
        What others reach, on a line of its own.
    numbers
        What was measured, for those who compute on: kept, not printed.
    """

    goal: str
    target: str = ""
    reached: str
    good: bool | None = None
    beside: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        mark = {True: "met", False: "MISSED", None: ""}[self.good]
        line = f"{self.goal:76} {self.target:24} {self.reached:52} {mark}".rstrip()
        return f"{line}\n{'':4}beside: {self.beside}" if self.beside else line
