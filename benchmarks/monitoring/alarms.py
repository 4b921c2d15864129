"""How often does a drift alarm cry wolf, and how soon does it find a real drift? Beside rules that are in common use.

    python benchmarks/monitoring/alarms.py [--quick] [--only quiet wobble runs shift labels] [--seed 11] [--no-peers]

Made data: 5,000 rows a day, 20 numbers (normal, lognormal, uniform, whole) and 10 categories of 2 to 50 levels; the
reference is the first 10 days. A rule sees one day at a time and names columns.

- quiet: nothing drifts, so every alarm is false. wobble: each day each number moves by 0.03 sd for that day only.
- runs: 300 quiet days, again and again, half of them with wobble; how many runs had any alarm?
- shift: after 30 quiet days two columns move by 0.1, 0.05 or 0.2 sd and stay there.
- labels: right or wrong of a model; after 5 quiet days 10 % or 2 % of the labels are flipped.

The rules of others are restated in a few lines each: two-sample KS and chi-square tests, as they are and with
Bonferroni's correction (the default of alibi-detect), the stability index above 0.1, NannyML's three standard deviations
of the distances of the reference's own days, and its same rule for accuracy.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from mlwright.statistics import DriftDetector, RiskDetector, ScoreSet, learn_reference

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Found = NDArray[np.bool_]
ROWS, REFERENCE_DAYS, NUMBERS = 5000, 10, 20
LEVELS = (2, 3, 4, 5, 8, 10, 15, 20, 30, 50)
COLUMNS = NUMBERS + len(LEVELS)
SHARES = [np.cumsum(1 / np.arange(1, k + 1)) / np.sum(1 / np.arange(1, k + 1)) for k in LEVELS]


@dataclass(frozen=True, slots=True)
class Day:
    numbers: Floats
    codes: list[Codes]


def a_day(rng: np.random.Generator, *, wobble: float = 0.0, shift: float = 0.0) -> Day:
    z = rng.standard_normal((NUMBERS, ROWS)) + rng.normal(0, 1, (NUMBERS, 1)) * wobble
    z[:2] += shift
    z[10:15] = np.exp(0.5 * z[10:15])
    z[15:18] = 1 / (1 + np.exp(-1.7 * z[15:18]))
    z[18:20] = np.floor(6 * np.abs(z[18:20]))
    return Day(z, [np.searchsorted(shares, rng.random(ROWS)) for shares in SHARES])


class Rule(Protocol):
    name: str

    def fit(self, days: list[Day]) -> None: ...

    def restart(self) -> None: ...

    def columns(self, day: Day) -> Found: ...


class Ours:
    """Location and spread of each number on a grid of the reference, the share of each level of each category."""

    def __init__(self, tolerance: float = 0.0) -> None:
        self.name = "mlwright, P(ever) <= 1 %" + (f", tolerance {tolerance} sd" if tolerance else "")
        self.tolerance = tolerance

    def scores(self, day: Day) -> tuple[Floats, Floats]:
        means, variances = [], []
        for values, grid in zip(day.numbers, self.grids, strict=True):
            place = np.searchsorted(grid, values, side="left") + np.searchsorted(grid, values, side="right")
            location = place / len(grid) - 1
            spread = 2 * np.abs(location) - 1
            means += [location.mean(), spread.mean()]
            variances += [location.var(), spread.var()]
        for codes, k in zip(day.codes, LEVELS, strict=True):
            share = np.bincount(codes, minlength=k) / ROWS
            means += share.tolist()
            variances += (share * (1 - share)).tolist()
        return np.array(means), np.array(variances)

    def fit(self, days: list[Day]) -> None:
        pooled = np.sort(np.concatenate([day.numbers for day in days], axis=1), axis=1)
        self.grids = pooled[:, np.linspace(0, pooled.shape[1] - 1, 1024).astype(int)]
        seen = [self.scores(day) for day in days]
        column = np.r_[np.repeat(np.arange(NUMBERS), 2), np.repeat(np.arange(NUMBERS, COLUMNS), LEVELS)]
        family = np.r_[np.tile([0, 1], NUMBERS), np.full(sum(LEVELS), 2)]
        low = np.where(family == 2, 0.0, -1.0)
        scores = ScoreSet(column=column, family=family, low=low, high=np.ones(len(low)))
        variance = np.mean([v for _, v in seen], axis=0)
        reference = learn_reference(np.array([m for m, _ in seen]), np.full(len(days), ROWS), variance, scores=scores)
        self.first = DriftDetector.start(reference, tolerance=self.tolerance * np.sqrt(variance))
        self.restart()

    def restart(self) -> None:
        self.detector = self.first

    def columns(self, day: Day) -> Found:
        self.detector = self.detector.update(self.scores(day)[0], ROWS)
        return self.detector.drifted


class Tests:
    """Two-sample Kolmogorov-Smirnov and chi-square tests, column by column."""

    def __init__(self, *, corrected: bool = False) -> None:
        self.name = "KS, chi-square p < 0.05" + (", Bonferroni" if corrected else "")
        self.level = 0.05 / (COLUMNS if corrected else 1)

    def fit(self, days: list[Day]) -> None:
        self.sorted = np.sort(np.concatenate([day.numbers for day in days], axis=1), axis=1)
        self.counts = [sum_counts(days, j) for j in range(len(LEVELS))]

    def restart(self) -> None: ...

    def columns(self, day: Day) -> Found:
        p = [self.ks(reference, values) for reference, values in zip(self.sorted, day.numbers, strict=True)]
        for counts, codes, k in zip(self.counts, day.codes, LEVELS, strict=True):
            p.append(stats.chi2_contingency([counts, np.bincount(codes, minlength=k)], correction=False)[1])
        return np.array(p) < self.level

    def ks(self, reference: Floats, values: Floats) -> float:
        values, n, m = np.sort(values), len(reference), len(values)
        own = [np.searchsorted(values, values, side=side) / m for side in ("right", "left")]
        theirs = [np.searchsorted(reference, values, side=side) / n for side in ("right", "left")]
        distance = max((own[0] - theirs[0]).max(), (theirs[1] - own[1]).max())
        return float(stats.kstwobign.sf(distance * np.sqrt(n * m / (n + m))))


class Distances:
    """Distances of histograms: the stability index above 0.1, or Jensen-Shannon above the reference's mean + 3 sd."""

    def __init__(self, *, nanny: bool) -> None:
        self.nanny = nanny
        self.name = "NannyML's rule (JS, 3 sd)" if nanny else "stability index > 0.1"

    def fit(self, days: list[Day]) -> None:
        pooled = np.concatenate([day.numbers for day in days], axis=1)
        if self.nanny:
            self.edges = [np.histogram_bin_edges(values, bins="doane") for values in pooled]
        else:
            self.edges = [np.r_[-np.inf, np.unique(np.quantile(v, np.arange(1, 10) / 10)), np.inf] for v in pooled]
        self.shares = [shares(np.histogram(v, e)[0]) for v, e in zip(pooled, self.edges, strict=True)]
        self.shares += [shares(sum_counts(days, j)) for j in range(len(LEVELS))]
        own = np.array([self.distances(day) for day in days])
        self.limits = own.mean(axis=0) + 3 * own.std(axis=0) if self.nanny else np.full(COLUMNS, 0.1)

    def restart(self) -> None: ...

    def columns(self, day: Day) -> Found:
        return self.distances(day) > self.limits

    def distances(self, day: Day) -> Floats:
        seen = [np.histogram(v, e)[0] for v, e in zip(day.numbers, self.edges, strict=True)]
        seen += [np.bincount(codes, minlength=k) for codes, k in zip(day.codes, LEVELS, strict=True)]
        result = []
        for old, counts in zip(self.shares, seen, strict=True):
            new = counts / ROWS
            if self.nanny:
                result.append(jensenshannon(np.append(old, 0), np.append(new, max(0.0, 1 - new.sum())), base=2))
            else:
                a, b = old + 1e-4, new + 1e-4
                result.append(np.sum((b - a) * np.log(b / a)))
        return np.array(result)


