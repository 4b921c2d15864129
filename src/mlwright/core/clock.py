"""Time and memory as arguments, so that a budget can be kept and a run repeated."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

#: Seconds from some fixed start, never going back.
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A number of seconds that began to run at `started`.

    Examples
    --------
    >>> now = iter([0.0, 3.0]).__next__
    >>> Deadline.after(10.0, clock=now).remaining()
    7.0
    """

    seconds: float
    started: float
    clock: Clock = field(default=time.monotonic, repr=False, compare=False)

    @classmethod
    def after(cls, seconds: float, *, clock: Clock = time.monotonic) -> Deadline:
        """Start to count now."""
        return cls(seconds=seconds, started=clock(), clock=clock)

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.started

    def remaining(self) -> float:
        """Seconds left; negative once the time is up."""
        return self.seconds - self.elapsed()

    def expired(self) -> bool:
        return self.remaining() <= 0

    def keeping_of_rest(self, share: float) -> Deadline:
        """The same start with `share` (0 to 1) of what is left kept back."""
        seconds = self.elapsed() + max(self.remaining(), 0.0) * (1 - share)
        return Deadline(seconds=seconds, started=self.started, clock=self.clock)

    def keeping(self, share: float) -> Deadline:
        """The same start with `share` (0 to 1) of the seconds kept back for what comes after."""
        return Deadline(seconds=self.seconds * (1 - share), started=self.started, clock=self.clock)


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return float(peak) * unit / 1e6
