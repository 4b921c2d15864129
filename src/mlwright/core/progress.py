"""Progress is data sent to one observer: the command line draws it, a page streams it, a test collects it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from mlwright.core.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent:
    """One thing that happened in a stage.

    `done` and `total` count in the stage's own unit (rows, seconds, trials); `best` is the best score so far, as text.
    What is `told` should be read by people now, and stay readable.
    """

    stage: str
    kind: Literal["started", "advanced", "told", "finished", "failed"]
    elapsed_s: float
    detail: str = ""
    done: float | None = None
    total: float | None = None
    best: str | None = None


#: Called with every event, from the thread that works; it must return fast and not raise.
Progress = Callable[[ProgressEvent], None]


def silent(event: ProgressEvent) -> None:
    """Observe nothing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage reports with while it works."""

    name: str
    progress: Progress
    clock: Clock
    started: float

    def advance(
        self, detail: str, *, done: float | None = None, total: float | None = None, best: str | None = None
    ) -> None:
        """Say what has just been done or is about to be."""
        self._send("advanced", detail, done, total, best)

    def _send(
        self,
        kind: Literal["started", "advanced", "finished", "failed"],
        detail: str = "",
        done: float | None = None,
        total: float | None = None,
        best: str | None = None,
    ) -> None:
        elapsed = self.clock() - self.started
        event = ProgressEvent(
            stage=self.name, kind=kind, elapsed_s=elapsed, detail=detail, done=done, total=total, best=best
        )
        self.progress(event)


@contextmanager
def stage(name: str, progress: Progress = silent, *, clock: Clock = time.monotonic) -> Iterator[Stage]:
    """Report that the stage `name` started and how it ended; progress inside it is sent by `Stage.advance`."""
    reporter = Stage(name, progress, clock, clock())
    reporter._send("started")
    try:
        yield reporter
    except BaseException:
        reporter._send("failed")
        raise
    reporter._send("finished")
