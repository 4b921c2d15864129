"""The loop: one round of steps after the other, whatever happens in them, until somebody says stop.

A step keeps what it did in transactions of its own; one that fails is told and done again in the next round. Nothing of a
round is kept in memory alone, so a process that is killed loses none of it.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import FrameType
from typing import Any, Final

from mlwright.core import MlwrightError
from mlwright.operate.heartbeat import Heartbeat
from mlwright.operate.lock import OperatedAlready, OperatorLock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that a round does.

    Attributes
    ----------
    run
        Does it, and says in plain sentences what it did; nothing if there was nothing to do.
    """

    name: str
    run: Callable[[datetime], Sequence[str]]


@dataclass(slots=True, kw_only=True)
class Round:
    """What a round did.

    Attributes
    ----------
    done
        By step, in plain sentences.
    troubles
        What went wrong, by step.
    complete
        Whether every step was begun; a stop comes between two of them.
    """

    number: int
    at: datetime
    done: dict[str, tuple[str, ...]] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    complete: bool = False


class StepsFailed(MlwrightError):
    """Some step of a round could not be done."""

    exit_code = 1

    def __init__(self, troubles: Mapping[str, str]) -> None:
        told = "; ".join(f"{name}: {why}" for name, why in troubles.items())
        super().__init__(
            told, where=f"mlwright operate, {', '.join(troubles)}", fix="mend it; the next round does it again"
        )


class Stop:
    """Says that the loop ends after the step that runs."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self) -> None:
        self._asked.set()

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until it is asked for, but no longer than so many seconds; whether it was."""
        return self._asked.wait(seconds)


_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopped_by_signals(stop: Stop) -> Iterator[None]:
    """SIGTERM and Ctrl-C end the loop after the step that runs; the second one ends it at once."""
    before: dict[int, Any] = {}

    def asked(number: int, _: FrameType | None) -> None:
        if stop.asked:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        log.info("stops after the step that runs")
        stop.ask()

    for wanted in _SIGNALS:
        before[wanted] = signal.signal(wanted, asked)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_rounds(
    steps: Sequence[Step],
    *,
    lock: OperatorLock,
    heartbeat: Heartbeat,
    clock: Callable[[], datetime],
    every_s: float,
    stop: Stop,
    rounds: int | None = None,
    told: Callable[[Round], None] = lambda _: None,
) -> Round:
    """Run rounds until it is stopped, or so many.

    Parameters
    ----------
    lock
        Held by the caller.
    every_s
        Between the beginnings of two rounds.
    told
        Called after each round with what it did.

    Returns
    -------
    The last round.

    Raises
    ------
    OperatedAlready
        If another process has taken over while the connection to the database was gone.
    """
    number = 0
    while True:
        number += 1
        begun = time.monotonic()
        made = Round(number=number, at=clock())
        _round(made, steps, lock, heartbeat, stop)
        heartbeat.finished(made.troubles)
        told(made)
        if stop.asked or number == rounds:
            return made
        if stop.wait(max(every_s - (time.monotonic() - begun), 0.0)):
            return made


def _round(made: Round, steps: Sequence[Step], lock: OperatorLock, heartbeat: Heartbeat, stop: Stop) -> None:
    for step in steps:
        if stop.asked:
            return
        heartbeat.say(step.name)
        try:
            lock.raise_if_lost()
            done = tuple(step.run(made.at))
        except OperatedAlready:
            raise
        except MlwrightError as error:
            made.troubles[step.name] = error.what
            log.warning("%s: %s", step.name, error)
        except Exception as error:  # whatever goes wrong in a step, the others and the next round go on
            made.troubles[step.name] = f"{type(error).__name__} (a fault of mlwright, see its log)"
            log.exception("%s failed", step.name)
        else:
            if done:
                made.done[step.name] = done
    made.complete = True
