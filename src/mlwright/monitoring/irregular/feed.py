"""When rows come: a feed that stopped, and batches that are late. Learnt from the windows so far, bounded in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlwright.data.dataset import FloatArray
from mlwright.monitoring.irregular.irregularity import Irregularity
from mlwright.monitoring.irregular.look import LEAST_ROWS, Look

_HOUR, _WEEK = 3600.0, 168
#: Before so many hours with rows, and so many batches with delays, nothing is known.
_LEAST_HOURS, _LEAST_BATCHES = 24, 5
#: A silence must be longer than the longest so far by this.
_LONGER = 1.5


@dataclass(slots=True)
class Feed:
    """How many rows come in which hour of the week, how long silences last, and how old rows are when they come.

    Attributes
    ----------
    rows, squares, hours : shape (168,)
        By hour of the week from Monday 0:00 UTC: sum of the rows, sum of their squares, number of such hours.
    silence
        The longest time without a row so far, in seconds.
    last
        When the last row came, in seconds since 1970.
    delays, delay
        How many batches had times of their own, and the largest of their median delays in seconds.
    """

    rows: FloatArray = field(default_factory=lambda: np.zeros(_WEEK))
    squares: FloatArray = field(default_factory=lambda: np.zeros(_WEEK))
    hours: FloatArray = field(default_factory=lambda: np.zeros(_WEEK))
    silence: float = 0.0
    last: float | None = None
    delays: int = 0
    delay: float = 0.0

    def learn(self, arrivals: NDArray[Any], start: datetime, end: datetime) -> None:
        """Add a window `start <= time < end` of whole hours; stretches without rows count as hours with none.

        Parameters
        ----------
        arrivals : shape (n_rows,)
            When each row came: `datetime64`, UTC.
        """
        first, stop = (int(_seconds(moment) // _HOUR) for moment in (start, end))
        seconds = np.sort(arrivals.astype("datetime64[us]").astype(np.int64) / 1e6)
        if stop > first:
            counts = np.bincount((seconds // _HOUR).astype(np.int64) - first, minlength=stop - first)[: stop - first]
            week = _hours_of_week(np.arange(first, stop))
            np.add.at(self.rows, week, counts)
            np.add.at(self.squares, week, counts.astype(float) ** 2)
            np.add.at(self.hours, week, 1)
        if len(seconds):
            before = seconds[:1] if self.last is None else np.array([self.last])
            self.silence = max(self.silence, float(np.diff(np.r_[before, seconds]).max()))
            self.last = float(seconds[-1])

    def learn_delay(self, arrived: datetime, times: FloatArray) -> None:
        """Add a batch that was not late: when it came, and the times of its rows in seconds since 1970."""
        known = times[np.isfinite(times)]
        if len(known):
            self.delays += 1
            self.delay = max(self.delay, _seconds(arrived) - float(np.median(known)))

    def expected(self, start: float, end: float) -> float:
        """How many rows should come between two moments in seconds, counted low; in units of rows that come together."""
        edges = np.arange(np.floor(start / _HOUR), np.ceil(end / _HOUR) + 1)
        shares = np.minimum(edges[1:] * _HOUR, end) - np.maximum(edges[:-1] * _HOUR, start)
        rates = self._rates()[_hours_of_week(edges[:-1].astype(np.int64))]
        return float((rates * np.maximum(shares, 0.0) / _HOUR).sum() / self._together())

    def _rates(self) -> FloatArray:
        """Rows an hour, by hour of the week; what was seen less than twice is taken from the same hour of other days."""
        of_day = self.rows.reshape(7, 24).sum(axis=0) / np.maximum(self.hours.reshape(7, 24).sum(axis=0), 1)
        low = np.array([self._lowest(hour) for hour in range(24)])
        by_week = self.rows / np.maximum(self.hours, 1)
        return np.where(self.hours >= 2, by_week, np.minimum(np.tile(low, 7), np.tile(of_day, 7)))

    def _lowest(self, hour: int) -> float:
        """The least rate of an hour over the days on which it was seen."""
        hours, rows = self.hours.reshape(7, 24)[:, hour], self.rows.reshape(7, 24)[:, hour]
        return float((rows[hours > 0] / hours[hours > 0]).min()) if (hours > 0).any() else 0.0

    def _together(self) -> float:
        """How many rows come together: the variance of an hour's rows over their number, at least 1."""
        means = self.rows / np.maximum(self.hours, 1)
        excess = self.squares - self.hours * means**2
        free = np.maximum(self.hours - 1, 0).sum()
        return float(max(excess.sum() / max(free, 1) / max(means.mean(), 1e-9), 1.0))

    def stopped(self, now: datetime, *, alpha: float = 0.001) -> Irregularity | None:
        """The silence since the last row, if rows should have come; None if all is well or too little is known.

        Parameters
        ----------
        alpha
            The probability with which a silence as long as this is called a stop though the feed goes on.
        """
        if self.last is None or self.hours.sum() < _LEAST_HOURS or (self.hours > 0).sum() < 24:
            return None
        quiet = _seconds(now) - self.last
        expected = self.expected(self.last, _seconds(now))
        if quiet <= _LONGER * self.silence or expected < np.log(1 / alpha):
            return None
        since = datetime.fromtimestamp(self.last, tz=UTC)
        return Irregularity(
            kind="stopped_feed",
            confidence=round(float(min(1 - np.exp(-expected), 0.9999)), 4),
            evidence={
                "silent_hours": round(quiet / _HOUR, 2),
                "longest_silence_before_hours": round(self.silence / _HOUR, 2),
                "expected_rows": round(expected * self._together(), 1),
            },
            sentence=f"No row has come since {since:%Y-%m-%d %H:%M} UTC; about {expected * self._together():,.0f} should have.",
            advice="See whether the source, the network and the service are up.",
        )

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format_version": 1,
            "rows": self.rows.tolist(),
            "squares": self.squares.tolist(),
            "hours": self.hours.tolist(),
            "silence": self.silence,
            "last": self.last,
            "delays": self.delays,
            "delay": self.delay,
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Feed:
        arrays = {name: np.array(state[name], dtype=float) for name in ("rows", "squares", "hours")}
        return cls(**arrays, silence=state["silence"], last=state["last"], delays=state["delays"], delay=state["delay"])


