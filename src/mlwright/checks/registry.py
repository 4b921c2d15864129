"""All checks by name, in the order in which they are reported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from mlwright.checks import columns, leaks, proxies, target
from mlwright.checks.context import CheckContext
from mlwright.checks.report import CheckResult


class Check(Protocol):
    """Looks at the data and says what it found; a check that does not apply says nothing."""

    def __call__(self, context: CheckContext, /) -> Iterator[CheckResult]: ...


CHECKS: dict[str, Check] = {
    "leakage": leaks.leakage,
    "contamination": leaks.contamination,
    "duplicates": leaks.duplicates,
    "group_leakage": leaks.groups,
    "time_leakage": leaks.time_leakage,
    "label_errors": target.label_errors,
    "class_imbalance": target.class_imbalance,
    "sample_size": target.sample_size,
    "missing": columns.missing,
    "unreadable": columns.unreadable,
    "left_out": columns.left_out,
    "outliers": columns.outliers,
    "rare_levels": columns.rare_levels,
    "personal_data": columns.personal_data,
    "proxies": proxies.proxies,
    "association": target.association,
}
