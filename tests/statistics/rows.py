"""Scored rows for the tests of this folder: real predictions on real tables, and made ones."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np

from mlwright.statistics import Scored

Kind = Literal["binary", "multiclass", "regression"]


def made(
    task: Kind,
    n: int = 200,
    *,
    seed: int = 0,
    ties: bool = False,
    weighted: bool = False,
    groups: int | None = None,
) -> Scored:
    """Rows whose predictions know something; with `ties`, predictions and decisions take few values."""
    rng = np.random.default_rng(seed)
    weight = rng.choice([0.0, 0.5, 1.0, 2.0, 3.0], n) if weighted else None
    group = None if groups is None else rng.integers(0, groups, n)
    if task == "binary":
        score = rng.normal(size=n)
        target = (rng.random(n) < 1 / (1 + np.exp(-score))).astype(float)
        prediction = 1 / (1 + np.exp(-0.7 * score - 0.5 * rng.normal(size=n)))
        if ties:
            prediction = np.round(prediction * 8 + 1) / 10
        return Scored(target=target, prediction=prediction, weight=weight, group=group)
    if task == "multiclass":
        scores = rng.normal(size=(n, 3))
        chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        target = np.array([float(rng.choice(3, p=p)) for p in chances])
        if ties:
            counts = np.array([rng.multinomial(4, p) for p in chances])
            chances = (counts + 1) / 7
        return Scored(target=target, prediction=chances, weight=weight, group=group)
    target = rng.gamma(3.0, 10.0, n)
    prediction = target + rng.normal(0, 5, n)
    if ties:
        target, prediction = np.round(target, -1), np.round(prediction, -1)
    spread = rng.uniform(2, 10, n)
    return Scored(
        target=target,
        prediction=prediction,
        weight=weight,
        group=group,
        low=prediction - spread,
        high=prediction + spread,
    )


@cache
def real(task: Kind) -> Scored:
    """Predictions of a linear model on the half of a bundled table that it did not see."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.naive_bayes import GaussianNB

    load = {"binary": load_breast_cancer, "multiclass": load_wine, "regression": load_diabetes}[task]
    X, y = load(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(y))
    X, y = X[order], y[order].astype(float)
    half = len(y) // 2
    if task == "regression":
        prediction = LinearRegression().fit(X[:half], y[:half]).predict(X[half:])
        return Scored(target=y[half:], prediction=prediction, low=prediction - 80, high=prediction + 80)
    if task == "binary":
        X = X[:, :2]  # two columns, so that there is something left to get wrong
        prediction = LogisticRegression(max_iter=5000).fit(X[:half], y[:half]).predict_proba(X[half:])[:, 1]
    else:
        prediction = GaussianNB(var_smoothing=0.01).fit(X[:half, :3], y[:half]).predict_proba(X[half:, :3])
    return Scored(target=y[half:], prediction=prediction)


def repeated(scored: Scored) -> Scored:
    """Rows with whole weights, each as often as its weight says, and no weights."""
    assert scored.weight is not None
    rows = np.repeat(np.arange(len(scored)), scored.weight.astype(int))
    taken = scored.take(rows)
    return Scored(
        target=taken.target,
        prediction=taken.prediction,
        decision=taken.decision,
        group=taken.group,
        low=taken.low,
        high=taken.high,
    )