def late_batch(look: Look, feed: Feed | None) -> Iterator[Irregularity]:
    """A batch whose rows are much older than those of any batch were when they came."""
    column = look.reference.schema.with_role("time")
    if feed is None or column is None or column.type != "datetime" or feed.delays < _LEAST_BATCHES:
        return
    now, times = look.seconds_now, look.batch.numbers(column.name)
    known = np.isfinite(times)
    if now is None or known.sum() < LEAST_ROWS:
        return
    delay = now - float(np.median(times[known]))
    usual = max(feed.delay, 60.0)
    # Nine in ten must be old: a few late rows are not a late batch.
    old = known & (now - times > 2 * usual)
    if delay <= 2 * usual or old.sum() < 0.9 * known.sum() or delay > usual + 5 * 366 * 86_400:
        return
    yield look.found(
        "late_batch",
        (),
        old,
        f"The batch is late: half of its rows are older than {_shown(delay)}; so far they were never older than {_shown(usual)}.",
        "Nothing is wrong with the rows. See what held them up.",
        confidence=1 - usual / delay,
        evidence={"median_delay_hours": delay / _HOUR, "longest_delay_before_hours": usual / _HOUR},
    )


def _shown(seconds: float) -> str:
    span = timedelta(seconds=round(seconds))
    return f"{span.days} days" if span.days >= 2 else f"{seconds / _HOUR:.1f} hours"


def _hours_of_week(hours: NDArray[np.int64]) -> NDArray[np.int64]:
    """Hours since 1970, which began on a Thursday, as hours of the week from Monday."""
    return (hours + 3 * 24) % _WEEK


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
