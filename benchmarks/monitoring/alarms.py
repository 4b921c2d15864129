"""How often does a drift alarm cry wolf, and how soon does it find a real drift? Beside rules that are in common use.

    python -m benchmarks.monitoring.alarms [--quick] [--only quiet wobble runs shift labels] [--seed 101] [--no-peers]

Made data: 5,000 rows a day, 20 numbers (normal, lognormal, uniform, whole) and 10 categories of 2 to 50 levels; the
reference is the first 10 days. A rule sees one day at a time and names columns.

- quiet: nothing drifts, so every alarm is false. wobble: each day each number moves by 0.03 sd for that day only.
- runs: 300 quiet days, again and again, half of them with wobble; how many runs had any alarm?
- shift: after 30 quiet days two columns move by 0.1, 0.05 or 0.2 sd and stay there.
- labels: right or wrong of a model; after 5 quiet days 10 % or 2 % of the labels are flipped.

The rules of others are restated in a few lines each: two-sample KS and chi-square tests, as they are and with
Bonferroni's correction (the default of alibi-detect), the stability index above 0.1, NannyML's three standard deviations
of the distances of the reference's own days, and its same rule for accuracy. The detector was made with seed 11.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from benchmarks.figures import Figure
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
        self.name = OURS + (f", tolerance {tolerance} sd" if tolerance else "")
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


# ------------------------------------------------------------------------------------------------------- measurements


def quiet_alarms(rules: list[Rule], days: int, *, wobble: float, seed: int) -> dict[str, int]:
    """Days with any alarm, by rule."""
    rng = np.random.default_rng(seed)
    fitted(rules, rng, wobble)
    alarms = {rule.name: 0 for rule in rules}
    for _ in range(days):
        day = a_day(rng, wobble=wobble)
        for rule in rules:
            alarms[rule.name] += bool(rule.columns(day).any())
    return alarms


def wrong_runs(runs: int, days: int, *, wobble: float, seed: int) -> int:
    """How many runs had any alarm, each with a reference of its own."""
    wrong = 0
    for run in range(runs):
        rng = np.random.default_rng([seed, run, int(wobble * 100)])
        (ours,) = fitted([Ours()], rng, wobble)
        wrong += any(bool(ours.columns(a_day(rng, wobble=wobble)).any()) for _ in range(days))
    return wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """Windows until something was found, one per run (infinite: never), and how many columns were named wrongly."""

    windows: Sequence[float]
    wrong: int = 0

    @property
    def found(self) -> int:
        return int(np.isfinite(self.windows).sum())

    def within(self, limit: float) -> float:
        """Share of the runs."""
        return float(np.mean(np.asarray(self.windows) <= limit))

    def words(self, limit: float) -> str:
        median, worst = float(np.median(self.windows)), max(self.windows)
        missed = "" if self.found == len(self.windows) else f"; found in {self.found} of {len(self.windows)}"
        worst_of = f", worst {worst:.0f}" if np.isfinite(worst) else ""
        middle = f"median {median:g}" if np.isfinite(median) else "mostly never"
        return f"{middle}{worst_of}, {self.within(limit):.0%} within {limit:g}{missed}"

    def numbers(self) -> dict[str, Any]:
        return {"windows": [one if np.isfinite(one) else None for one in self.windows], "wrong": self.wrong}


def shift_delays(rule: Rule, runs: int, *, shift: float, seed: int, last: int = 20) -> Delays:
    """Days until both columns that moved were named; a rule that does not remember gets no quiet days before."""
    delay, wrong = [], 0
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        if run % 5 == 0:
            fitted([rule], rng, 0.0)
        rule.restart()
        named = np.zeros(COLUMNS, dtype=bool)
        for _ in range(30 if isinstance(rule, Ours) else 0):
            named |= rule.columns(a_day(rng))
        wrong += int(named.sum())
        named[:], days = False, 0
        while days < last and not named[:2].all():
            named |= rule.columns(a_day(rng, shift=shift))
            days += 1
        delay.append(float(days) if named[:2].all() else np.inf)
        wrong += int(named[2:].sum())
    return Delays(windows=delay, wrong=wrong)


Look = Callable[[NDArray[np.bool_]], bool]
"""Gets right or wrong of a day's rows, and says whether there is an alarm."""


