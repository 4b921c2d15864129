"""The time of day without its jumps: it goes on with the computer's own counter until a new time has lasted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from mlwright.core import Clock

log = logging.getLogger(__name__)
#: What a clock that is kept right by a network may differ.
_USUAL: Final = timedelta(minutes=2)
#: A new time is believed once it has lasted for so long.
_LASTS_S: Final = 600.0


def uptime() -> float:
    """Seconds that only go forward, and also count while the computer sleeps where it can say so."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


def wall() -> datetime:
    """What the computer's clock says."""
    return datetime.now(tz=UTC)


class SteadyClock:
    """Now, in UTC.

    Parameters
    ----------
    mark
        The latest moment that a process before this one has seen: time does not begin before it.
    wall, clock
        The computer's clock, which may jump, and its counter, which cannot.

    Attributes
    ----------
    trouble
        What is wrong with the computer's clock at present, in words; empty if nothing is.
    """

    def __init__(
        self, *, mark: datetime | None = None, wall: Callable[[], datetime] = wall, clock: Clock = uptime
    ) -> None:
        self._wall, self._clock = wall, clock
        said = wall()
        self._offset = said if mark is None or said >= mark - _USUAL else mark
        self._start = clock()
        self._since: float | None = None
        self.trouble = ""
        self()

    def __call__(self) -> datetime:
        """Now."""
        at = self._clock()
        expected = self._offset + timedelta(seconds=at - self._start)
        said = self._wall()
        off = said - expected
        if abs(off) <= _USUAL:
            self._since, self.trouble = None, ""
            self._offset, self._start = max(said, expected), at  # a small step back waits until the time has come
            return self._offset
        if self._since is None:
            self._since = at
            self.trouble = f"the clock jumped {'ahead' if off > timedelta(0) else 'back'} by {_span(abs(off))}"
            log.warning("%s; the time before it goes on", self.trouble)
        if at - self._since >= _LASTS_S:
            log.warning("%s and stayed there: it is believed now", self.trouble)
            self._offset, self._start, self._since, self.trouble = said, at, None, ""
            return said
        return expected


def _span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return (
        f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.1f} hours" if hours >= 1 else f"{hours * 60:.0f} minutes"
    )
