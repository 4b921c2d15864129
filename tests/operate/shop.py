"""A shop in small: a model that was really trained, and a log of days that it answered; some days its customers are others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlwright.data import Column, Schema
from mlwright.models import Model
from mlwright.predictions import PredictionLog, add_labels, seal_segments
from mlwright.registry import Registry, register_run
from mlwright.spec import PredictionLogging, Spec, load_spec
from mlwright.workflow import run

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
OPENED = datetime(2026, 3, 1, tzinfo=UTC)
_OUTPUT = Schema((Column(name="prediction", type="category"), Column(name="probability_yes", type="number")))
SPEC: dict[str, Any] = {
    "project": {"name": "shop"},
    "data": {"source": "sales.csv", "target": "bought", "positive_class": "yes", "id": "visit", "time": "at"},
    "task": "binary",
    "decision": {
        "currency": "EUR",
        "values": {"true_positive": 10, "false_positive": -6, "false_negative": 0, "true_negative": 0},
    },
    "requirements": [{"id": "R1", "metric": "roc_auc", "min": 0.55}],
    "budget": {"seconds": 20, "trials": 2, "workers": 1},
    "operation": {"label_delay": "1d"},
}


def visits(
    rows: int,
    seed: int,
    *,
    start: datetime,
    days: float,
    older: float = 0.0,
    flipped: float = 0.0,
    keener: float = 0.0,
) -> pl.DataFrame:
    """Visits with what was bought; `older` moves the age by years, `flipped` turns the meaning of the city round for a share,
    `keener` moves the log odds of all."""
    rng = np.random.default_rng(seed)
    age = np.round(rng.normal(45 + older, 12, rows), 1)
    city = rng.choice(["Paris", "Rome", "Oslo", "Bern"], rows, p=[0.4, 0.3, 0.2, 0.1])
    pages = rng.poisson(3, rows)
    rome = np.where(rng.random(rows) < flipped, city == "Paris", city == "Rome")
    logit = 0.06 * (age - 45) + rome * 1.8 + 0.3 * (pages - 3) - 0.6 + keener
    return pl.DataFrame(
        {
            "visit": [f"V{seed}-{number:05d}" for number in range(rows)],
            "at": [
                (start + timedelta(days=float(part) * days)).replace(tzinfo=None) for part in np.sort(rng.random(rows))
            ],
            "age": age,
            "city": city,
            "pages": pages,
            "bought": np.where(rng.random(rows) < 1 / (1 + np.exp(-logit)), "yes", "no"),
        }
    )


def in_another_unit(frame: pl.DataFrame) -> pl.DataFrame:
    """The same visits, of which every second one says the age in thousandths of a year."""
    wrong = pl.int_range(pl.len()) % 2 == 0
    return frame.with_columns(
        pl.when(wrong).then((pl.col("age") * 1000).round(1)).otherwise(pl.col("age")).alias("age")
    )


def open_shop(folder: Path, *, rows: int = 3000) -> Path:
    """Train the first model and make it champion."""
    folder.mkdir(parents=True, exist_ok=True)
    visits(rows, 1, start=BEGAN, days=58).write_csv(folder / "sales.csv", datetime_format="%Y-%m-%d %H:%M:%S")
    (folder / "mlwright.yaml").write_text(json.dumps({"mlwright": 1, **SPEC}))
    done = run(load_spec(folder / "mlwright.yaml"))
    version = register_run(done, registry=Registry.of(load_spec(folder / "mlwright.yaml")), who="the test")
    assert version.number == 1
    return folder


def spec_of(folder: Path, **sections: Mapping[str, Any]) -> Spec:
    """The spec of a shop, with other sections where they are given."""
    tree = {"mlwright": 1, **SPEC, **sections}
    (folder / "mlwright.yaml").write_text(json.dumps(tree))
    return load_spec(folder / "mlwright.yaml")


def copied(shop: Path, folder: Path) -> Path:
    """Another shop just like it."""
    shutil.copytree(shop, folder, dirs_exist_ok=True)
    return folder


def answer_days(folder: Path, frame: pl.DataFrame, *, version: str = "", labels: bool = True) -> None:
    """Answer visits with the champion (and say that it was another version), seal the log, and give labels a day later."""
    registry = Registry.of(load_spec(folder / "mlwright.yaml"))
    champion = registry.version("champion")
    model = Model.load(champion.package)
    said = model.predict(frame.drop("bought"))
    assert said.decision is not None
    log = PredictionLog.open(
        folder / "predictions",
        PredictionLogging(),
        worker=f"w{frame['visit'][0]}",
        input_schema=model.schema,
        output_schema=_OUTPUT,
        sealing=False,
    )
    for row, decision, p in zip(frame.iter_rows(named=True), said.decision, said.prediction, strict=True):
        asked = {name: value for name, value in row.items() if name in model.schema.names and name != "at"}
        if "at" in model.schema.names:
            asked["at"] = row["at"].strftime("%Y-%m-%d %H:%M:%S")
        moment = int(row["at"].replace(tzinfo=UTC).timestamp() * 1e9)
        told = {"prediction": str(model.classes[decision]), "probability_yes": float(p)}
        log.append(
            row["visit"],
            moment,
            version or champion.package_version,
            json.dumps(asked).encode(),
            json.dumps(told).encode(),
        )
    log.close()
    seal_segments(folder / "predictions" / "segments", folder / "predictions")
    if labels:
        label(folder, frame)


def label(folder: Path, frame: pl.DataFrame) -> None:
    """Say what became of visits, a day after them."""
    table = frame.select(
        pl.col("visit").alias("id"), pl.col("bought").alias("label"), (pl.col("at") + timedelta(days=1)).alias("known")
    )
    add_labels(folder / "predictions", table.to_arrow(), time="known")


def dated(moment: datetime, *, days: float = 0.0) -> datetime:
    """Some days after a moment, when what was answered until then is sealed."""
    return moment + timedelta(days=days, minutes=21)


def last_day(folder: Path) -> datetime:
    """When the last day that has answers is over."""
    hours = sorted((folder / "predictions" / "answers").rglob("hour=*"))
    return datetime.fromisoformat(hours[-1].parent.name.removeprefix("date=")).replace(tzinfo=UTC) + timedelta(days=1)
