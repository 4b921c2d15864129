"""Does the ceiling hold what is known to be the best possible score? On synthetic tasks, where it is known.

python -m benchmarks.feasibility.ceiling --data ../shared/data
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from benchmarks.feasibility import synthetic
from benchmarks.feasibility.curves import ensure, known_curves
from benchmarks.feasibility.truth import CACHE

from mlwright.feasibility import Learnt, PowerLaw, RelativeError, fit_laws, load_learnt
from mlwright.feasibility.ceiling import Ceiling, ceiling_of
from mlwright.feasibility.forecast import error_of

#: Metric -> what is known, as a score.
BEST = {"accuracy": "error", "roc_auc": "roc_auc", "log_loss": "log_loss", "rmse": "rmse"}
#: A metric has ends of its own if so many tasks have it.
OWN_ENDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingCase:
    """One synthetic task: its best possible score, and what the power law says of it.

    Attributes
    ----------
    rows
        Training rows.
    """

    task: str
    metric: str
    best: float
    law: PowerLaw
    now: RelativeError
    rows: int

    def ceiling(self, known: Learnt) -> Ceiling:
        return ceiling_of(self.metric, self.law, self.now, self.rows, known=known)

    def z(self, known: Learnt) -> float:
        """How far the best error is from the middle, in units of what the law does not know."""
        best = np.log(max(error_of(self.metric, self.best, self.now.unit), 1e-4))
        read_at = known.ceiling.multiple * self.rows
        mu, relative = self.law.mean(read_at), self.now.standard_error / self.now.error
        drop = known.ceiling.drop * (np.log(self.now.error) - mu)
        return float((best - mu) / np.sqrt(relative**2 + self.law.variance(read_at) + drop**2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A ceiling that was learnt on all other tasks, beside the best possible score."""

    case: CeilingCase
    ceiling: Ceiling

    @property
    def holds(self) -> bool:
        return self.ceiling.low <= self.case.best <= self.ceiling.high

    @property
    def width(self) -> float:
        return self.ceiling.high - self.ceiling.low


def best_scores(cache: Path) -> dict[str, dict[str, float]]:
    """Of each synthetic task, by metric; drawn once, then kept."""
    path = cache / "best.json"
    found: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.is_file() else {}
    missing = [task for task in synthetic.tasks() if task.name not in found]
    for task in missing:
        known = task.load().known
        assert known is not None
        listed = {metric: getattr(known, name) for metric, name in BEST.items()}
        if listed["accuracy"] is not None:
            listed["accuracy"] = 1 - listed["accuracy"]
        found[task.name] = {metric: value for metric, value in listed.items() if value is not None}
    if missing:
        cache.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))
    return found


def cases_of_ceilings(cache: Path, known: Learnt) -> list[CeilingCase]:
    """Every synthetic task and metric, from all of its training rows."""
    listed = synthetic.tasks()
    ensure(listed, cache)
    best = best_scores(cache)
    return [
        CeilingCase(
            task=seen.task,
            metric=metric,
            best=best[seen.task][metric],
            law=law,
            now=seen.curve.last.errors[metric],
            rows=seen.rows,
        )
        for seen in known_curves(cache, [task.name for task in listed])
        if seen.share == 1
        for metric, law in fit_laws(seen.curve, known=known).items()
        if metric in best[seen.task]
    ]


def learn(cases: Sequence[CeilingCase], known: Learnt) -> Learnt:
    """The ends of 90 % intervals: of a metric by itself where enough tasks have it, and of all metrics together."""
    ends = {}
    for name in ("all", *BEST):
        z = np.array([case.z(known) for case in cases if name in ("all", case.metric)])
        if len(z) >= OWN_ENDS:
            tail = 0.05 - 0.5 / len(z)  # a little wider, since few tasks say where 5 % lies
            low, high = np.quantile(z, [tail, 1 - tail], method="weibull")
            ends[name] = (round(float(low), 3), round(float(high), 3))
    return replace(known, ceiling=replace(known.ceiling, ends=ends))


def measure(cache: Path, *, known: Learnt | None = None) -> list[Said]:
    """For each task the ceiling that all other tasks give."""
    known = known or load_learnt()
    cases = cases_of_ceilings(cache, known)
    said = []
    for name in dict.fromkeys(case.task for case in cases):
        others = learn([case for case in cases if case.task != name], known)
        said += [Said(case=case, ceiling=case.ceiling(others)) for case in cases if case.task == name]
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE)
    said = measure(parser.parse_args().cache)
    for one in said:
        case, found = one.case, one.ceiling
        shown = f"{found.low:.4f} {found.middle:.4f} {found.high:.4f} {'' if one.holds else 'outside'}"
        print(f"{case.task:36}{case.metric:10}best {case.best:.4f}  {shown}")
    for metric in BEST:
        of = [one for one in said if one.case.metric == metric]
        if of:
            off = np.array([one.ceiling.middle - one.case.best for one in of])
            bias, miss = off.mean(), np.abs(off).mean()
            held, width = np.mean([one.holds for one in of]), np.median([one.width for one in of])
            print(
                f"{metric:10} {len(of):3} tasks: holds {held:.2f}, median width {width:.4f}, middle off {bias:+.4f} / {miss:.4f}"
            )


if __name__ == "__main__":
    main()
