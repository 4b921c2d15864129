"""Synthetic tasks in the manner of OpenML's tables, with the true probability of every row, so that the best score is known.

A world draws features (numbers, some skewed or rounded; categories with few or many levels; columns that say nothing;
missing values whose absence is what the world sees too), and a score of each row from one of five kinds of surface:

- `linear`: a weighted sum;
- `smooth`: a sum of waves and parabolas of single features;
- `steps`: a sum of boxes, each of two or three features, as trees draw them;
- `products`: a sum of products of two features;
- `clusters`: log odds of two mixtures of normal distributions.

The probability is the logistic function of the score, so what a perfect model knows is exact: categories and missing
values enter the score as they are shown. Flipped labels change the probability to p (1 - f) + (1 - p) f.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from benchmarks.feasibility.tasks import Kind, Known, Rows, Task, seed_of
from scipy.special import expit, softmax

Surface = Literal["linear", "smooth", "steps", "products", "clusters"]
FloatArray = np.ndarray
TEST_ROWS = 4000
_FRESH_ROWS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a synthetic task is made of.

    Attributes
    ----------
    useful, noise
        Columns of numbers that matter, and that do not.
    categories, levels
        Columns of categories that matter, and how many levels each has.
    strength
        Standard deviation of the score, in logits; the larger, the nearer the best error is to 0.
    share
        Of the positive class, before labels are flipped.
    missing
        The share of values that is missing, in every column of numbers.
    """

    surface: Surface
    rows: int
    useful: int
    noise: int = 0
    categories: int = 0
    levels: int = 8
    strength: float = 3.0
    share: float = 0.5
    flips: float = 0.0
    missing: float = 0.0
    classes: int = 2
    regression: bool = False
    seed: int = 0


def worlds() -> list[World]:
    """The forty worlds of the benchmark."""
    made = []
    rng = np.random.default_rng(2026)

    def spread(*values: Any, times: int = 25) -> Any:
        """The values in a random order, each as often as any other: no two parameters go together."""
        return rng.permutation(np.resize(np.array(values), times)).tolist()

    surfaces: tuple[Surface, ...] = ("linear", "smooth", "steps", "products", "clusters")
    columns = zip(
        spread(500, 800, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 10_000),
        spread(4, 6, 8, 12, 5),
        spread(4, 0, 20, 8, 60, 0, 12, 4, 30, 130),
        spread(0, 2, 0, 1, 3),
        spread(4, 12, 60, 8, 200),
        spread(2.0, 4.0, 3.0, 6.0, 1.2),
        spread(0.5, 0.2, 0.35, 0.05, 0.1),
        spread(0.0, 0.1, 0.0, 0.2, 0.05),
        spread(0.0, 0.1, 0.0),
        strict=True,
    )
    for number, (rows, useful, noise, categories, levels, strength, share, flips, missing) in enumerate(columns):
        made.append(
            World(
                surface=surfaces[number % 5],
                rows=rows,
                useful=useful,
                noise=noise,
                categories=categories,
                levels=levels,
                strength=strength,
                share=share,
                flips=flips,
                missing=missing,
                seed=number,
            )
        )
    # Well separated, with and without flipped labels: what injected noise is looked for in.
    for number, flipped in enumerate((0.0, 0.05, 0.1, 0.2)):
        made.append(
            World(
                surface=("steps", "clusters", "smooth", "linear")[number],
                rows=4000,
                useful=6,
                noise=6,
                strength=12.0,
                flips=flipped,
                seed=30 + number,
            )
        )
    made += [
        World(
            surface=surfaces[number % 4],
            rows=(1000, 2500, 5000, 8000, 1500, 4000)[number],
            useful=6 + number,
            noise=(0, 10, 30)[number % 3],
            categories=number % 2,
            strength=(3.0, 5.0)[number % 2],
            flips=(0.0, 0.1, 0.0)[number % 3],
            classes=(3, 4, 6)[number % 3],
            seed=40 + number,
        )
        for number in range(6)
    ]
    made += [
        World(
            surface=surfaces[number % 4],
            rows=(700, 1500, 3000, 6000, 10_000, 2000, 4000, 900, 8000)[number],
            useful=5 + number % 5,
            noise=(0, 8, 110, 30)[number % 4],
            categories=(0, 1, 2)[number % 3],
            levels=(6, 40)[number % 2],
            strength=(0.7, 1.5, 3.0)[number % 3],
            missing=(0.0, 0.08)[number % 2],
            regression=True,
            seed=50 + number,
        )
        for number in range(9)
    ]
    return made


def tasks() -> list[Task]:
    """One task for each world."""
    return [_task(world) for world in worlds()]


