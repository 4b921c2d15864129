"""A model over the crossed view: packaged, read back, and asked which columns matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support import split_of

from mlwright.core import Deadline
from mlwright.data import Split
from mlwright.evaluation.importance import permutation_importances
from mlwright.features import fit_encoder
from mlwright.models import FAMILIES, FitJob, Member, Model, Outline, Rows
from mlwright.models.package import load_model, save_model
from mlwright.statistics import Scored


@pytest.fixture(scope="module")
def split() -> Split:
    """What a shop sells of an item depends on both together; a third column has many levels and says nothing."""
    rng = np.random.default_rng(0)
    shop, item = rng.integers(0, 12, 3000), rng.integers(0, 10, 3000)
    together = rng.normal(size=(12, 10))
    together -= together.mean(axis=0) + together.mean(axis=1, keepdims=True)
    frame = pl.DataFrame(
        {
            "shop": [f"shop {s}" for s in shop],
            "item": [f"item {i}" for i in item],
            "street": [f"street {k}" for k in rng.integers(0, 60, 3000)],
            "sold": np.where(2 * together[shop, item] + rng.normal(size=3000) > 0, "yes", "no"),
        }
    )
    return split_of(frame, "sold")[1]


@pytest.fixture(scope="module")
def model(split: Split) -> Model:
    train, family = split.train, FAMILIES["lightgbm_crossed"]
    encoder, matrix = fit_encoder(train, family.view)
    job = FitJob(
        task="binary",
        n_classes=2,
        rows=Rows(matrix=matrix, y=train.y),
        parameters=family.candidates(Outline.of(train))[0],
        seed=0,
        deadline=Deadline.after(60),
        settled={"rounds": 20},
    )
    return Model(
        task="binary",
        classes=train.classes,
        target=train.target,
        schema=train.schema.select(encoder.columns),
        encoders={family.view: encoder},
        members=(Member(family=family.name, trial="t", weight=1.0, estimator=family.fit(job)),),
        reference=train.summary(),
    )


def test_a_package_with_crosses_replays_its_golden_rows_and_answers_the_same(
    model: Model, split: Split, tmp_path: Path
) -> None:
    assert "cross_means" in {step.kind for step in model.encoders["crossed"].steps}
    save_model(model, tmp_path / "package")
    again = load_model(tmp_path / "package")
    assert again.predict(split.test).prediction.tobytes() == model.predict(split.test).prediction.tobytes()
    alone = model.predict(split.test.take(np.array([3]))).prediction
    assert alone.tobytes() == model.predict(split.test).prediction[3:4].tobytes()


def test_both_columns_of_a_cross_matter(model: Model, split: Split) -> None:
    shares = model.importances()
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares["shop"], shares["item"]) > 0.2 > shares["street"]
    scored = Scored(target=split.test.y, prediction=model.predict(split.test).prediction)
    increases = {one.column: one.loss_increase for one in permutation_importances(model, split.test, scored, seed=0)}
    assert min(increases["shop"], increases["item"]) > 0.1
    assert abs(increases["street"]) < 0.05


def test_without_a_category_there_is_nothing_to_cross() -> None:
    family = FAMILIES["lightgbm_crossed"]
    assert family.candidates(Outline(task="binary", n_rows=900, n_features=9, n_classes=2)) == []
    assert not family.abilities.monotonic
    assert FAMILIES["lightgbm"].abilities.monotonic
