"""The records of a search: one per trial, on disk as soon as the trial is finished."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from mlwright.core import MlwrightError, read_json, read_table, whole_folder, write_json, write_table
from mlwright.data.dataset import FloatArray
from mlwright.models import Settled
from mlwright.statistics import Metric

Status = Literal["finished", "cut", "abandoned", "failed", "left out", "evaluated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One pipeline with its parameters, scored on folds.

    Attributes
    ----------
    id
        Unique in a run, and the same in a repeated one: its number and the name of its parameters.
    status
        `cut`: the deadline ended a fit early, so the score is worse than the parameters; `abandoned`: far behind after
        its first folds; `left out`: not begun, since its predicted cost did not fit the budget or it would repeat another;
        `evaluated`: a prototype, for comparison only; `reason` says more.
    score
        Of the objective on the out-of-fold predictions of all folds together.
    settled
        What the folds settled together, for a fit on all rows.
    refit_seconds
        How long one such fit will probably take on one thread.
    start_seconds, round_seconds
        What a fit of one fold took before its first round, and for each round on average; 0 for what has no rounds.
    origin
        Where its parameters come from, if not from the family: the trial of an earlier run.
    predictions : shape (n_rows,) or (n_rows, n_classes)
        Out of fold; NaN for rows that are in no validation fold.
    """

    id: str
    family: str
    parameters: Mapping[str, Any]
    status: Status
    score: float | None = None
    fold_scores: tuple[float, ...] = ()
    settled: Settled = field(default_factory=dict)
    seconds: float = 0.0
    refit_seconds: float = 0.0
    start_seconds: float = 0.0
    round_seconds: float = 0.0
    origin: str = ""
    reason: str = ""
    predictions: FloatArray | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return str(self.parameters.get("name", self.family))

    @property
    def usable(self) -> bool:
        """Whether it has predictions to choose by."""
        return self.status in {"finished", "cut"} and self.predictions is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """All trials of a search, in the order in which they were planned.

    Attributes
    ----------
    rows : shape (n_rows,)
        Which training rows have out-of-fold predictions; all but the oldest where the folds go forward in time.
    fit_share
        How many of the training rows a fold was trained on, on average, as a share.
    seconds
        Wall time of the search.
    stopped
        Why no more was tried.
    """

    objective: str
    trials: tuple[Trial, ...]
    rows: np.ndarray = field(repr=False)
    n_folds: int
    fit_share: float
    seconds: float = 0.0
    stopped: str = ""

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.trials)

    def __getitem__(self, id: str) -> Trial:  # noqa: A002 - the field is called id in the file
        return next(trial for trial in self.trials if trial.id == id)

    @property
    def usable(self) -> list[Trial]:
        """Those with predictions."""
        return [trial for trial in self.trials if trial.usable]


def ranked(trials: Iterable[Trial], objective: Metric) -> list[Trial]:
    """Those with a score, the best first."""
    known = [(trial, trial.score) for trial in trials if trial.score is not None and np.isfinite(trial.score)]
    sign = -1.0 if objective.higher_is_better else 1.0
    return [trial for trial, _ in sorted(known, key=lambda pair: sign * pair[1])]


class TrialStore(Protocol):
    """Keeps finished trials."""

    def get(self, id: str) -> Trial | None:  # noqa: A002 - the field is called id in the file
        """The trial that was kept under this id."""
        ...

    def put(self, trial: Trial) -> None:
        """Keep a trial; once this returns, a killed process does not lose it."""
        ...

    def noted(self, name: str) -> Mapping[str, Any] | None:
        """What was noted under this name."""
        ...

    def note(self, name: str, values: Mapping[str, Any]) -> None:
        """Keep what all trials depend on, so that a search that goes on depends on the same."""
        ...


class MemoryStore:
    """Keeps trials as long as the process lives."""

    def __init__(self) -> None:
        self._trials: dict[str, Trial] = {}
        self._notes: dict[str, Mapping[str, Any]] = {}

    def get(self, id: str) -> Trial | None:  # noqa: A002 - the field is called id in the file
        return self._trials.get(id)

    def put(self, trial: Trial) -> None:
        self._trials[trial.id] = trial

    def noted(self, name: str) -> Mapping[str, Any] | None:
        return self._notes.get(name)

    def note(self, name: str, values: Mapping[str, Any]) -> None:
        self._notes[name] = values


class FolderStore:
    """Keeps each trial as a folder: `trial.json` and `predictions.arrow`; and each note as a file beside them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, id: str) -> Trial | None:  # noqa: A002 - the field is called id in the file
        place = self._folder / id
        try:
            return read_trial(place) if place.is_dir() else None
        except (MlwrightError, OSError, ValueError, KeyError, TypeError):
            return None  # damaged: it is made again

    def put(self, trial: Trial) -> None:
        with whole_folder(self._folder / trial.id) as aside:
            state = asdict(trial)
            state.pop("predictions")
            write_json(aside / "trial.json", {"format_version": 1, **state})
            if trial.predictions is not None:
                _write_array(aside / "predictions.arrow", trial.predictions)

    def noted(self, name: str) -> Mapping[str, Any] | None:
        path = self._folder / f"{name}.json"
        return dict(read_json(path)) if path.is_file() else None

    def note(self, name: str, values: Mapping[str, Any]) -> None:
        write_json(self._folder / f"{name}.json", {"format_version": 1, **values})

    def all(self) -> list[Trial]:
        """Every trial that was kept, by id."""
        if not self._folder.is_dir():
            return []
        places = sorted(place for place in self._folder.iterdir() if place.is_dir() and not place.name.startswith("."))
        return [read_trial(place) for place in places]


def read_trial(place: Path) -> Trial:
    """A trial from its folder."""
    state = read_json(place / "trial.json")
    state.pop("format_version")
    state["fold_scores"] = tuple(state["fold_scores"])
    stored = place / "predictions.arrow"
    return Trial(**state, predictions=_read_array(stored) if stored.is_file() else None)


def _write_array(path: Path, array: FloatArray) -> None:
    columns = {f"p{i}": column for i, column in enumerate(np.atleast_2d(array.T))}
    table = pa.table(columns, metadata={"dimensions": str(array.ndim)})
    write_table(path, table)


def _read_array(path: Path) -> FloatArray:
    table = read_table(path)
    array = np.column_stack([column.to_numpy() for column in table.columns])
    return array[:, 0] if table.schema.metadata[b"dimensions"] == b"1" else array