def _task(world: World) -> Task:
    kind: Kind = "regression" if world.regression else "binary" if world.classes == 2 else "multiclass"
    name = f"synthetic_{kind}_{world.surface}_{world.seed}"
    return Task(
        name=name,
        family="synthetic",
        origin=name,
        kind=kind,
        target="y",
        positive="yes" if kind == "binary" else None,
        load=lambda: draw(world, name),
    )


def draw(world: World, name: str, *, repetition: int = 0, test_rows: int = TEST_ROWS) -> Rows:
    """Training and test rows of a world; another repetition gives other rows of the same world."""
    made = Made(world, seed_of(name))
    rng = np.random.default_rng([seed_of(name), 1 + repetition])
    train, test, fresh = made.draw(rng, world.rows), made.draw(rng, test_rows), made.draw(rng, _FRESH_ROWS)
    known = best(world, fresh)
    return Rows(
        train=train.frame,
        test=test.frame,
        known=Known(
            **known,
            flips=world.flips,
            test_probability=test.truth,
            train_clean=train.clean,
            test_clean=test.clean,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Rows, the truth about each (probabilities, or the mean), its noise, and the target before flips."""

    frame: pl.DataFrame
    truth: FloatArray
    noise: FloatArray
    clean: FloatArray | None


def best(world: World, fresh: Drawn) -> dict[str, float]:
    """The best possible scores over many fresh rows: what the true probabilities score in expectation."""
    if world.regression:
        return {"rmse": float(np.sqrt((fresh.noise**2).mean())), "mae": float(np.sqrt(2 / np.pi) * fresh.noise.mean())}
    p = fresh.truth if fresh.truth.ndim == 2 else np.column_stack([1 - fresh.truth, fresh.truth])
    known = {
        "error": float((1 - p.max(axis=1)).mean()),
        "log_loss": float(-(p * np.log(np.maximum(p, 1e-12))).sum(axis=1).mean()),
    }
    if world.classes == 2:
        known["roc_auc"] = _auc(fresh.truth)
    return known


def _auc(p: FloatArray) -> float:
    """The ROC AUC of the true probabilities, in expectation over the targets."""
    p = np.sort(p)
    below = np.cumsum(1 - p) - (1 - p) / 2  # negatives ranked below, the row's own pair by half
    return float((p * below).sum() / (p.sum() * (1 - p).sum()))


class Made:
    """A world with its random weights: the same for every draw of rows."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        rng = np.random.default_rng([seed, 0])
        n = world.useful
        self.mixing = np.eye(n) + np.where(rng.random((n, n)) < 0.2, rng.normal(0, 0.4, (n, n)), 0.0)
        self.mixing /= np.sqrt((self.mixing**2).sum(axis=0))
        outputs = 1 if world.regression or world.classes == 2 else world.classes
        self.surfaces = [_surface(world.surface, n, rng) for _ in range(outputs)]
        self.effects = rng.normal(0, 0.6, (outputs, world.categories, world.levels))
        self.popularity = rng.dirichlet(np.full(world.levels, 0.7), size=world.categories)
        self.absent = rng.normal(0, 0.7, n)
        self.looks = rng.integers(0, 4, n + world.noise)  # as they are, skewed, scaled, rounded
        self.spread = _surface("smooth", n, rng)
        sample = self._features(np.random.default_rng([seed, 99]), 50_000)
        raw = self._raw(*sample)
        self.middle, self.scale = raw.mean(axis=0), raw.std(axis=0)
        self.shift = 0.0
        if outputs == 1 and not world.regression:
            self.shift = self._shift_for_share((raw[:, 0] - self.middle[0]) / self.scale[0] * world.strength)

    def _shift_for_share(self, score: FloatArray) -> float:
        low, high = -60.0, 60.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if expit(score + middle).mean() > self.world.share else (middle, high)
        return low

    def _features(self, rng: np.random.Generator, n: int) -> tuple[FloatArray, FloatArray]:
        x = rng.normal(size=(n, self.world.useful)) @ self.mixing
        rounded = self.looks[: self.world.useful] == 3
        x[:, rounded] = np.round(2 * x[:, rounded]) / 2
        x[rng.random(x.shape) < self.world.missing] = np.nan
        shape = (n, self.world.categories)
        c = np.zeros(shape, dtype=np.int64)
        for j in range(self.world.categories):
            c[:, j] = rng.choice(self.world.levels, n, p=self.popularity[j])
        return x, c

    def _raw(self, x: FloatArray, c: FloatArray) -> FloatArray:
        """The score of each output; a missing value counts as a fixed value of its column, so that absence tells too."""
        seen = np.where(np.isnan(x), self.absent, x)
        columns = []
        for surface, effects in zip(self.surfaces, self.effects, strict=True):
            score = surface(seen)
            for j in range(self.world.categories):
                score = score + effects[j][c[:, j]]
            columns.append(score)
        return np.column_stack(columns)

    def draw(self, rng: np.random.Generator, n: int) -> Drawn:
        world = self.world
        x, c = self._features(rng, n)
        score = (self._raw(x, c) - self.middle) / self.scale * world.strength + self.shift
        noise, clean = np.ones(n), None
        if world.regression:
            truth = score[:, 0]
            noise = np.exp(0.35 * np.tanh(self.spread(np.where(np.isnan(x), self.absent, x))))
            target = pl.Series("y", truth + noise * rng.normal(size=n))
        else:
            p = (
                np.column_stack([1 - expit(score[:, 0]), expit(score[:, 0])])
                if score.shape[1] == 1
                else softmax(score, axis=1)
            )
            k, f = world.classes, world.flips
            clean = (rng.random(n)[:, None] > np.cumsum(p, axis=1)[:, :-1]).sum(axis=1)
            other = (clean + rng.integers(1, k, n)) % k
            shown = np.where(rng.random(n) < f, other, clean)
            observed = p * (1 - f) + (1 - p) * f / (k - 1)
            truth = observed[:, 1] if k == 2 else observed
            names = np.array(["no", "yes"] if k == 2 else [f"class {number}" for number in range(k)])
            target = pl.Series("y", names[shown])
        frame = self._frame(rng, x, c).with_columns(target)
        return Drawn(frame=frame, truth=truth, noise=noise, clean=clean)

    def _frame(self, rng: np.random.Generator, x: FloatArray, c: FloatArray) -> pl.DataFrame:
        n, noise = len(x), rng.normal(size=(len(x), self.world.noise))
        noise[rng.random(noise.shape) < self.world.missing] = np.nan
        numbers = np.column_stack([x, noise])
        columns = {}
        for j in np.random.default_rng(self.world.seed).permutation(numbers.shape[1]):
            values, look = numbers[:, j], self.looks[j]
            shown = np.exp(values) if look == 1 else 1000 * values if look == 2 else values
            if look == 3 and j >= self.world.useful:
                shown = np.round(2 * shown) / 2
            columns[f"x{j}"] = pl.Series(shown).fill_nan(None)
        for j in range(self.world.categories):
            columns[f"c{j}"] = pl.Series(np.array([f"level {v}" for v in range(self.world.levels)])[c[:, j]])
        assert n
        return pl.DataFrame(columns)


def _surface(kind: Surface, n: int, rng: np.random.Generator) -> Callable[[FloatArray], FloatArray]:
    """A function of the features, shape (n_rows, n) -> (n_rows,)."""
    if kind == "linear":
        weights = rng.normal(size=n)
        return lambda x: x @ weights
    if kind == "smooth":
        weights, waves, starts, bends = (
            rng.normal(size=n),
            rng.uniform(0.7, 2.0, n),
            rng.uniform(0, 6, n),
            rng.normal(0, 0.4, n),
        )
        return lambda x: (weights * np.sin(waves * x + starts) + bends * (x**2 - 1)).sum(axis=1)
    if kind == "steps":
        boxes = [
            (
                rng.choice(n, rng.integers(1, min(4, n + 1)), replace=False),
                rng.normal(0, 0.8, 3),
                rng.choice([-1, 1], 3),
                rng.normal(),
            )
            for _ in range(12)
        ]
        return lambda x: sum(
            (
                height * np.all(s[: len(j)] * x[:, j] > s[: len(j)] * cut[: len(j)], axis=1)
                for j, cut, s, height in boxes
            ),
            np.zeros(len(x)),
        )
    if kind == "products":
        pairs = [(*rng.choice(n, 2, replace=False), rng.normal()) for _ in range(max(2, n // 2))]
        weights = rng.normal(0, 0.5, n)
        return lambda x: x @ weights + sum((w * x[:, a] * x[:, b] for a, b, w in pairs), np.zeros(len(x)))
    centres = rng.normal(0, 1.3, (6, n))

    def clusters(x: FloatArray) -> FloatArray:
        distance = ((x[:, None, :] - centres[None]) ** 2).sum(axis=2) / 2
        near = np.exp(-(distance - distance.min(axis=1, keepdims=True)))
        return np.asarray(np.log(near[:, :3].sum(axis=1) + 1e-9) - np.log(near[:, 3:].sum(axis=1) + 1e-9))

    return clusters
