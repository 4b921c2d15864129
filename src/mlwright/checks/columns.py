"""Checks of single columns: missing, unreadable and odd values, rare levels, identifiers, constants, personal data."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlwright.checks.context import CheckContext
from mlwright.checks.report import CheckResult
from mlwright.data import Column, ColumnSummary, suspected_cap
from mlwright.data.dataset import FloatArray

_MOSTLY_MISSING = 0.5
_RARE_ROWS = 10
#: Robust standard deviations from the middle, on the plain and on the logarithmic scale.
_FAR = 12.0


def missing(context: CheckContext) -> Iterator[CheckResult]:
    """Columns without values in most rows."""
    n = len(context.dataset)
    shares = {}
    for column in context.dataset.schema.features:
        share = context.dataset.table.column(column.name).null_count / n
        shares[column.name] = share
        if share > _MOSTLY_MISSING:
            yield CheckResult(
                check="missing",
                status="warn",
                column=column.name,
                what=f"{column.name} is missing in {share:.1%} of the rows",
                advice="find out whether missing means something; if not, list it in data.must_not_use",
                evidence={"share": share},
                method="share of rows without a value",
                n=n,
            )
    some = {name: share for name, share in shares.items() if share > 0}
    yield CheckResult(
        check="missing",
        status="pass",
        what=f"{len(some)} of {len(shares)} features have missing values"
        + (f", at most {max(some.values()):.1%} ({max(some, key=lambda k: some[k])})" if some else ""),
        evidence={"columns": len(some), "largest_share": max(some.values(), default=0.0)},
        method="share of rows without a value",
        n=n,
    )


def unreadable(context: CheckContext) -> Iterator[CheckResult]:
    """Values that do not fit the type of their column, and numbers that are infinite."""
    for name, count in context.dataset.unreadable.items():
        column = context.dataset.schema[name]
        yield CheckResult(
            check="unreadable",
            status="warn",
            column=name,
            what=f"{count:,} values of {name} could not be read as {column.type} and count as missing",
            advice=f"repair them, or say how to read them in data.columns.{name}",
            evidence={"values": count},
            method="values that do not parse, or are infinite",
            n=len(context.dataset) + context.dataset.unlabelled,
        )
    for name, column_summary in context.summary.columns.items():
        cap = suspected_cap(column_summary.numbers) if column_summary.numbers is not None else None
        if cap is not None and context.dataset.schema[name].role == "feature":
            yield CheckResult(
                check="unreadable",
                status="warn",
                column=name,
                what=f"{name} is {cap[0]:g} in {cap[1]:,} rows, far above all other values: missing, or a cap?",
                advice=f"if it means missing, set data.columns.{name}.missing: [{cap[0]:g}]",
                evidence={"value": cap[0], "rows": cap[1]},
                method="a number made of nines that stands apart from all others",
                rows="training rows",
                n=context.n_train,
            )


def left_out(context: CheckContext) -> Iterator[CheckResult]:
    """Columns that cannot be features: constants and identifiers."""
    for kind, name in (("constant", "constants"), ("identifier", "identifiers")):
        found = [c.name for c in context.dataset.schema if c.type == kind and c.role == "unused"]
        yield CheckResult(
            check=name,
            status="pass",
            what=f"{len(found)} left out: {', '.join(found[:8])}" if found else "none",
            evidence={"columns": len(found)},
            method="number of distinct values",
            n=len(context.dataset),
        )
    for column in context.dataset.schema.features:
        summary = context.summary[column.name]
        if column.type == "category" and summary.levels is not None and summary.known >= 50:
            uniqueness = summary.levels.distinct.uniqueness()
            if uniqueness > 0.5:
                yield CheckResult(
                    check="identifiers",
                    status="warn",
                    column=column.name,
                    what=f"{column.name} has {summary.n_distinct:,.0f} levels in {summary.known:,} rows: "
                    "it nearly names the row",
                    advice=f"if it is an identifier, set data.columns.{column.name}.type: identifier; "
                    "if levels have parts that mean something, put the parts into columns",
                    evidence={"levels_per_row": uniqueness},
                    method="distinct values per row",
                    rows="training rows",
                    n=summary.known,
                )


def outliers(context: CheckContext) -> Iterator[CheckResult]:
    """Numbers so far from the others that they are probably errors, on the plain and on the logarithmic scale."""
    for column in context.dataset.schema.features:
        summary = context.summary[column.name]
        if not column.is_number or summary.numbers is None or summary.numbers.n_distinct < 20:
            continue
        far = _far_values(context.train.numbers(column.name))
        if len(far) and len(far) <= max(3, 0.001 * summary.known):
            yield CheckResult(
                check="outliers",
                status="warn",
                column=column.name,
                what=f"{len(far)} values of {column.name} lie more than {_FAR:g} robust deviations from the others",
                advice="look at these rows: a wrong unit or a slipped digit is likely",
                evidence={"values": len(far), "furthest": float(far[np.argmax(np.abs(far - np.median(far)))])},
                method="distance from the median in robust deviations (IQR / 1.35), plain and as logarithms",
                rows="training rows",
                n=summary.known,
            )


def _far_values(values: FloatArray) -> FloatArray:
    known = values[np.isfinite(values)]
    far = _beyond(known)
    if (known > 0).all():
        far &= _beyond(np.log(known))
    elif (known >= 0).all():
        far &= _beyond(np.log1p(known))
    far &= _beyond(np.log1p(known.max() - known)) | (known > np.median(known))  # a long tail to the left is a shape
    return known[far]


def _beyond(values: FloatArray) -> NDArray[np.bool_]:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    spread = (high - low) / 1.35
    beyond: NDArray[np.bool_] = np.abs(values - middle) > _FAR * spread
    return beyond & bool(spread > 0)


def rare_levels(context: CheckContext) -> Iterator[CheckResult]:
    """Levels with few rows, and test rows with levels that training rows do not have."""
    rare_columns = 0
    worst, worst_share = None, 0.0
    for column in context.dataset.schema.features:
        if column.type != "category":
            continue
        codes, levels = context.train.levels(column.name)
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        rare_columns += bool(((counts > 0) & (counts < _RARE_ROWS)).any())
        known = {level for level, count in zip(levels, counts, strict=True) if count}
        test_codes, test_levels = context.test.levels(column.name)
        unseen = np.array([level not in known for level in test_levels] + [False])
        share = float(unseen[test_codes].mean()) if len(test_codes) else 0.0
        if share > worst_share:
            worst, worst_share = column.name, share
        if share > 0.05:
            yield CheckResult(
                check="rare_levels",
                status="warn",
                column=column.name,
                what=f"{share:.1%} of the test rows have a level of {column.name} that no training row has",
                advice="expect the same in production: such rows are answered without this column",
                evidence={"unseen_share": share},
                method="share of test rows with an unseen level",
                rows="test rows, inputs only",
                n=len(context.test),
            )
    yield CheckResult(
        check="rare_levels",
        status="pass",
        what=f"{rare_columns} categor{'y has' if rare_columns == 1 else 'ies have'} levels with fewer than {_RARE_ROWS} rows"
        + (f"; unseen levels in {worst_share:.1%} of the test rows ({worst})" if worst else ""),
        evidence={"columns": rare_columns, "largest_unseen_share": worst_share},
        method="rows per level",
        rows="training and test rows, inputs only",
        n=len(context.dataset),
    )


_PERSONAL_NAMES = re.compile(
    r"(?:^|_|\b)(?:first_?name|last_?name|sur_?name|full_?name|given_?name|name|e_?mail|phone|mobile|address|street|"
    r"zip|zip_?code|post_?code|postal_?code|ssn|social_security|passport|iban|birth_?date|date_?of_?birth|dob|ip|"
    r"ip_?address|licen[cs]e_?plate)(?:$|_|\b)",
    re.IGNORECASE,
)
_PERSONAL_VALUES = {
    "e-mail addresses": re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"),
    "phone numbers": re.compile(r"\+\d[\d ()/-]{7,}\d|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4}"),
    "IBANs": re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?"),
    "IP addresses": re.compile(r"(?:\d{1,3}\.){3}\d{1,3}"),
    "social security numbers": re.compile(r"\d{3}-\d{2}-\d{4}"),
    "card numbers": re.compile(r"\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}"),
}


def personal_data(context: CheckContext) -> Iterator[CheckResult]:
    """Columns whose names or values look like personal data; whether they may be used is for people to decide."""
    named = set(context.spec.data.sensitive)
    for column in context.dataset.schema:
        reason = _personal(column, context.summary[column.name])
        if reason is None or column.name in named or column.role == "target":
            continue
        is_feature = column.role == "feature"
        yield CheckResult(
            check="personal_data",
            status="warn" if is_feature else "pass",
            column=column.name,
            what=f"{column.name} may be personal data: {reason}" + ("" if is_feature else " (not a feature)"),
            advice="make sure that you may use it; else list it in data.must_not_use" if is_feature else "",
            evidence={"reason": reason},
            method="names and patterns of values",
            rows="training rows",
            n=context.n_train,
        )


def _personal(column: Column, summary: ColumnSummary) -> str | None:
    if summary.levels is not None and summary.levels.distinct.values is not None:
        values, counts = summary.levels.distinct.values, summary.levels.distinct.counts
        for kind, pattern in _PERSONAL_VALUES.items():
            hit = np.array([pattern.fullmatch(value.strip()) is not None for value in values], dtype=bool)
            if hit.any() and counts[hit].sum() > 0.5 * counts.sum():
                return f"its values look like {kind}"
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.name)
    # A `name` or `street` with few levels names things, not people.
    many = summary.n_distinct > (100 if re.search(r"name$", spaced, re.IGNORECASE) else 20)
    personal_type = column.type in {"text", "category", "identifier", "datetime"}
    return "by its name" if personal_type and many and _PERSONAL_NAMES.search(spaced) else None
