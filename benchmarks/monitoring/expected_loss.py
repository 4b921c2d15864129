"""How far are estimates of the loss from the truth, without a label, where the rows have drifted?

    python -m benchmarks.monitoring.expected_loss [--data ../shared/data] [--draws 3] [--seed 101] [--only telco_churn diamonds]

Each table is cut into rows to fit on, labelled reference rows, and a pool. Windows are drawn from the pool with a bias along
one or two columns that matter to the model: none, mild, along two columns, strong, strong along two. Of each window the
truth is known. Beside our estimates stand CBPE as NannyML does it (isotonic calibration on the reference, then sums of
calibrated probabilities) and "nothing has changed". Takes about two minutes of one core per draw. The method was made with
the seeds 0 to 9.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from benchmarks.figures import Figure

from mlwright.data.dataset import FloatArray, IntArray
from mlwright.monitoring.estimating import estimate_by_rows, estimate_by_scores
from mlwright.monitoring.loss_reference import LossReference
from mlwright.monitoring.rows import AnsweredRows, RowShape
from mlwright.monitoring.score_cells import count_cells
from mlwright.statistics import METRICS, Scored

ROWS = 20_000
RESERVOIR = 2_000
#: Kind of drift: columns, and strength in standard deviations.
DRIFTS = {"none": (0, 0.0), "mild": (1, 0.7), "two columns": (2, 0.9), "strong": (1, 1.5), "strong, two": (2, 1.5)}
BINARY = ["telco_churn", "adult_income", "houston_flights", "car_insurance_claims", "elec2", "ne_weather"]
HALVED = ["california_housing", "bike_sharing", "loan_interest", "diamonds"]
MULTICLASS = ["satellite_soil", "hpc_jobs"]
REGRESSION = ["california_housing", "bike_sharing", "loan_interest", "diamonds", "nyc_taxis", "ames_housing"]
CLASS_METRICS = ("accuracy", "roc_auc", "log_loss", "brier", "precision", "recall")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Labelled reference rows, and a window with its truth."""

    table: str
    drift: str
    task: str
    reference: AnsweredRows
    window: AnsweredRows


def tables(folder: Path, only: Sequence[str]) -> Iterator[tuple[str, str, pa.Table, FloatArray]]:
    """Name, task, features and target; of some regressions also whether the target is among the highest 30 %."""
    sys.path.insert(0, str(folder))
    import loader

    def read(name: str) -> tuple[pa.Table, FloatArray]:
        entry = loader.info(name)
        frame = pl.from_pandas(loader.read(name)).drop([*entry["leak_columns"], *entry["id_columns"]])
        frame = frame.sample(min(len(frame), ROWS), seed=0, shuffle=True)
        target = frame[entry["target"]]
        y = target.cast(pl.Float64) if entry["task"] == "regression" else target.cast(pl.String).rank("dense") - 1
        return frame.drop(entry["target"]).to_arrow(), y.to_numpy().astype(np.float64)

    for name in [n for n in BINARY + MULTICLASS if not only or n in only]:
        features, y = read(name)
        rare = 1 - y if name in BINARY and y.mean() > 0.5 else y
        yield name, "multiclass" if name in MULTICLASS else "binary", features, rare
    for name in [n for n in HALVED if not only or n in only]:
        features, y = read(name)
        yield f"{name}, high", "binary", features, (y > np.quantile(y, 0.7)).astype(np.float64)
    for name in [n for n in REGRESSION if not only or n in only]:
        yield name, "regression", *read(name)


