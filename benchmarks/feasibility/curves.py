"""The quick curves of every task, from 10 %, 20 % and 100 % of its training rows: made once, kept in the cache.

    python -m benchmarks.feasibility.curves --data ../shared/data --shard 0/2

What a forecast makes of a curve costs milliseconds, so everything after it can be tried again and again. Curves in the
cache are not made again; after a change of the quick learners say `--again`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.feasibility.tasks import Task, tasks
from benchmarks.feasibility.truth import CACHE, Asked, ask

from mlwright.data import Dataset, plan_split
from mlwright.feasibility import Anchor, QuickCurve, RelativeError, quick_curve

SHARES = (0.1, 0.2, 1.0)
LEAST_ROWS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A curve from a share of the training rows.

    Attributes
    ----------
    rows, columns
        Rows that were seen, and columns that a model may use.
    seconds
        What the curve took on one thread.
    """

    task: str
    share: float
    rows: int
    columns: int
    seconds: float
    curve: QuickCurve


def some_rows(train: Dataset, share: float, seed: int = 0) -> Dataset:
    """A share of the rows: whole groups where there are groups."""
    if share >= 1:
        return train
    rng = np.random.default_rng([seed, round(100 * share)])
    n = round(share * len(train))
    groups = train.groups
    if groups is None:
        return train.take(np.sort(rng.permutation(len(train))[:n]))
    order = rng.permutation(int(groups.max()) + 1)[groups]
    return train.take(np.sort(np.argsort(order, kind="stable")[:n]))


def make(asked: Asked, share: float) -> Seen | None:
    """The curve from a share of the training rows; None if these are too few."""
    if share * len(asked.train) < LEAST_ROWS:
        return None
    train = some_rows(asked.train, share)
    if train.task != "regression":
        counts = np.bincount(train.y.astype(int), minlength=len(train.classes))
        if counts.min() < 8:  # the verdict says nothing then
            return None
    begun = time.perf_counter()
    curve = quick_curve(train, asked.spec, plan_split(train, asked.spec), seed=0)
    return Seen(
        task=asked.task.name,
        share=share,
        rows=len(train),
        columns=len(train.features),
        seconds=time.perf_counter() - begun,
        curve=curve,
    )


def place(cache: Path, name: str, share: float) -> Path:
    """Where a curve is kept."""
    return cache / "curves" / f"{name}@{share:g}.npz"


def save(seen: Seen, path: Path) -> None:
    """As arrays, with everything else as JSON beside them."""
    curve = seen.curve
    arrays: dict[str, Any] = {
        "rows": curve.rows,
        "target": curve.target,
        "prediction": curve.prediction.astype(np.float32),
    }
    arrays |= {name: values for name in ("weight", "group") if (values := getattr(curve, name)) is not None}
    rest = {
        "seen": {name: getattr(seen, name) for name in ("task", "share", "rows", "columns", "seconds")},
        "anchors": [asdict(anchor) for anchor in curve.anchors],
        "curve": {name: getattr(curve, name) for name in ("task", "n_classes", "learner", "drift", "seconds")},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part.npz")
    np.savez_compressed(aside, rest=np.array(json.dumps(rest)), **arrays)
    aside.rename(path)


def load(path: Path) -> Seen:
    """What `save` kept."""
    with np.load(path) as file:
        rest: dict[str, Any] = json.loads(str(file["rest"]))
        arrays = {name: file[name] for name in file.files if name != "rest"}
    arrays["prediction"] = arrays["prediction"].astype(np.float64)
    anchors = tuple(
        Anchor(rows=one["rows"], errors={name: RelativeError(**entry) for name, entry in one["errors"].items()})
        for one in rest["anchors"]
    )
    return Seen(**rest["seen"], curve=QuickCurve(**rest["curve"], anchors=anchors, **arrays))


def known_curves(cache: Path, names: list[str]) -> Iterator[Seen]:
    """Those in the cache."""
    for name in names:
        for share in SHARES:
            path = place(cache, name, share)
            if path.is_file():
                yield load(path)


def ensure(listed: list[Task], cache: Path, *, again: bool = False) -> None:
    """Make the curves that are not in the cache."""
    for task in listed:
        none = cache / "curves" / f"{task.name}.none"
        skipped = set(json.loads(none.read_text())) if none.is_file() and not again else set()
        wanted = [s for s in SHARES if s not in skipped and (again or not place(cache, task.name, s).is_file())]
        if not wanted:
            continue
        try:
            asked = ask(task, seconds=60)
            took = []
            for share in wanted:
                seen = make(asked, share)
                if seen is None:
                    skipped.add(share)
                else:
                    save(seen, place(cache, task.name, share))
                    took.append(f"{share:.0%} {seen.seconds:.1f} s")
        except Exception as error:  # one task that cannot be made must not stop the others
            print(f"{task.name}: {type(error).__name__}: {error}", flush=True)
            traceback.print_exc(limit=-3)
            continue
        if skipped:
            none.parent.mkdir(parents=True, exist_ok=True)
            none.write_text(json.dumps(sorted(skipped)))
        print(f"{task.name}: {', '.join(took)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--shard", default="0/1", help="0/2 is every other task, 1/2 the rest")
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--again", action="store_true")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.shard.split("/"))
    listed = tasks(arguments.data)[part::parts]
    listed = [task for task in listed if arguments.only is None or task.name in arguments.only]
    ensure(listed, arguments.cache, again=arguments.again)


if __name__ == "__main__":
    main()