class Labels:
    """Days of a model whose truth is known: an error of about 32 %, and labels that may be flipped."""

    def __init__(self, seed: int, draw: int = 0) -> None:
        self.seed = seed
        self.effects = np.random.default_rng(7).normal(size=10) / 2
        rng = np.random.default_rng([seed, draw])
        self.reference = np.array([self.wrong_of_a_day(rng) for _ in range(REFERENCE_DAYS)])

    def wrong_of_a_day(self, rng: np.random.Generator, flipped: float = 0.0) -> NDArray[np.bool_]:
        p = 1 / (1 + np.exp(-self.effects @ rng.standard_normal((10, ROWS))))
        truth = (rng.random(ROWS) < p) ^ (rng.random(ROWS) < flipped)
        return np.asarray((p > 0.5) != truth)

    def ours(self, tolerance: float) -> Look:
        mean = float(self.reference.mean())
        detector = RiskDetector.start(mean=mean, rows=self.reference.size, tolerance=tolerance)

        def look(wrong: NDArray[np.bool_]) -> bool:
            nonlocal detector
            detector = detector.update_counts(len(wrong), int(wrong.sum()))
            return detector.risen

        return look

    def nanny(self) -> Look:
        accuracy = 1 - self.reference.mean(axis=1)
        low, high = accuracy.mean() - 3 * accuracy.std(), accuracy.mean() + 3 * accuracy.std()
        return lambda wrong: not low <= 1 - wrong.mean() <= high

    def rules(self) -> dict[str, Callable[[], Look]]:
        tolerant = "mlwright, tolerance 0.5 point"
        return {OURS: partial(self.ours, 0.0), tolerant: partial(self.ours, 0.005), "NannyML's rule": self.nanny}

    def false_alarms(self, fresh: Callable[[], Look], days: int) -> int:
        rng, look = np.random.default_rng(self.seed + 1), fresh()
        return sum(look(self.wrong_of_a_day(rng)) for _ in range(days))

    def delay(self, look: Look, flipped: float, run: int) -> float:
        """Days from the flip on."""
        rng = np.random.default_rng([self.seed, 1000 + run])
        for _ in range(5):
            look(self.wrong_of_a_day(rng))
        return next((float(day) for day in range(1, 31) if look(self.wrong_of_a_day(rng, flipped))), np.inf)


def label_delays(rule: str, runs: int, *, flipped: float, seed: int) -> Delays:
    """Days until flipped labels were found; every fifth run has a reference of its own, since its luck lasts."""
    found = []
    for run in range(runs):
        if run % 5 == 0:
            days = Labels(seed, 1 + run)
        found.append(days.delay(days.rules()[rule](), flipped, run))
    return Delays(windows=found)


# ------------------------------------------------------------------------------------------------------------- figures

OURS = "mlwright, P(ever) <= 1 %"
PARTS = ("quiet", "wobble", "runs", "shift", "labels")


