"""What several tests need: real tables, small made ones, and specs over them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlwright.data import Dataset, Split, plan_split, read, split_rows
from mlwright.spec import Alerts, Spec

#: Real tables for development; the project ships none of them.
SHARED = Path(os.environ.get("MLWRIGHT_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


def shared_table(name: str) -> tuple[Path, dict[str, Any]]:
    """The file of a real table and its entry in the index; skips the test where the tables are absent."""
    index = SHARED / "index.json"
    if not index.is_file():
        pytest.skip(f"the real tables are not here ({SHARED}); set MLWRIGHT_SHARED_DATA to their folder")
    entry = next(e for e in json.loads(index.read_text())["datasets"] if e["name"] == name)
    return SHARED / entry["file"], entry


def shared_file(name: str) -> Path:
    """A file beside the real tables; skips the test where they are absent."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{name} is not here ({SHARED}); set MLWRIGHT_SHARED_DATA to the folder of the real tables")
    return path


def breast_cancer_frame() -> pl.DataFrame:
    """569 rows, 30 numbers, target `diagnosis`: benign or malignant."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    columns = {str(name).replace(" ", "_"): bunch.data[:, i] for i, name in enumerate(bunch.feature_names)}
    names = np.array(["malignant", "benign"])
    return pl.DataFrame(columns).with_columns(diagnosis=pl.Series(names[bunch.target]))


def diabetes_frame() -> pl.DataFrame:
    """442 rows, 10 numbers, target `progression`: a number."""
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes()
    columns = {str(name): bunch.data[:, i] for i, name in enumerate(bunch.feature_names)}
    return pl.DataFrame(columns).with_columns(progression=pl.Series(bunch.target))


def wine_frame() -> pl.DataFrame:
    """178 rows, 13 numbers, target `cultivar`: three classes."""
    from sklearn.datasets import load_wine

    bunch = load_wine()
    columns = {str(name): bunch.data[:, i] for i, name in enumerate(bunch.feature_names)}
    return pl.DataFrame(columns).with_columns(cultivar=pl.Series([f"cultivar {k}" for k in bunch.target]))


def mixed_frame(rows: int = 600, *, seed: int = 0) -> pl.DataFrame:
    """A made table with every kind of column, missing values among them; `bought` (yes or no) depends on some."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, rows).astype(float)
    city = rng.choice(["Paris", "Rome", "Oslo", "Bern"], rows, p=[0.4, 0.3, 0.2, 0.1])
    visits = rng.poisson(3, rows)
    logit = 0.05 * (age - 50) + (city == "Rome") * 1.5 + 0.3 * visits - 1.0
    bought = rng.random(rows) < 1 / (1 + np.exp(-logit))
    words = np.array(["good", "bad", "slow", "fast", "cheap", "broken", "lovely", "late"])
    frame = pl.DataFrame(
        {
            "customer_id": [f"C{i:05d}" for i in range(rows)],
            "age": np.where(rng.random(rows) < 0.1, np.nan, age),
            "city": [None if gone else name for name, gone in zip(city, rng.random(rows) < 0.05, strict=True)],
            "visits": visits,
            "member": rng.random(rows) < 0.5,
            "joined": [f"20{20 + i % 5}-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in rng.integers(0, 1000, rows)],
            "review": [" ".join(rng.choice(words, 5)) for _ in range(rows)],
            "bought": np.where(bought, "yes", "no"),
        }
    )
    return frame.with_columns(pl.col("age").fill_nan(None))


def spec_for(target: str, **sections: Any) -> Spec:
    """A spec over a frame that is passed beside it; `data` adds to the section of that name."""
    data = {"source": "-", "target": target, **sections.pop("data", {})}
    return Spec.of({"data": data, "budget": {"seconds": 20, "trials": 3}, **sections})


def dataset_of(frame: pl.DataFrame, target: str, **sections: Any) -> Dataset:
    """A dataset read from a frame."""
    return read(spec_for(target, **sections), frame)


def split_of(frame: pl.DataFrame, target: str, **sections: Any) -> tuple[Spec, Split]:
    """A spec over a frame, and the split that it asks for."""
    spec = spec_for(target, **sections)
    dataset = read(spec, frame)
    return spec, split_rows(dataset, plan_split(dataset, spec), seed=spec.seed)


def spec_of_alerts(**section: Any) -> Alerts:
    """The section `alerts` of a spec."""
    return Spec.of({"data": {"source": "customers.csv", "target": "churned"}, "alerts": section}).alerts
