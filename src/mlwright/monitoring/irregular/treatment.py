"""What becomes of the rows of an irregular batch: repaired by an accepted rule, kept back, or let through as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa

from mlwright.monitoring.findings import Finding
from mlwright.monitoring.irregular.batch import Batch
from mlwright.monitoring.irregular.irregularity import BoolArray, Irregularity
from mlwright.monitoring.irregular.repairs import DropRepeated

#: `recommend` keeps the rows back and says which rule would help, `accept` runs the rule, `ignore` lets the rows through.
Choice: TypeAlias = Literal["recommend", "accept", "ignore"]
#: What the owner decided, by kind, and within it by column if need be: `operation.repair` of the spec.
Policy: TypeAlias = Mapping[str, Choice | Mapping[str, Choice]]


def choice_of(policy: Policy, found: Irregularity | Finding) -> Choice:
    """What the owner decided about a fault; of several columns all must be decided alike, or the rule is only recommended.

    Examples
    --------
    >>> gone = Irregularity(kind="column_gone", columns=("age",), confidence=1.0, sentence="", advice="")
    >>> choice_of({"column_gone": {"age": "ignore"}}, gone)
    'ignore'
    >>> choice_of({}, gone)
    'recommend'
    """
    said = policy.get(found.kind, "recommend")
    if isinstance(said, str):
        return said
    choices = {said.get(column, "recommend") for column in found.columns}
    return choices.pop() if len(choices) == 1 else "recommend"


def is_accepted(policy: Policy, found: Irregularity) -> bool:
    """Whether its rule may run."""
    return found.repair is not None and choice_of(policy, found) == "accept"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """Rows that are kept back, all for the same reasons.

    Attributes
    ----------
    batch
        The rows as they came.
    reasons
        The faults that they have; for all of them a rule must be accepted before they go on.
    """

    batch: Batch
    reasons: tuple[Irregularity, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Repaired:
    """A rule that ran, and what the rows were before.

    Attributes
    ----------
    before
        The rows of which it changed something, as they came.
    """

    reason: Irregularity
    before: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Treated:
    """A batch after treatment; each row that came is in `batch`, in `held`, or was a repetition that a rule left out.

    Attributes
    ----------
    batch
        The rows that go on, repaired where a rule was accepted.
    rows : shape (n_rows,)
        Which of the rows that came those are.
    """

    batch: Batch
    rows: BoolArray
    held: tuple[Held, ...] = ()
    repaired: tuple[Repaired, ...] = ()


def treat(batch: Batch, found: Sequence[Irregularity], policy: Policy | None = None) -> Treated:
    """Do with each row of a batch what the owner decided about its faults.

    A row with several faults goes on only if each of them is repaired or ignored.

    Parameters
    ----------
    found
        What `recognise` found in this batch.
    policy
        `operation.repair` of the spec; without it rules are only recommended.
    """
    policy = policy or {}
    accepted: list[Irregularity] = []
    why: list[Irregularity] = []
    for one in found:
        if one.rows is None or not one.held or choice_of(policy, one) == "ignore":
            continue
        (accepted if is_accepted(policy, one) else why).append(one)
    held_rows = np.zeros(len(batch), dtype=bool)
    for one in why:
        held_rows |= _rows(one)
    going = ~held_rows
    on, repaired, dropped = batch.take(going), [], np.zeros(int(going.sum()), dtype=bool)
    for one in accepted:
        rows = _rows(one)[going]
        if not rows.any():
            continue
        assert one.repair is not None
        repaired.append(Repaired(reason=one, before=batch.take(_rows(one) & going).rows))
        if isinstance(one.repair, DropRepeated):
            dropped |= rows  # last of all: the rows of the others are counted with them
        else:
            on = one.repair.apply(on, rows)
    gone_on = going.copy()
    gone_on[np.flatnonzero(going)[dropped]] = False
    return Treated(
        batch=on.take(~dropped) if dropped.any() else on,
        rows=gone_on,
        held=_by_reasons(batch, [*why, *accepted], held_rows),
        repaired=tuple(repaired),
    )


def repair_held(batch: Batch, reasons: Sequence[Irregularity]) -> Batch:
    """Rows that were kept back, with the rule of each of their faults applied."""
    for one in reasons:
        if one.repair is not None:
            batch = one.repair.apply(batch, np.ones(len(batch), dtype=bool))
    return batch


def _by_reasons(batch: Batch, why: Sequence[Irregularity], held: BoolArray) -> tuple[Held, ...]:
    """The rows that are kept back, grouped by what they have."""
    if not held.any():
        return ()
    marks = np.stack([_rows(one) & held for one in why], axis=1)
    groups, which = np.unique(marks[held], axis=0, return_inverse=True)
    made = []
    for number, group in enumerate(groups):
        rows = held.copy()
        rows[np.flatnonzero(held)] = which.ravel() == number
        reasons = tuple(one for one, has in zip(why, group, strict=True) if has)
        made.append(Held(batch=batch.take(rows), reasons=reasons))
    return tuple(made)


def _rows(found: Irregularity) -> BoolArray:
    assert found.rows is not None
    return found.rows