def cases(folder: Path, only: Sequence[str], draws: range) -> Iterator[Case]:
    """Every table with every drift, each with rows and columns of its own draw."""
    import lightgbm

    for name, task, features, y in tables(folder, only):
        values = RowShape.of([features]).matrix(features)
        for draw, (drift, (columns, strength)) in product(draws, DRIFTS.items()):
            rng = np.random.default_rng([draw, len(name), *name.encode(), len(drift), *drift.encode()])
            order, n = rng.permutation(len(y)), len(y)
            fit, known, pool = order[: 2 * n // 5], order[2 * n // 5 : 7 * n // 10], order[7 * n // 10 :]
            parameters = {
                "objective": task,
                "num_leaves": 15,
                "learning_rate": 0.08,
                "verbosity": -1,
                "num_threads": 1,
                "seed": 0,
                **({"num_class": int(y.max()) + 1} if task == "multiclass" else {}),
            }
            model = lightgbm.train(parameters, lightgbm.Dataset(values[fit], y[fit]), 100)
            p = np.asarray(model.predict(values, num_threads=1))
            used = np.argsort(-model.feature_importance("gain"))[: max(4, values.shape[1] // 2)]
            direction = np.zeros(len(pool))
            for column in rng.choice(used, columns, replace=False):
                ranks = pl.Series(np.nan_to_num(values[pool, column], nan=-1e9)).rank().to_numpy()
                direction += rng.choice([-1, 1]) * (ranks - ranks.mean()) / (ranks.std() or 1) / np.sqrt(columns)
            key = np.log(rng.random(len(pool))) / np.exp(strength * direction)
            drawn = pool[np.argsort(-key)[: len(pool) // 4]]
            at = float(np.quantile(p[known], 0.8)) if task == "binary" else 0.0
            yield Case(
                table=name,
                drift=drift,
                task=task,
                reference=answered(features, p, y, known, task, at),
                window=answered(features, p, y, drawn, task, at),
            )


def answered(features: pa.Table, p: FloatArray, y: FloatArray, rows: IntArray, task: str, at: float) -> AnsweredRows:
    """Rows with their answers; the best fifth is decided for."""
    decision = None if task == "regression" else p.argmax(axis=1) if p.ndim == 2 else (p >= at).astype(np.int64)
    return AnsweredRows(
        table=features.take(pa.array(rows)),
        prediction=p[rows],
        decision=None if decision is None else decision[rows].astype(np.int64),
        target=y[rows],
    )


def truth(rows: AnsweredRows, task: str) -> dict[str, float]:
    """The metrics by the labels."""
    assert rows.target is not None
    scored = Scored(target=rows.target, prediction=rows.prediction, decision=rows.decision)
    names = {"binary": CLASS_METRICS, "multiclass": ("accuracy", "log_loss"), "regression": ("mae", "rmse")}[task]
    return {name: METRICS[name].compute(scored) for name in names}


def cbpe(reference: AnsweredRows, window: AnsweredRows) -> dict[str, float]:
    """Confidence-based performance estimation as NannyML 0.13 does it: each class calibrated by isotonic regression."""
    from sklearn.isotonic import IsotonicRegression

    assert reference.target is not None
    assert window.decision is not None

    def calibrated(known: FloatArray, hit: FloatArray, new: FloatArray) -> FloatArray:
        fitted = IsotonicRegression(out_of_bounds="clip").fit(known, hit)
        return np.asarray(fitted.predict(new), dtype=np.float64)

    stated, decision = np.clip(window.prediction, 1e-15, 1 - 1e-15), window.decision
    if stated.ndim == 2:
        parts = [
            calibrated(reference.prediction[:, k], reference.target == k, window.prediction[:, k])
            for k in range(stated.shape[1])
        ]
        c = np.column_stack(parts)
        c /= np.maximum(c.sum(axis=1, keepdims=True), 1e-9)
        right = c[np.arange(len(c)), decision]
        return {"accuracy": float(right.mean()), "log_loss": float(-(c * np.log(stated)).sum(axis=1).mean())}
    c = calibrated(reference.prediction, reference.target, stated)
    acted, rank = decision == 1, np.argsort(stated, kind="stable")
    below = np.cumsum(1 - c[rank]) - (1 - c[rank]) / 2
    return {
        "accuracy": float(np.where(acted, c, 1 - c).mean()),
        "roc_auc": float((c[rank] * below).sum() / (c.sum() * (1 - c).sum())),
        "log_loss": float(-(c * np.log(stated) + (1 - c) * np.log(1 - stated)).mean()),
        "brier": float((c * (1 - stated) ** 2 + (1 - c) * stated**2).mean()),
        "precision": float(c[acted].mean()) if acted.any() else float("nan"),
        "recall": float(c[acted].sum() / c.sum()),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was said of a window, beside its truth.

    Attributes
    ----------
    errors
        Of each way, by metric; of values as a share of the metric on the reference.
    held
        Whether our interval holds the truth, by metric.
    seconds
        Processor time of ours.
    """

    table: str
    drift: str
    errors: Mapping[str, Mapping[str, float]]
    held: Mapping[str, bool]
    seconds: float


def judged(case: Case) -> Judged:
    """All ways to estimate, on one window."""
    rng = np.random.default_rng(0)
    known = LossReference.of_rows(case.reference)
    true = truth(case.window, case.task)
    found = {"no change": truth(case.reference, case.task)}
    counts = None
    if known.cells is not None:
        assert case.window.decision is not None
        found["CBPE"] = cbpe(case.reference, case.window)
        counts = count_cells(case.window.score, case.window.decision, classes=known.cells.classes)
        by_scores = estimate_by_scores(counts, known, rng=rng)
        found["scores"] = {name: by_scores.metrics[name].value for name in true}
    sample = case.window.take(rng.permutation(len(case.window))[:RESERVOIR])
    begun = time.process_time()
    by_rows = estimate_by_rows(sample, known, counts=counts, rows=len(case.window), rng=rng)
    seconds = time.process_time() - begun
    found["rows"] = {name: by_rows.metrics[name].value for name in true}
    unit = found["no change"] if case.task == "regression" else dict.fromkeys(true, 1.0)
    return Judged(
        table=case.table,
        drift=case.drift,
        errors={
            way: {name: abs(value[name] - true[name]) / unit[name] for name in true} for way, value in found.items()
        },
        held={name: true[name] in by_rows.metrics[name].interval for name in true},
        seconds=seconds,
    )


def figures(data: Path, *, draws: int = 3, seed: int = 101, only: Sequence[str] = ()) -> Iterator[Figure]:
    """Of windows that have drifted; those without a drift are shown beside."""
    everything = [judged(case) for case in cases(data, only, range(seed, seed + draws))]
    shifted = [one for one in everything if one.drift != "none"]
    of = f"{len(shifted)} shifted windows of {len({one.table for one in shifted})} tables"
    by_metric = {name: of_metric(shifted, name) for name in dict.fromkeys(n for one in shifted for n in one.held)}
    beside_cbpe = {name: found for name, found in by_metric.items() if "CBPE" in found}
    if beside_cbpe:
        ratios = {name: found["rows"] / found["CBPE"] for name, found in beside_cbpe.items()}
        middle = float(np.exp(np.mean(np.log(list(ratios.values())))))
        yield Figure(
            goal=f"error of estimates without labels, {of}: against CBPE's",
            target="below",
            reached=f"{middle:.2f} x; {' '.join(f'{name} {ratio:.2f}' for name, ratio in ratios.items())}",
            good=middle < 1,
            beside="CBPE " + " ".join(f"{name} {found['CBPE']:.4f}" for name, found in beside_cbpe.items())
            + "; nothing has changed " + " ".join(f"{n} {found['no change']:.4f}" for n, found in beside_cbpe.items()),
            numbers=by_metric,
        )  # fmt: skip
    values = {name: found for name, found in by_metric.items() if "CBPE" not in found}
    if values:
        yield Figure(
            goal="... of values, as a share of the metric on the reference",
            reached=" ".join(f"{name} {found['rows']:.3f}" for name, found in values.items()),
            beside="nothing has changed " + " ".join(f"{n} {found['no change']:.3f}" for n, found in values.items()),
            numbers=values,
        )
    held = np.array([hit for one in shifted for hit in one.held.values()])
    drifts = {
        drift: np.mean([h for one in everything if one.drift == drift for h in one.held.values()]) for drift in DRIFTS
    }
    yield Figure(
        goal="90 % intervals of them hold the truth",
        target=">= 88 %",
        reached=f"{held.mean():.1%} of {len(held)}; "
        + ", ".join(f"{drift} {share:.0%}" for drift, share in drifts.items()),
        good=bool(held.mean() >= 0.88),
        numbers={drift: float(share) for drift, share in drifts.items()},
    )
    yield Figure(
        goal="time of an estimate from 2,000 rows, one core",
        reached=f"{np.mean([one.seconds for one in everything]):.2f} s",
    )


def of_metric(shifted: Sequence[Judged], name: str) -> dict[str, float]:
    """The mean error of each way, and by how much ours is off CBPE, with its standard error."""
    errors = [one.errors for one in shifted if name in one.held]
    ways = [way for way in errors[0] if all(way in one for one in errors)]
    found = {way: float(np.nanmean([one[way][name] for one in errors])) for way in ways}
    if "CBPE" in ways:
        difference = np.array([one["rows"][name] - one["CBPE"][name] for one in errors])
        difference = difference[np.isfinite(difference)]
        found["rows - CBPE"] = float(difference.mean())
        found["its standard error"] = float(difference.std() / np.sqrt(len(difference)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seed", type=int, default=101, help="of the first draw; the next ones count up")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    for figure in figures(options.data, draws=options.draws, seed=options.seed, only=options.only):
        print(figure.line(), *(f"    {name}: {found}" for name, found in figure.numbers.items()), sep="\n", flush=True)


if __name__ == "__main__":
    main()
