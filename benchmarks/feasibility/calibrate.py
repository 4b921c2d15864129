"""Learn from past errors how wide forecasts must be, and write the table that mlwright ships.

    python -m benchmarks.feasibility.calibrate --data ../shared/data --write

For each task (`truth.py`, `curves.py`), share of the rows and metric there is one standardised error: the distance of the
truth from the forecast in units of the forecast's own sigma. Their quantiles are the table `errors.json`; every origin
counts the same, however many cases it has. Constants of the forecast are chosen on a small grid by the interval score of
90 % intervals; the figures that are printed leave out, each time, all tasks of the origin that is forecast.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.feasibility import ceiling
from benchmarks.feasibility.cases import Case, cases_of
from benchmarks.feasibility.curves import Seen, known_curves
from benchmarks.feasibility.truth import CACHE, known_truth

from mlwright.feasibility import Learnt, load_learnt, properties_of

ERRORS = Path(__file__).parents[2] / "src" / "mlwright" / "feasibility" / "errors.json"
LEVELS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995)
#: A metric has quantiles of its own if so many origins have it.
OWN_QUANTILES = 25


def quantiles(cases: Sequence[Case], levels: Sequence[float] = LEVELS) -> np.ndarray:
    """Of the standardised errors, each origin with the same weight, with the correction of conformal prediction.

    References
    ----------
    Vovk, Gammerman and Shafer (2005), Algorithmic learning in a random world: with n earlier cases the quantile at p is
    the one at rank p (n + 1).
    """
    origins, number = np.unique([case.origin for case in cases], return_inverse=True)
    z = np.array([case.z for case in cases])
    weight = 1 / np.bincount(number)[number]
    order = np.argsort(z, kind="stable")
    n = len(origins)
    place = (np.cumsum(weight[order]) - weight[order] / 2 + 0.5 * weight[order].mean()) / (n + 1)
    found = np.interp(levels, place, z[order])
    # Beyond the cases tails go on as those of a Laplace distribution would.
    low, high = levels < place[0], levels > place[-1]
    found[low] = z[order][0] + np.log(np.asarray(levels)[low] / place[0])
    found[high] = z[order][-1] - np.log((1 - np.asarray(levels)[high]) / (1 - place[-1]))
    return np.maximum.accumulate(found + 1e-6 * np.arange(len(levels)))


def table_of(cases: Sequence[Case]) -> dict[str, np.ndarray]:
    """The quantiles of all metrics together, and of each metric that has enough origins."""
    tables = {"all": quantiles(cases)}
    for metric in dict.fromkeys(case.metric for case in cases):
        of = [case for case in cases if case.metric == metric]
        if len({case.origin for case in of}) >= OWN_QUANTILES:
            tables[metric] = quantiles(of)
    return tables


def left_out(cases: Sequence[Case]) -> dict[int, np.ndarray]:
    """For each case (by its place) the quantiles that the tasks of other origins give."""
    found: dict[int, np.ndarray] = {}
    for origin in {case.origin for case in cases}:
        tables = table_of([case for case in cases if case.origin != origin])
        for number, case in enumerate(cases):
            if case.origin == origin:
                found[number] = tables.get(case.metric, tables["all"])
    return found


def interval_score(cases: Sequence[Case], tables: dict[int, np.ndarray], confidence: float = 0.9) -> float:
    """Mean width of the intervals of the log error, plus 2 / alpha times what they miss by.

    References
    ----------
    Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation, JASA, section 6.2.
    """
    alpha = 1 - confidence
    total = 0.0
    for number, case in enumerate(cases):
        low, high = np.interp([alpha / 2, 1 - alpha / 2], LEVELS, tables[number])
        miss = max(low - case.z, 0.0) + max(case.z - high, 0.0)
        total += case.raw.sigma * (high - low + 2 / alpha * miss)
    return total / len(cases)


def corpus(seen: Sequence[Seen]) -> dict[str, list[float]]:
    """The usual range of each property, over the curves from all rows and from fewer."""
    listed: dict[str, list[float]] = {}
    for one in seen:
        for name, value in properties_of(one.curve, rows=one.rows, columns=one.columns).items():
            listed.setdefault(name, []).append(value)
    return {name: [round(float(q), 3) for q in np.quantile(values, [0.05, 0.95])] for name, values in listed.items()}


def search_constants(seen: Sequence[Seen], truth: dict[str, Any], start: Learnt) -> Learnt:
    """One constant after the other, twice: each is set to what scores best with the others as they are."""
    grid: dict[str, tuple[float, ...]] = {
        "multiple": (1.2, 1.35, 1.5, 1.7, 2.0, 2.4),
        "drop": (0.0, 0.1, 0.2, 0.3, 0.4, 0.55, 0.7),
        "floor": (0.008, 0.012, 0.02, 0.03, 0.045),
        "steepness": (0.3, 0.37, 0.45, 0.55, 0.65),
        "spread": (0.4, 0.6, 0.8),
    }
    best = start
    best_score = _score(seen, truth, start)
    print(f"  at the start {best_score:.4f}")
    for _ in range(2):
        for name, values in grid.items():
            for value in values:
                changed: dict[str, Any] = {name: value}
                tried = replace(best, **changed)
                score = _score(seen, truth, tried)
                if score < best_score - 1e-4:
                    best, best_score = tried, score
        print(f"  {best_score:.4f}: " + ", ".join(f"{name} {getattr(best, name):g}" for name in grid))
    return best


def _score(seen: Sequence[Seen], truth: dict[str, Any], known: Learnt) -> float:
    """On unseen test rows the chance in these rows hides what the constants do, in cross-validation it does not."""
    both = [cases_of(seen, truth, known=known, against=against) for against in ("test", "out_of_fold")]
    return sum(interval_score(cases, left_out(cases)) for cases in both)


def coverage(cases: Sequence[Case], tables: dict[int, np.ndarray], confidence: float = 0.9) -> tuple[float, float]:
    """Share of intervals that hold the truth, and their median width as scores (in sd of the target for RMSE)."""
    tail = (1 - confidence) / 2
    holds, widths = [], []
    for number, case in enumerate(cases):
        low, high = np.interp([tail, 1 - tail], LEVELS, tables[number])
        holds.append(low <= case.z <= high)
        widths.append(abs(case.score_at(high) - case.score_at(low)) / case.spread_of_target)
    return float(np.mean(holds)), float(np.median(widths))


def errors_in_the_middle(cases: Sequence[Case], tables: dict[int, np.ndarray]) -> np.ndarray:
    """How far the middle of each forecast is from the score on test rows (in sd of the target for RMSE)."""
    middle = [float(np.interp(0.5, LEVELS, tables[number])) for number in range(len(cases))]
    return np.array(
        [abs(case.score_at(z) - case.score) / case.spread_of_target for case, z in zip(cases, middle, strict=True)]
    )


def show(cases: Sequence[Case]) -> None:
    """Coverage, width and error by share and metric; all with the origin left out."""
    tables = left_out(cases)

    def row(name: str, chosen: Callable[[Case], bool]) -> None:
        numbers = [number for number, case in enumerate(cases) if chosen(case)]
        if numbers:
            some = [cases[number] for number in numbers]
            of = dict(enumerate(tables[number] for number in numbers))
            held, width = coverage(some, of)
            off = errors_in_the_middle(some, of)
            print(f"{name:24}{len(some):5} cases  covers {held:.3f}  width {width:.4f}  error {np.median(off):.4f}")

    for share in (0.1, 0.2, 1.0):
        row(f"{share:.0%}", partial(_is, share=share))
        for metric in ("roc_auc", "log_loss", "accuracy", "rmse"):
            row(f"  {metric}", partial(_is, share=share, metric=metric))
    for family in ("shared", "sklearn", "package", "synthetic"):
        row(family, partial(_is, family=family))
    row("all", _is)


def _is(case: Case, *, share: float | None = None, metric: str | None = None, family: str | None = None) -> bool:
    return share in (None, case.share) and metric in (None, case.metric) and family in (None, case.family)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--constants", action="store_true", help="choose the constants anew, too")
    parser.add_argument("--write", action="store_true", help="write errors.json")
    arguments = parser.parse_args()
    from benchmarks.feasibility.tasks import tasks

    names = {task.name for task in tasks(arguments.data)}
    truth = {name: line for name, line in known_truth().items() if name in names}
    seen = list(known_curves(arguments.cache, sorted(truth)))
    known = replace(load_learnt(), corpus={name: (low, high) for name, (low, high) in corpus(seen).items()})
    if arguments.constants:
        known = search_constants(seen, truth, known)
    cases = cases_of(seen, truth, known=known)
    show(cases)
    tables = table_of(cases)
    for name, values in tables.items():
        print(name, [round(float(value), 2) for value in values])
    known = ceiling.learn(ceiling.cases_of_ceilings(arguments.cache, known), known)
    print(known.ceiling)
    if arguments.write:
        write(known, cases, tables)


def write(known: Learnt, cases: Sequence[Case], tables: dict[str, np.ndarray]) -> None:
    """The table that mlwright ships; what is not learnt here stays as it is."""
    state = json.loads(ERRORS.read_text(encoding="utf-8"))
    n_tasks, n_origins = len({case.task for case in cases}), len({case.origin for case in cases})
    families = {
        family: len({c.task for c in cases if c.family == family}) for family in dict.fromkeys(c.family for c in cases)
    }
    listed = ", ".join(f"{count} {family}" for family, count in families.items())
    state |= {
        "provenance": f"{n_tasks} questions to {n_origins} tables ({listed}), {len(cases)} cases at 10 %, 20 % and 100 % of the "
        f"rows; {datetime.now(UTC):%Y-%m-%d}, python -m benchmarks.feasibility.calibrate "
        + " ".join(word for word in sys.argv[1:] if word in ("--constants", "--write")),
        "multiple": known.multiple,
        "ceiling": asdict(known.ceiling),
        "sigma": {"drop": known.drop, "floor": known.floor},
        "prior": {"steepness": known.steepness, "spread": known.spread},
        "levels": list(LEVELS),
        "quantiles": {name: [round(float(value), 3) for value in values] for name, values in tables.items()},
        "corpus": {name: list(values) for name, values in known.corpus.items()},
    }
    ERRORS.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
