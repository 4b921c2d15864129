"""The pace of each family: what its rounds take on this machine, and the learning rate at which it is done in its time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from mlwright.core import Clock, Deadline
from mlwright.models import EstimatorFamily, FitJob, Parameters
from mlwright.search.in_time import TookTooLong, in_time
from mlwright.search.trials import Trial
from mlwright.spec import Task

#: A booster has converged when rate times rounds is about this; where steps are symmetric or drawn at random, and each
#: class has its own, after thrice that.
PATH, _LONG_PATH = 18.0, 54.0
#: What is known of LightGBM on a table says more: others need so many times its path, but at most this.
_OTHERS, _OTHERS_LONG, _MOST_PATH = 1.7, 10.0, 60.0
#: A trial that was cut went so much less far than it should have.
_AFTER_CUT = 2.0
#: A booster goes on for so many rounds, and for such a share of them, until it is clear that it no longer gains.
_TAIL_ROUNDS, _TAIL = 50, 0.25
#: A rate above this costs more quality than further candidates bring.
COARSEST = 0.15
#: How many rounds are timed, and what of a trial's time that may take.
PROBED_ROUNDS = 8
_PROBE_SHARE = 0.1


class Stopwatch:
    """A clock that remembers when it was asked.

    A fit in rounds asks its deadline once after each of them, so what it was asked says how long a round takes.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._times: list[float] = []

    def __call__(self) -> float:
        now = self._clock()
        self._times.append(now)
        return now

    def timed(self, deadline: Deadline) -> Deadline:
        """The same deadline, read off this clock."""
        return replace(deadline, clock=self)

    def tempo(self) -> Tempo | None:
        """What a round took, and what came before the first; None if it was never asked."""
        if not self._times:
            return None
        first = self._times[0] - self._begun
        # One round alone does not say what of it came before.
        rest = (self._times[-1] - self._times[0]) / (len(self._times) - 1) if len(self._times) > 1 else first / 10
        per_round = max(rest, 1e-7)
        return Tempo(start=max(first - per_round, 0.0), per_round=per_round)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """How quickly a family fits a fold.

    Attributes
    ----------
    start
        Seconds before the first round: columns are put into bins.
    per_round
        Seconds of a round.
    """

    start: float
    per_round: float

    def state(self) -> dict[str, float]:
        """As JSON."""
        return asdict(self)

    def seconds(self, path: float, rate: float) -> float:
        """Of a fit at this learning rate that goes on until rate times rounds is `path`, and then until it is sure."""
        return self.start + self.per_round * ((1 + _TAIL) * path / rate + _TAIL_ROUNDS)

    def rate(self, path: float, seconds: float, wanted: float) -> float:
        """The learning rate at which a fit is done in so many seconds: as wanted, or as much higher as is still good."""
        rounds = (seconds - self.start) / self.per_round - _TAIL_ROUNDS
        needed = (1 + _TAIL) * path / rounds if rounds > 0 else np.inf
        return round(float(np.clip(needed, wanted, max(COARSEST, wanted))), 4)


def known_tempo(family: str, parameters: Parameters, made: Sequence[Trial]) -> Tempo | None:
    """From the last trial of the family that was timed; larger trees take longer."""
    timed = [trial for trial in made if trial.family == family and trial.round_seconds > 0]
    if not timed:
        return None
    last = timed[-1]
    larger = float(np.sqrt(_leaves(parameters) / _leaves(last.parameters)))
    return Tempo(start=last.start_seconds, per_round=last.round_seconds * larger)


def _leaves(parameters: Parameters) -> float:
    """Of one tree, at most."""
    depth = parameters.get("depth", parameters.get("max_depth"))
    return float(parameters.get("num_leaves", 2.0**depth if depth is not None else 1.0))


def expected_path(family: str, parameters: Parameters, made: Sequence[Trial], task: Task) -> float:
    """How far a candidate has to go until it has converged, as rate times rounds: from those like it, else from others."""
    drawn = bool(parameters.get("extra_trees", False))
    like_it = [
        _path(trial, parameters) * (_AFTER_CUT if trial.status == "cut" else 1.0)
        for trial in made
        if trial.usable and trial.family == family and bool(trial.parameters.get("extra_trees", False)) == drawn
    ]
    if like_it:
        return max(like_it)
    long = task == "multiclass" and (family == "catboost" or drawn)
    plain = [_path(trial, trial.parameters) for trial in made if trial.family == "lightgbm" and trial.usable]
    if plain:
        return min((_OTHERS_LONG if long else _OTHERS) * plain[0], _MOST_PATH)
    return _LONG_PATH if long else PATH


def _path(trial: Trial, parameters: Parameters) -> float:
    """How far a trial went, for a candidate whose trees are smaller and so learn less each, or larger."""
    smaller = float(trial.parameters.get("num_leaves", 1)) / float(parameters.get("num_leaves", 1))
    return float(trial.parameters["learning_rate"] * trial.settled.get("rounds", 1.0) * np.sqrt(smaller))


def probe(family: EstimatorFamily, job: FitJob, deadline: Deadline) -> Tempo | None:
    """Time a few rounds; None if the family cannot be timed so, which its own trial will say.

    Parameters
    ----------
    deadline
        Of the trial; the probe takes a small part of what is left.

    Raises
    ------
    TookTooLong
        If it has not come back when the time of the trial is up.
    """
    watch = Stopwatch(deadline.clock)
    until = watch.timed(deadline.keeping_of_rest(1 - _PROBE_SHARE))
    short = replace(job, settled={"rounds": float(PROBED_ROUNDS)}, deadline=until)
    try:
        in_time(deadline.remaining(), family.fit, short)
    except TookTooLong:
        raise
    except Exception:  # somebody else's code: it will raise in its trial as well, and be told there
        return None
    return watch.tempo()
