"""Rows that come again: twice in one batch, or a whole batch that was there before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlwright.data.rows import hash_rows
from mlwright.data.summaries.packing import pack, unpack
from mlwright.monitoring.irregular.batch import Batch
from mlwright.monitoring.irregular.irregularity import BoolArray, Irregularity, shown_share
from mlwright.monitoring.irregular.look import LEAST_COUNT, Look
from mlwright.monitoring.irregular.reference import Reference
from mlwright.monitoring.irregular.repairs import DropRepeated

HashArray = NDArray[np.uint64]
#: So many earlier batches are remembered, and so many of their rows in all (8 bytes each).
_BATCHES, _ROWS = 50, 200_000


@dataclass(slots=True)
class RecentBatches:
    """Hashes of the rows of earlier batches, the latest last; bounded, whatever comes."""

    hashes: list[HashArray] = field(default_factory=list)

    def remember(self, batch: Batch) -> None:
        """A batch that was taken in."""
        self.hashes.append(_hashes(batch))
        while len(self.hashes) > _BATCHES or (len(self.hashes) > 1 and sum(map(len, self.hashes)) > _ROWS):
            self.hashes.pop(0)

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"format_version": 1, "hashes": [pack(one.view(np.int64)) for one in self.hashes]}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> RecentBatches:
        return cls([unpack(one).view(np.uint64) for one in state["hashes"]])


def _hashes(batch: Batch) -> HashArray:
    hashes: HashArray = hash_rows(batch.typed, batch.typed.column_names)
    return hashes


def repeats(look: Look, recent: RecentBatches | None = None) -> Iterator[Irregularity]:
    """A batch, or rows, that come again."""
    hashes = _hashes(look.batch)
    chance = chance_of_equal_rows(look.reference)
    if recent is not None:
        again = _again(look, hashes, recent.hashes, chance)
        if again is not None:
            yield again
            return
    _, first = np.unique(hashes, return_index=True)
    rows = np.ones(look.n, dtype=bool)
    rows[first] = False
    count = int(rows.sum())
    if count < max(LEAST_COUNT, 0.01 * look.n):
        return
    habits = look.reference.habits
    usual = (
        look.n / 2 * chance
        if habits is None or habits.repeated is None
        else max(1.5 * habits.repeated, look.n / 2 * chance * 0.1)
    )
    in_blocks = _in_blocks(hashes) and look.n / 2 * np.log(_equal_pairs(hashes)) < np.log(look.alpha)
    if (count / look.n < 3 * usual + 0.02 or look.explained) and not in_blocks:
        return  # where a column is constant or gone, rows are alike that were not
    yield look.found(
        "rows_repeated",
        (),
        rows,
        f"{count:,} rows ({shown_share(count / look.n)} of the batch) are repetitions of others in it.",
        "Ask the source whether it sent them twice. Accept the rule to count each once.",
        confidence=1 - usual * look.n / max(count, 1),
        evidence={"repeated": count, "expected_by_chance": usual * look.n},
        repair=DropRepeated(),
    )


def _again(look: Look, hashes: HashArray, earlier: Sequence[HashArray], chance: float) -> Irregularity | None:
    """The earlier batch that comes again, or the rows of earlier ones that do."""
    if not earlier:
        return None
    inside = [np.isin(hashes, one) for one in earlier]
    shares = np.array([float(one.mean()) for one in inside])
    best = int(shares.argmax())
    same = len(hashes) == len(earlier[best]) and bool((hashes == earlier[best]).all())
    expected = min(len(earlier[best]) * chance, 1.0)
    usual = float(np.median(np.delete(shares, best))) if len(shares) >= 3 else expected
    sure = max(usual, expected if len(shares) < 3 else 0.0) < 0.3
    if shares[best] >= 0.9 and (sure or (same and look.n * np.log(_equal_pairs(hashes)) < np.log(look.alpha))):
        rows = inside[best] if not same else np.ones(look.n, dtype=bool)
        return look.found(
            "batch_repeated",
            (),
            rows,
            f"The batch is the one that came {len(earlier) - best:,} before it: {shown_share(shares[best])} of its rows are the same.",
            "Ask the source whether it sent the batch again. Accept the rule to count it once.",
            confidence=1 - usual,
            evidence={"rows": int(rows.sum()), "batches_ago": len(earlier) - best, "share_in_other_batches": usual},
            repair=DropRepeated(),
        )
    rows = np.isin(hashes, np.concatenate(earlier))
    by_chance = min(sum(map(len, earlier)) * chance, 1.0)
    habits = look.reference.habits
    floor = 0.05 if habits is None or habits.repeated is None else 0.05 + 3 * habits.repeated
    if shares[best] >= max(3 * usual, floor) and shares[best] * look.n >= LEAST_COUNT and by_chance < 0.02:
        return look.found(
            "rows_repeated",
            (),
            inside[best],
            f"{int(inside[best].sum()):,} rows ({shown_share(shares[best])} of the batch) came in an earlier batch already.",
            "Ask the source whether it sent them twice. Accept the rule to count each once.",
            confidence=1 - max(usual, by_chance),
            evidence={"repeated": int(rows.sum()), "expected_by_chance": by_chance * look.n},
            repair=DropRepeated(),
        )
    return None


def chance_of_equal_rows(reference: Reference) -> float:
    """The probability that two rows are equal by chance, at most.

    If columns were independent it would be the product over the columns of the sum of their squared shares. They are
    not: the root of the product stands for half of what they tell being told twice. No two rows are equal more often
    than their values of one column are.
    """
    logs = [0.0]
    for column in reference.schema:
        if column.name in reference.left_out:
            continue
        levels = reference.levels(column.name)
        numbers = None if levels is not None else reference.numbers(column.name)
        if levels is not None:
            equal = sum(share**2 for share in levels.shares.values())
            logs.append(float(np.log(max(equal, 1 / max(levels.n_distinct, 1.0)))))
        elif numbers is not None:
            spread = max(numbers.n_distinct, 1.0)
            equal = float((numbers.weights**2).sum()) if numbers.exact else max(1 / spread, numbers.top**2)
            logs.append(float(np.log(max(equal, 1e-12))))
    return float(np.exp(max(sum(logs) / 2, -700.0) if len(logs) > 2 else sum(logs)))


def _equal_pairs(hashes: HashArray) -> float:
    """The share of pairs of distinct neighbours in the batch that are equal, which is how uniform it is."""
    _, counts = np.unique(hashes, return_counts=True)
    n = len(hashes)
    # Each row counts half if all are there twice: the copies themselves are not evidence of uniformity.
    return float(np.clip(((counts / n) ** 2).sum(), 2 / n, 1 - 1e-9))


def _in_blocks(hashes: HashArray) -> BoolArray | bool:
    """Whether the second half is the first again, or each row comes twice in a row."""
    half = len(hashes) // 2
    if len(hashes) % 2 or half < 10:
        return False
    return bool((hashes[:half] == hashes[half:]).all() or (hashes[::2] == hashes[1::2]).all())
