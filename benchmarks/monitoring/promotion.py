"""How often is a worthless challenger promoted if one looks every day for a year, and how soon is a better one?

    python benchmarks/monitoring/promotion.py [--quick] [--only wrong right rollback auc] [--runs 400] [--seed 1]

Made gains (challenger minus champion), 100 labelled rows a day: right answers (10 % of rows disagree), Brier score, money
with rare large losses, and money whose mean wanders from day to day.

- wrong: the true gain is 0; who is ever promoted in 365 days? A rule may be right by luck only in 5 % of the runs.
- right: the challenger is 2 points better; how many rows until it is promoted, beside the rows that a test with one look
  at its end needs for a power of 80 %?
- rollback: a promoted model loses 5 points after 60 quiet days; after how many windows is that noticed?
- auc: ROC AUC with ten planned looks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from mlwright.statistics import AucPlan, MeanSequence, PairedTest, RiskDetector, auc_gain

Floats = NDArray[np.float64]
DAYS, A_DAY = 365, 100
Stream = Callable[[np.random.Generator, int, float], Floats]


def right_answers(rng: np.random.Generator, rows: int, gain: float) -> Floats:
    disagree = rng.random(rows) < 0.1
    return np.where(disagree, np.where(rng.random(rows) < 0.5 + gain / 0.2, 1.0, -1.0), 0.0)


def brier(rng: np.random.Generator, rows: int, gain: float) -> Floats:
    """Both blur the true probability; the challenger by less, which the Brier score of many rows shows as the gain."""
    p = rng.beta(1.2, 3, rows)
    truth = rng.random(rows) < p
    less = np.sqrt(max(0.0, 1 - gain / 0.15**2))
    champion = p + rng.choice([-0.15, 0.15], rows)
    challenger = p + less * rng.choice([-0.15, 0.15], rows)
    return np.asarray(np.clip(((champion - truth) ** 2 - (challenger - truth) ** 2), -1, 1))


def rare_losses(rng: np.random.Generator, rows: int, gain: float) -> Floats:
    u = rng.random(rows)
    return np.where(u < 0.06, 1.0, np.where(u < 0.072, -5.0, 0.0)) + gain


def wandering(rng: np.random.Generator, rows: int, gain: float) -> Floats:
    days = rng.normal(0, 0.02, rows // A_DAY)
    return np.asarray(np.clip(rng.normal(0, 0.5, rows) + np.repeat(days - days.mean(), A_DAY) + gain, -2, 2))


STREAMS: dict[str, tuple[Stream, float, float]] = {
    "right answers": (right_answers, 1.0, 0.02),
    "Brier score": (brier, 1.0, 0.02),
    "money, rare losses": (rare_losses, 5.0, 0.06),
    "money, wandering": (wandering, 2.0, 0.04),
}


def z_values(gain: Floats) -> Floats:
    """The ordinary test statistic after each day."""
    n = np.arange(A_DAY, len(gain) + 1, A_DAY)
    mean = np.cumsum(gain)[n - 1] / n
    deviation = np.sqrt(np.maximum(np.cumsum(np.square(gain))[n - 1] / n - mean**2, 1e-12))
    return np.asarray(mean / deviation * np.sqrt(n))


def ours(gain: Floats, bound: float) -> float:
    """Rows until the promotion; looks are taken after every single row, which is harder than every day."""
    test = PairedTest.start(bound=bound)
    for start in range(0, len(gain), A_DAY):
        test = test.update(gain[start : start + A_DAY])
        if test.verdict == "better":
            return float(start + A_DAY)
    return np.inf


def sequence(gain: Floats) -> float:
    """Rows until the asymptotic confidence sequence leaves 0 below it, from row 1,000."""
    seen = MeanSequence(burn_in=1000)
    for start in range(0, len(gain), A_DAY):
        seen = seen.update(gain[start : start + A_DAY])
        if seen.lower(expected=2000) > 0:
            return float(start + A_DAY)
    return np.inf


def first(crossed: NDArray[np.bool_]) -> float:
    return float((crossed.argmax() + 1) * A_DAY) if crossed.any() else np.inf


def wrong(runs: int, seed: int) -> None:
    critical, corrected = NormalDist().inv_cdf(0.95), NormalDist().inv_cdf(1 - 0.05 / DAYS)
    for name, (stream, bound, _) in STREAMS.items():
        found: dict[str, int] = {}
        for run in range(runs):
            gain = stream(np.random.default_rng([seed, run]), DAYS * A_DAY, 0.0)
            z = z_values(gain)
            verdicts = {
                "mlwright, e-process at 20": PairedTest.start(bound=bound).update(gain).better.highest >= np.log(20),
                "confidence sequence from row 1,000": np.isfinite(sequence(gain)),
                "z-test every day": (z > critical).any(),
                "z-test every day, Bonferroni": (z > corrected).any(),
                "z-test once, at the end": z[-1] > critical,
            }
            for rule, promoted in verdicts.items():
                found[rule] = found.get(rule, 0) + bool(promoted)
        for rule, count in found.items():
            show(f"no better, {name}, {DAYS} looks", rule, f"promoted {count / runs:.1%}", "<= 5 %")


def right(runs: int, seed: int) -> None:
    z = NormalDist().inv_cdf(0.95) + NormalDist().inv_cdf(0.8)
    for name, (stream, bound, better) in STREAMS.items():
        sample = stream(np.random.default_rng([seed, 10**6]), 200_000, better)
        fixed = (z * sample.std() / sample.mean()) ** 2
        for rule in ("mlwright, e-process at 20", "confidence sequence from row 1,000"):
            rows = []
            for run in range(runs):
                gain = stream(np.random.default_rng([seed + 1, run]), 100 * A_DAY, better)
                rows.append(ours(gain, bound) if rule.startswith("mlwright") else sequence(gain))
            within = np.mean(np.array(rows) <= 2 * fixed + A_DAY)
            text = f"median {np.median(rows):.0f} rows = {np.median(rows) / fixed:.1f} x {fixed:.0f}; {within:.0%} within 2 x"
            show(f"gain {better:g}, {name}", rule, text, "median <= 2 x")


def rollback(runs: int, seed: int) -> None:
    for a_window in (200, 500, 1000, 5000):
        after: dict[str, list[float]] = {"restarted each window": [], "one test since the promotion": []}
        false = 0
        for run in range(runs):
            rng = np.random.default_rng([seed, run, a_window])
            detector = RiskDetector.above(0.0, low=-1.0, high=1.0, error=0.05)
            mirrored = PairedTest.start(bound=1.0)
            for _ in range(60):
                gain = right_answers(rng, a_window, 0.01)
                detector, mirrored = detector.update(-gain), mirrored.update(-gain)
            false += detector.risen
            found = dict.fromkeys(after, np.inf)
            for window in range(1, 31):
                loss = -right_answers(rng, a_window, -0.05)
                detector, mirrored = detector.update(loss), mirrored.update(loss)
                for rule, done in zip(after, (detector.risen, mirrored.verdict == "better"), strict=True):
                    if done:
                        found[rule] = min(found[rule], window)
            for rule, first_window in found.items():
                after[rule].append(first_window)
        for rule, windows in after.items():
            text = (
                f"median {np.median(windows):.0f} windows, 90 % within {np.quantile(windows, 0.9, method='higher'):.0f}"
            )
            text += f"; {false} false of {runs}" if rule.startswith("restarted") else ""
            target = "2 windows" if rule.startswith("restarted") else ""
            show(f"5 points lost, windows of {a_window} rows", rule, text, target)


def auc(runs: int, seed: int) -> None:
    plan = AucPlan(looks=tuple(range(300, 3001, 300)))
    for gain in (0.0, 0.02):
        planned = once = peeking = 0
        days = []
        for run in range(runs):
            rng = np.random.default_rng([seed, run])
            truth = (rng.random(3000) < 0.2).astype(float)
            signal = truth + rng.normal(0, 0.8, 3000)
            champion = signal + rng.normal(0, 0.8, 3000)
            challenger = signal + rng.normal(0, 0.8 if gain == 0 else 0.65, 3000)
            looks = [plan.look(truth[:n], champion[:n], challenger[:n]) for n in plan.looks]
            planned += any(look.better for look in looks)
            days += [next(i for i, look in enumerate(looks, 1) if look.better)] if any(x.better for x in looks) else []
            once += looks[-1].z > 1.645
            peeking += any(look.z > 1.645 for look in looks)
        true = np.mean([auc_of(np.random.default_rng([seed, 99, i]), gain) for i in range(20)])
        what = f"AUC gain {true:+.3f}, 10 looks"
        text = f"promoted {planned / runs:.1%}" + (f", mean look {np.mean(days):.1f}" if days else "")
        show(what, "mlwright, DeLong with O'Brien-Fleming", text, "<= 5 %" if gain == 0 else "")
        show(what, "DeLong once, at the end", f"promoted {once / runs:.1%}", "")
        show(what, "DeLong at every look", f"promoted {peeking / runs:.1%}", "")


def auc_of(rng: np.random.Generator, gain: float) -> float:
    truth = (rng.random(50_000) < 0.2).astype(float)
    signal = truth + rng.normal(0, 0.8, 50_000)
    challenger = signal + rng.normal(0, 0.8 if gain == 0 else 0.65, 50_000)
    return auc_gain(truth, signal + rng.normal(0, 0.8, 50_000), challenger)[0]


def show(what: str, rule: str, found: str, target: str) -> None:
    print(f"{what:42} {rule:40} {found:58} {'target ' + target if target else ''}".rstrip(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="40 runs")
    parser.add_argument("--only", nargs="*", default=["wrong", "right", "rollback", "auc"])
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    runs = 40 if options.quick else options.runs
    parts = {"wrong": wrong, "right": right, "rollback": rollback, "auc": auc}
    for name in options.only:
        start = time.process_time()
        parts[name](runs, options.seed)
        print(f"  ({name}: {time.process_time() - start:.0f} s of processor time)\n", flush=True)


if __name__ == "__main__":
    main()
