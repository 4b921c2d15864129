"""The catalogue in the order in which it is gone through: what explains most comes first, and each column is explained once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from mlwright.monitoring.irregular.batch import Batch
from mlwright.monitoring.irregular.constant import constant_column
from mlwright.monitoring.irregular.dates import impossible_dates
from mlwright.monitoring.irregular.feed import Feed, late_batch
from mlwright.monitoring.irregular.irregularity import Irregularity
from mlwright.monitoring.irregular.levels import unseen_levels
from mlwright.monitoring.irregular.look import LEAST_ROWS, Look
from mlwright.monitoring.irregular.missing import missing_burst, missing_marker
from mlwright.monitoring.irregular.reference import Reference
from mlwright.monitoring.irregular.repeats import RecentBatches, repeats
from mlwright.monitoring.irregular.structure import gone_or_renamed, written_otherwise
from mlwright.monitoring.irregular.swaps import columns_swapped
from mlwright.monitoring.irregular.units import unit_change

Recogniser = Callable[[Look], Iterable[Irregularity]]

#: A column that is gone has no unit, a swapped one is not in another unit, a constant one has no new levels.
RECOGNISERS: tuple[Recogniser, ...] = (
    gone_or_renamed,
    columns_swapped,
    written_otherwise,
    constant_column,
    impossible_dates,
    missing_marker,
    unit_change,
    unseen_levels,
    missing_burst,
)


def recognise(
    batch: Batch,
    reference: Reference,
    *,
    alpha: float = 0.001,
    now: datetime | None = None,
    feed: Feed | None = None,
    recent: RecentBatches | None = None,
) -> tuple[Irregularity, ...]:
    """Say what is wrong with a batch, by name; mostly nothing.

    Parameters
    ----------
    alpha
        The probability with which the tests (missing values, levels, constancy, silence) claim anything of a batch on
        which nothing is wrong, given that habits were learnt from rows like its own. Faults that are recognised by a
        rule which explains the values have no such probability; their error rates are measured
        (`benchmarks/monitoring/irregular.py`).
    now
        When the batch came; if not given, when its last row did.
    feed
        When rows come, to tell a late batch.
    recent
        Earlier batches, to tell one that comes again.

    Returns
    -------
    tuple
        One fault for each column or pair of columns, the first that explains it; none for a batch of fewer than 20 rows.
    """
    if len(batch) < LEAST_ROWS:
        return ()
    look = Look(batch=batch, reference=reference, alpha=alpha, now=now or batch.arrived)
    found = [one for recogniser in RECOGNISERS for one in recogniser(look)]
    found += repeats(look, recent)
    found += late_batch(look, feed)
    return tuple(found)