def figures(
    *, seed: int = 101, part: int = 1, runs: int = 100, peers: bool = True, only: Sequence[str] = PARTS
) -> Iterator[Figure]:
    """All of it, on days and runs divided by `part`; one after another, since some take minutes."""
    if "quiet" in only:
        yield _of_quiet(1000 // part, 0.0, seed, peers)
    if "wobble" in only:
        yield _of_quiet(250 // part, 0.03, seed, peers)
    if "runs" in only:
        half = max(1, runs // part // 2)
        wrong = [wrong_runs(half, 300 // part, wobble=wobble, seed=seed) for wobble in (0.0, 0.03)]
        yield Figure(
            goal=f"{2 * half} runs of {300 // part} quiet days, half with day effects: with any alarm",
            target="<= 1 of 100",
            reached=f"{sum(wrong)}",
            good=sum(wrong) <= max(1.0, 2 * half / 100),
            numbers={"quiet": wrong[0], "day_effects": wrong[1], "runs": 2 * half},
        )
    if "shift" in only:
        for shift, days in ((0.1, 2), (0.05, 7), (0.2, None)):
            yield _of_shift(shift, days, max(5, 40 // part), seed, peers)
    if "labels" in only:
        yield from _of_labels(seed, 200 // part, max(10, 200 // part), peers)


def _of_quiet(days: int, wobble: float, seed: int, peers: bool) -> Figure:
    found = quiet_alarms(list(chosen(peers)), days, wobble=wobble, seed=seed)
    ours = found.pop(OURS)
    return Figure(
        goal=f"{days} quiet days" + (f" with day effects of {wobble} sd" if wobble else "") + ": with any alarm",
        target="0",
        reached=str(ours),
        good=ours == 0,
        beside=listed({name: str(count) for name, count in found.items()}),
        numbers={OURS: ours, **found},
    )


def _of_shift(shift: float, target: int | None, runs: int, seed: int, peers: bool) -> Figure:
    limit = target or 1
    found = {rule.name: shift_delays(rule, runs, shift=shift, seed=seed) for rule in chosen(peers)}

    def words(delays: Delays) -> str:
        return f"{delays.words(limit)}; {delays.wrong / runs:.2g} wrong columns"

    ours = found.pop(OURS)
    return Figure(
        goal=f"+{shift} sd in 2 of 30 columns: days until both are named",
        target=f"all within {target}, none wrong" if target else "",
        reached=words(ours),
        good=ours.within(limit) == 1 and ours.wrong == 0 if target else None,
        beside=listed({name: words(delays) for name, delays in found.items()}),
        numbers={OURS: ours.numbers(), **{name: delays.numbers() for name, delays in found.items()}},
    )


def _of_labels(seed: int, quiet_days: int, runs: int, peers: bool) -> Iterator[Figure]:
    days = Labels(seed)
    rules = {name: fresh for name, fresh in days.rules().items() if peers or name.startswith("mlwright")}
    false = {name: days.false_alarms(fresh, quiet_days) for name, fresh in rules.items()}
    ours = false.pop(OURS)
    yield Figure(
        goal=f"labels, {quiet_days} quiet days: with an alarm",
        target="0",
        reached=str(ours),
        good=ours == 0,
        beside=listed({name: str(count) for name, count in false.items()}),
        numbers={OURS: ours, **false},
    )
    for flipped, target in ((0.1, 1.5), (0.02, None)):
        found = {name: label_delays(name, runs, flipped=flipped, seed=seed) for name in rules}
        mine = found.pop(OURS)
        mean = float(np.mean(mine.windows))
        yield Figure(
            goal=f"{flipped:.0%} of labels flipped: days until it is found",
            target=f"mean <= {target:g}" if target else "",
            reached=(f"mean {mean:.2f}, " if np.isfinite(mean) else "") + mine.words(1 if target else 7),
            good=mean <= target if target else None,
            beside=listed({name: delays.words(1 if target else 7) for name, delays in found.items()}),
            numbers={OURS: mine.numbers(), **{name: delays.numbers() for name, delays in found.items()}},
        )


def listed(found: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {words}" for name, words in found.items())


def chosen(peers: bool) -> Iterator[Rule]:
    yield Ours()
    yield Ours(tolerance=0.03)
    if peers:
        yield from (Tests(), Tests(corrected=True), Distances(nanny=False), Distances(nanny=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the days and runs")
    parser.add_argument("--only", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--runs", type=int, default=100, help="of 300 days")
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    part, begun = 10 if options.quick else 1, time.process_time()
    for figure in figures(
        seed=options.seed, part=part, runs=options.runs, peers=not options.no_peers, only=options.only
    ):
        print(figure.line(), flush=True)
    print(f"{time.process_time() - begun:.0f} s of processor time")


if __name__ == "__main__":
    main()
