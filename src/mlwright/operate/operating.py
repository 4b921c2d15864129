"""`mlwright operate`: one process that looks after one model, round by round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from mlwright.alerts import Courier
from mlwright.core import Progress, silent
from mlwright.operate.clock import SteadyClock
from mlwright.operate.heartbeat import Heartbeat, last_seen
from mlwright.operate.living import lived
from mlwright.operate.lock import OperatorLock
from mlwright.operate.loop import Round, Step, Stop, run_rounds, stopped_by_signals
from mlwright.operate.project import Project
from mlwright.operate.watching import alerted, fold, judged, sent
from mlwright.spec import Spec

#: A database that is locked or gone is waited for this long in a step; then the next round tries again.
_PATIENCE_S: Final = 30.0


def operate(
    spec: Spec,
    *,
    every_s: float = 60.0,
    once: bool = False,
    told: Callable[[Round], None] = lambda _: None,
    stop: Stop | None = None,
    clock: Callable[[], datetime] | None = None,
    progress: Progress = silent,
) -> Round:
    """Look after the model of a spec until it is stopped, or for one round.

    Each round reads what is new, judges it, tells people, decides, acts, proves and promotes, as far as the spec lets it. It
    can be killed at any point: the next one goes on where it was, and nothing is counted twice or lost.

    Parameters
    ----------
    every_s
        Between the beginnings of two rounds.
    told
        Called with what each round did.
    stop
        Ends the loop after the step that runs; SIGTERM and Ctrl-C do, if not given.
    clock
        Now, in UTC; the computer's clock without its jumps, if not given.

    Returns
    -------
    The last round.

    Raises
    ------
    OperatedAlready
        If another process looks after this model.
    DatabaseUnclear, DatabaseGone, DatabaseTooNew, DiskFull
        If the database cannot be used at the start.
    """
    asked = stop or Stop()
    with (
        Project.open(spec, patience_s=_PATIENCE_S) as project,
        OperatorLock(project.store, project.model).held() as lock,
    ):
        now = clock or SteadyClock(mark=last_seen(project.store, project.model))
        with _handlers(stop, asked), Heartbeat(project.store, project.model, clock=now) as heartbeat:
            courier = Courier(project.store, model=project.model, alerts=spec.alerts, clock=now)
            wait_s = _longest(spec) if once else 0.0
            made = run_rounds(
                steps_of(project, courier, wait_s=wait_s, clock=now, progress=progress),
                lock=lock,
                heartbeat=heartbeat,
                clock=now,
                every_s=every_s,
                stop=asked,
                rounds=1 if once else None,
                told=told,
            )
            courier.wait(_longest(spec))
            return made


@contextmanager
def _handlers(stop: Stop | None, asked: Stop) -> Iterator[None]:
    if stop is not None:
        yield
        return
    with stopped_by_signals(asked):
        yield


def _longest(spec: Spec) -> float:
    """How long the slowest channel may take for a few messages."""
    slowest = max((one.timeout.total_seconds() for one in spec.alerts.channels.values()), default=0.0)
    return 3 * slowest + 1.0 if slowest else 0.0


def steps_of(
    project: Project, courier: Courier, *, wait_s: float, clock: Callable[[], datetime], progress: Progress
) -> list[Step]:
    """The steps of a round, in their order.

    What was found is told before anything is decided on it, and once more at the beginning: a process that was killed
    between the two tells it first.
    """

    def time_is_right(_: datetime) -> Sequence[str]:
        trouble = getattr(clock, "trouble", "")
        return [f"{trouble}; the time before it goes on"] if trouble else []

    return [
        Step(name="clock", run=time_is_right),
        Step(name="tell again", run=lambda now: alerted(project, now, escalate=False)),
        Step(name="read", run=lambda now: fold(project, now)),
        Step(name="judge", run=lambda now: judged(project, now)),
        Step(name="tell", run=lambda now: alerted(project, now)),
        Step(name="live", run=lambda now: lived(project, now, progress=progress)),
        Step(name="tell what changed", run=lambda now: alerted(project, now)),
        Step(name="send", run=lambda _: sent(courier, wait_s=wait_s)),
    ]