def shares(counts: NDArray[np.int64]) -> Floats:
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def sum_counts(days: list[Day], j: int) -> NDArray[np.int64]:
    return np.bincount(np.concatenate([day.codes[j] for day in days]), minlength=LEVELS[j])


def fitted(rules: list[Rule], rng: np.random.Generator, wobble: float) -> list[Rule]:
    days = [a_day(rng, wobble=wobble) for _ in range(REFERENCE_DAYS)]
    for rule in rules:
        rule.fit(days)
    return rules


def quiet(rules: list[Rule], days: int, *, wobble: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fitted(rules, rng, wobble)
    alarms = {rule.name: 0 for rule in rules}
    for _ in range(days):
        day = a_day(rng, wobble=wobble)
        for rule in rules:
            alarms[rule.name] += bool(rule.columns(day).any())
    what = f"days with any alarm of {days} " + (f"with day effects of {wobble} sd" if wobble else "quiet days")
    for name, count in alarms.items():
        show(what, name, str(count), "0" if name.startswith("mlwright") else "")


def whole_runs(runs: int, days: int, *, seed: int) -> None:
    for wobble in (0.0, 0.03):
        wrong = 0
        for run in range(runs // 2):
            rng = np.random.default_rng([seed, run, int(wobble * 100)])
            (ours,) = fitted([Ours()], rng, wobble)
            wrong += any(bool(ours.columns(a_day(rng, wobble=wobble)).any()) for _ in range(days))
        what = f"runs of {days} days with any alarm of {runs // 2}" + (f", day effects {wobble} sd" if wobble else "")
        show(what, Ours().name, str(wrong), "<= 1 % of all runs")


def shifted(rules: list[Rule], runs: int, *, seed: int, last: int = 20) -> None:
    for shift, target in ((0.1, "2 days"), (0.05, "7 days"), (0.2, "")):
        for rule in rules:
            delay, wrong = [], 0
            for run in range(runs):
                rng = np.random.default_rng([seed, run])
                if run % 5 == 0:
                    fitted([rule], rng, 0.0)
                rule.restart()
                for _ in range(30 if isinstance(rule, Ours) else 0):
                    rule.columns(a_day(rng))
                named = np.zeros(COLUMNS, dtype=bool)
                days = 0
                while days < last and not named[:2].all():
                    named |= rule.columns(a_day(rng, shift=shift))
                    days += 1
                delay.append(float(days) if named[:2].all() else np.inf)
                wrong += int(named[2:].sum())
            text = f"median {np.median(delay):.1f} days, worst {max(delay):.0f}; {wrong / runs:.2f} wrong columns a run"
            show(
                f"+{shift} sd in 2 of 30 columns: both named", rule.name, text, target if "P(ever)" in rule.name else ""
            )


def labels(runs: int, quiet_days: int, *, seed: int) -> None:
    effects = np.random.default_rng(7).normal(size=10) / 2

    def wrong_of_a_day(rng: np.random.Generator, flipped: float = 0.0, rows: int = ROWS) -> NDArray[np.bool_]:
        p = 1 / (1 + np.exp(-effects @ rng.standard_normal((10, rows))))
        truth = (rng.random(rows) < p) ^ (rng.random(rows) < flipped)
        return np.asarray((p > 0.5) != truth)

    rng = np.random.default_rng(seed)
    reference = np.array([wrong_of_a_day(rng) for _ in range(REFERENCE_DAYS)])
    mean = float(reference.mean())
    print(f"error of the model on the reference: {mean:.3f}")
    accuracy = 1 - reference.mean(axis=1)
    low, high = accuracy.mean() - 3 * accuracy.std(), accuracy.mean() + 3 * accuracy.std()

    def ours(tolerance: float) -> Callable[[], Callable[[NDArray[np.bool_]], bool]]:
        def fresh() -> Callable[[NDArray[np.bool_]], bool]:
            detector = RiskDetector.start(mean=mean, rows=reference.size, tolerance=tolerance)

            def look(wrong: NDArray[np.bool_]) -> bool:
                nonlocal detector
                detector = detector.update_counts(len(wrong), int(wrong.sum()))
                return detector.risen

            return look

        return fresh

    def nanny() -> Callable[[NDArray[np.bool_]], bool]:
        return lambda wrong: not low <= 1 - wrong.mean() <= high

    rules = {
        "mlwright, P(ever) <= 1 %": ours(0.0),
        "mlwright, tolerance 0.5 point": ours(0.005),
        "NannyML's rule": nanny,
    }
    for name, fresh in rules.items():
        rng = np.random.default_rng(seed + 1)
        look = fresh()
        false = sum(look(wrong_of_a_day(rng)) for _ in range(quiet_days))
        show(f"labels: alarm days of {quiet_days} quiet days", name, str(false), "0" if "P(" in name else "")
        for flipped, target in ((0.1, "<= 1.5 days"), (0.02, "")):
            delays = [
                first_alarm(fresh(), wrong_of_a_day, flipped, np.random.default_rng([seed, run])) for run in range(runs)
            ]
            found = np.isfinite(delays).sum()
            text = f"median {np.median(delays):.1f} days, mean of found {np.mean([d for d in delays if np.isfinite(d)] or [np.nan]):.2f}; found {found} of {runs}"
            show(f"labels: {flipped:.0%} flipped", name, text, target if "P(" in name else "")


def first_alarm(
    look: Callable[[NDArray[np.bool_]], bool],
    draw: Callable[[np.random.Generator, float], NDArray[np.bool_]],
    flipped: float,
    rng: np.random.Generator,
) -> float:
    for _ in range(5):
        look(draw(rng, 0.0))
    return next((float(day) for day in range(1, 31) if look(draw(rng, flipped))), np.inf)


def show(what: str, rule: str, found: str, target: str) -> None:
    print(f"{what:52} {rule:42} {found:62} {'target ' + target if target else ''}".rstrip(), flush=True)


def chosen(peers: bool) -> Iterator[Rule]:
    yield Ours()
    yield Ours(tolerance=0.03)
    if peers:
        yield from (Tests(), Tests(corrected=True), Distances(nanny=False), Distances(nanny=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the days and runs")
    parser.add_argument("--only", nargs="*", default=["quiet", "wobble", "runs", "shift", "labels"])
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--runs", type=int, help="how many runs of 300 days, if not 100")
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    part, seed = 10 if options.quick else 1, options.seed
    for what in options.only:
        start = time.process_time()
        rules = list(chosen(not options.no_peers))
        if what == "quiet":
            quiet(rules, 1000 // part, wobble=0.0, seed=seed)
        elif what == "wobble":
            quiet(rules, 250 // part, wobble=0.03, seed=seed)
        elif what == "runs":
            whole_runs(options.runs or 100 // part, 300 // part, seed=seed)
        elif what == "shift":
            shifted(rules, 20 // min(part, 4), seed=seed)
        else:
            labels(40 // min(part, 4), 200 // part, seed=seed)
        print(f"  ({what}: {time.process_time() - start:.0f} s of processor time)\n", flush=True)


if __name__ == "__main__":
    main()
