"""What happens to the subscription business once its model answers: half a year of customers, and what became of them.

    python examples/subscriptions/half_a_year.py FOLDER

One morning a week customers are answered by whichever version is champion, and logged as `mlwright serve` logs them; thirty
days later it is known who has left. After two months the business brings out a new app that signs in by itself where nobody
uses it: the column `logins_30d` now means something else. Each week `mlwright operate` has one round, at the date of that week.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from generate import DAYS, FIRST, LABEL_DELAY, customers

from mlwright.data import Column, Schema
from mlwright.models import Model
from mlwright.operate import Round, operate
from mlwright.predictions import PredictionLog, add_labels, seal_segments
from mlwright.registry import Registry
from mlwright.spec import load_spec

#: The day after the newest snapshot that the model was trained on.
START = FIRST + timedelta(days=DAYS)
WEEKS, WEEKLY = 26, 1000
#: The week in which the new app comes out.
NEW_APP = 8
_ANSWERS = Schema((Column(name="prediction", type="category"), Column(name="probability_yes", type="number")))


def moment(week: int, *, minutes: int = 0) -> datetime:
    """When a week begins."""
    day = START + timedelta(weeks=week)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minutes)


def answer_week(project: Path, week: int) -> None:
    """Answer the customers of a week with the champion, and log it."""
    first: date = START + timedelta(weeks=week)
    rng = np.random.default_rng([7, week])
    made = customers(WEEKLY, rng, first=first, days=1, new_app=week >= NEW_APP)
    spec = load_spec(project / "mlwright.yaml")
    champion = Registry.of(spec).version("champion")
    model = Model.load(champion.package)
    asked = [{name: _sent(row[name]) for name in model.schema.names} for row in made]
    said = model.predict(pl.DataFrame(asked))
    assert said.decision is not None
    destination = project / spec.predictions.destination
    log = PredictionLog.open(
        destination,
        spec.predictions,
        worker=f"week{week}",
        input_schema=model.schema,
        output_schema=_ANSWERS,
        sealing=False,
    )
    names = [f"{week}-{number}" for number in range(WEEKLY)]
    for name, row, decision, probability in zip(names, asked, said.decision, said.prediction, strict=True):
        at = moment(week, minutes=540) + timedelta(seconds=float(rng.uniform(0, 3 * 3600)))
        answer = {"prediction": str(model.classes[decision]), "probability_yes": float(probability)}
        log.append(
            name,
            int(at.timestamp() * 1e9),
            champion.package_version,
            json.dumps(row).encode(),
            json.dumps(answer).encode(),
        )
    log.close()
    seal_segments(destination / "segments", destination)
    known = moment(week + 1) + timedelta(days=LABEL_DELAY)
    table = {"id": names, "label": [row["left"] for row in made], "known": [known.isoformat()] * WEEKLY}
    path = project / "outcomes" / f"{week:03d}.csv"
    path.parent.mkdir(exist_ok=True)
    pl.DataFrame(table).write_csv(path)


def _sent(value: str) -> str | None:
    """As the application sends it: what is not known is left out."""
    return None if value in {"", "?", "n/a", "-999"} else value


def label_until(project: Path, now: datetime) -> int:
    """Give the log the truths that are known by now and were not given yet; how many there are."""
    given = 0
    for path in sorted((project / "outcomes").glob("*.csv")):
        frame = pl.read_csv(path)
        known = datetime.fromisoformat(frame["known"][0])
        if known <= now:
            add_labels(project / "predictions", frame.with_columns(pl.lit(known).alias("known")), time="known")
            path.rename(path.with_suffix(".given"))
            given += len(frame)
    return given


def live(project: Path) -> None:
    """Half a year, a week at a time; what the loop says is printed once."""
    spec = load_spec(project / "mlwright.yaml")
    told: set[str] = set()
    for week in range(WEEKS):
        answer_week(project, week)
        now = moment(week + 1, minutes=300)
        label_until(project, now)
        for line in news_of(operate(spec, once=True, clock=lambda now=now: now)):  # type: ignore[misc]
            if line not in told:
                print(f"{now:%Y-%m-%d}  {line}", flush=True)
            told.add(line)


def news_of(made: Round) -> list[str]:
    """What a round found and did, without how many rows it read."""
    lines = [line for step in ("tell", "live", "tell what changed") for line in made.done.get(step, ())]
    return [*lines, *(f"{step}: {why}" for step, why in made.troubles.items())]


if __name__ == "__main__":
    live(Path(sys.argv[1]).resolve())
