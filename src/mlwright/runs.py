"""A run: one execution of the workflow, as a record in memory and as a folder on disk.

```
runs/20261121-071512-3f2a/
  run.json           what was run, with which versions, how far it came
  mlwright.yaml      the spec as it was
  data.json          the schema, what was found while reading, the split
  split.arrow        the use of each row: train, test, or neither
  summary.json       the summary of the training rows
  checks.json        what the checks found
  trials/            one folder per trial, written when it is finished
  model/             the package
  predictions.arrow  the test rows: number, target, answer
  evaluation.json    scores, requirements, slices, curves
  evidence.json      every number, with what computed it and on which rows
  report.html  model_card.md
```
"""

from __future__ import annotations

import fcntl
import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from mlwright._version import __version__
from mlwright.checks import CheckReport
from mlwright.core import (
    Evidence,
    EvidenceStore,
    MlwrightError,
    closest,
    read_json,
    whole_file,
    write_json,
    write_text,
)
from mlwright.data import Dataset, Split, SplitPlan, TableSummary
from mlwright.evaluation import Evaluation
from mlwright.models import Model, Predictions
from mlwright.search import FolderStore, Trials
from mlwright.spec import FILE_NAME, Spec, load_spec
from mlwright.statistics import METRICS

RUNS_FOLDER = "runs"
FORMAT_VERSION = 1
_USES = ("train", "test", "left out")


class RunNotFound(MlwrightError):
    """There is no such run."""


class RunBusy(MlwrightError):
    """Another process works on this run."""


class RunUnfit(MlwrightError):
    """The run cannot be used for this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run has made so far; `evaluation` is None until the test rows were scored."""

    folder: RunFolder
    spec: Spec
    dataset: Dataset = field(repr=False)
    split: Split = field(repr=False)
    checks: CheckReport = field(repr=False)
    trials: Trials = field(repr=False)
    model: Model = field(repr=False)
    evaluation: Evaluation | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        return self.folder.path.name

    def evidence(self) -> EvidenceStore:
        """Every number of the run, in the order of its stages."""
        store = EvidenceStore(data_evidence(self.split))
        store.extend(self.checks.evidence())
        store.extend(trials_evidence(self.trials, self.model))
        if self.evaluation is not None:
            store.extend(self.evaluation.evidence())
        return store


def data_evidence(split: Split) -> Iterator[Evidence]:
    """How many rows and columns there are, and how the rows are used."""
    dataset = split.dataset
    counts = {
        "rows": len(dataset),
        "unlabelled_rows": dataset.unlabelled,
        "columns": len(dataset.schema),
        "features": len(dataset.features),
        "training_rows": len(split.train_rows),
        "test_rows": len(split.test_rows),
        "rows_in_neither": len(split.left_out),
    }
    for name, value in counts.items():
        yield Evidence(id=f"data.{name}", value=value, method="count", rows="all rows", n=len(dataset))
    yield Evidence(
        id="data.fingerprint",
        value=dataset.fingerprint,
        method="SHA-256 of the source",
        rows="all rows",
        n=len(dataset),
    )
    share = np.mean([dataset.table.column(name).null_count for name in dataset.features]) / max(len(dataset), 1)
    yield Evidence(
        id="data.missing_share",
        value=float(share),
        method="share of missing values among the features",
        rows="all rows",
        n=len(dataset),
    )


def trials_evidence(trials: Trials, model: Model) -> Iterator[Evidence]:
    """The out-of-fold score of each trial and of the ensemble, and how long they took."""
    n = int(trials.rows.sum())
    rows = "training rows, out of fold"
    title = METRICS[trials.objective].title
    for trial in trials:
        base = f"trials.{trial.id}"
        if trial.score is not None:
            yield Evidence(id=f"{base}.{trials.objective}", value=trial.score, method=title, rows=rows, n=n)
            yield Evidence(
                id=f"{base}.fold_deviation",
                value=float(np.std(trial.fold_scores, ddof=1)) if len(trial.fold_scores) > 1 else None,
                method=f"standard deviation of {title} over {len(trial.fold_scores)} folds",
                rows=rows,
                n=n,
            )
        yield Evidence(
            id=f"{base}.seconds", value=trial.seconds, method="wall time", rows=rows, n=n, unit="s", kind="measured"
        )
    yield Evidence(
        id=f"ensemble.{trials.objective}",
        value=float(model.facts["out_of_fold_score"]),
        method=f"{title} of the weighted mean of the chosen trials",
        rows=rows,
        n=n,
    )


class RunFolder:
    """The folder of a run: what each stage writes and reads back."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # ------------------------------------------------------------------------------------------- making and finding

    @classmethod
    def create(cls, spec: Spec, *, now: datetime | None = None) -> RunFolder:
        """A new folder under `runs/` beside the spec."""
        moment = now or datetime.now(tz=UTC)
        name = f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        folder = cls(spec.folder / RUNS_FOLDER / name)
        _write_spec(folder.path / FILE_NAME, spec)
        folder._write_state(
            {
                "format_version": FORMAT_VERSION,
                "id": name,
                "project": spec.project.name,
                "created": moment.isoformat(timespec="seconds"),
                "folder": str(spec.folder),
                "mlwright": __version__,
                "python": sys.version.split()[0],
                "seed": spec.seed,
                "stages": {},
            }
        )
        return folder

    @classmethod
    def find(cls, name: str | Path, *, start: Path | None = None) -> RunFolder:
        """A run by its path, its id, or `latest`.

        Raises
        ------
        RunNotFound
            If there is none.
        """
        start = start or Path.cwd()
        given = Path(name)
        for path in (given, start / given, start / RUNS_FOLDER / given):
            if (path / "run.json").is_file():
                return cls(path.resolve())
        known = all_runs(start)
        if str(name) == "latest" and known:
            return known[-1]
        raise RunNotFound(
            "there is no run yet" if not known else f"there is no run {str(name)!r}",
            where=str(start / RUNS_FOLDER),
            fix="make one with `mlwright run`" if not known else closest(str(name), [run.path.name for run in known]),
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from working on this run; given back when the process ends, however it ends.

        Raises
        ------
        RunBusy
            If another process has it.
        """
        with (self.path / ".lock").open("a+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunBusy(
                    "another process is working on this run",
                    where=str(self.path),
                    fix="wait for it, or start a new run without --resume",
                ) from error
            yield

    # ------------------------------------------------------------------------------------------------------- state

    @property
    def state(self) -> dict[str, Any]:
        """What `run.json` says."""
        tree: dict[str, Any] = read_json(self.path / "run.json")
        if tree.get("format_version") != FORMAT_VERSION:
            raise RunUnfit(
                f"the run has format {tree.get('format_version')}, and mlwright {__version__} reads {FORMAT_VERSION}",
                where=str(self.path),
                fix="use the version of mlwright that made it",
            )
        return tree

    def done(self, stage: str) -> bool:
        """Whether a stage was finished."""
        return stage in self.state["stages"]

    def finish(self, stage: str, **facts: Any) -> None:
        """Note that a stage is finished."""
        state = self.state
        state["stages"][stage] = {"finished": datetime.now(tz=UTC).isoformat(timespec="seconds"), **facts}
        self._write_state(state)

    def _write_state(self, state: dict[str, Any]) -> None:
        write_json(self.path / "run.json", state)

    def spec(self) -> Spec:
        """The spec as it was when the run began; relative paths start where they did then."""
        spec = load_spec(self.path / FILE_NAME)
        return spec.at(Path(self.state["folder"]))

    # ------------------------------------------------------------------------------------------------------ results

    @property
    def model_path(self) -> Path:
        return self.path / "model"

    @property
    def report_path(self) -> Path:
        return self.path / "report.html"

    def trial_store(self) -> FolderStore:
        """Where trials are kept."""
        return FolderStore(self.path / "trials")

    def write_data(self, split: Split) -> None:
        """The schema, the split, and the summary of the training rows."""
        dataset, plan = split.dataset, split.plan
        write_json(
            self.path / "data.json",
            {
                "format_version": FORMAT_VERSION,
                "fingerprint": dataset.fingerprint,
                "description": dataset.description,
                "task": dataset.task,
                "classes": list(dataset.classes),
                "rows": len(dataset),
                "unlabelled": dataset.unlabelled,
                "unreadable": dict(dataset.unreadable),
                "notes": list(dataset.notes),
                "split": {"kind": plan.kind, "test_share": plan.test_share, "gap": plan.gap, "reason": plan.reason},
                "schema": dataset.schema.state(),
            },
        )
        use = np.full(len(dataset), 2, dtype=np.int8)
        use[split.train_rows], use[split.test_rows] = 0, 1
        _write_table(self.path / "split.arrow", pa.table({"use": pa.DictionaryArray.from_arrays(use, list(_USES))}))
        write_json(self.path / "summary.json", split.train.summary().state())

    def data(self) -> dict[str, Any]:
        """What `data.json` says."""
        tree: dict[str, Any] = read_json(self.path / "data.json")
        return tree

    def summary(self) -> TableSummary:
        """The summary of the training rows."""
        return TableSummary.of_state(read_json(self.path / "summary.json"))

    def split(self, dataset: Dataset) -> Split:
        """The split of the rows, as it was made."""
        plan = SplitPlan(**self.data()["split"])
        with pa.memory_map(str(self.path / "split.arrow")) as source:
            use = pa.ipc.open_file(source).read_all().column("use").combine_chunks()
        codes = np.array(use.indices)
        train, test, left_out = (np.flatnonzero(codes == i) for i in range(3))
        return Split(plan=plan, dataset=dataset, train_rows=train, test_rows=test, left_out=left_out)

    def write_checks(self, report: CheckReport) -> None:
        write_json(self.path / "checks.json", report.state())

    def checks(self) -> CheckReport:
        return CheckReport.of_state(read_json(self.path / "checks.json"))

    def write_search(self, trials: Trials) -> None:
        """The order of the trials and why the search stopped; the trials themselves are kept already."""
        left_out = [
            {"id": t.id, "family": t.family, "parameters": dict(t.parameters), "status": t.status, "reason": t.reason}
            for t in trials
            if t.status == "left out"
        ]
        write_json(
            self.path / "search.json",
            {
                "format_version": FORMAT_VERSION,
                "objective": trials.objective,
                "order": [trial.id for trial in trials],
                "left_out": left_out,
                "n_folds": trials.n_folds,
                "fit_share": trials.fit_share,
                "seconds": trials.seconds,
                "stopped": trials.stopped,
            },
        )

    def trials(self) -> Trials:
        """All trials of the search."""
        from mlwright.search import Trial

        state = read_json(self.path / "search.json")
        kept = {trial.id: trial for trial in self.trial_store().all()}
        kept |= {entry["id"]: Trial(**entry) for entry in state["left_out"]}
        trials = tuple(kept[id_] for id_ in state["order"])
        covered = next(trial.predictions for trial in trials if trial.predictions is not None)
        rows = np.isfinite(covered if covered.ndim == 1 else covered[:, 0])
        return Trials(
            objective=state["objective"],
            trials=trials,
            rows=rows,
            n_folds=state["n_folds"],
            fit_share=state["fit_share"],
            seconds=state["seconds"],
            stopped=state["stopped"],
        )

    def write_predictions(self, split: Split, predictions: Predictions) -> None:
        """The answers for the test rows."""
        test = split.test
        table = pa.table({"row": pa.array(split.test_rows), "target": test.table.column(test.target)})
        answers = predictions.to_table()
        for name in answers.column_names:
            table = table.append_column(name, answers.column(name))
        _write_table(self.path / "predictions.arrow", table)

    def write_evaluation(self, evaluation: Evaluation) -> None:
        write_json(self.path / "evaluation.json", evaluation.state())

    def evaluation(self) -> Evaluation | None:
        """None if the test rows were not scored yet."""
        path = self.path / "evaluation.json"
        return Evaluation.of_state(read_json(path)) if path.is_file() else None

    def write_evidence(self, store: EvidenceStore) -> None:
        store.write(self.path / "evidence.json")

    def evidence(self) -> EvidenceStore:
        return EvidenceStore.read(self.path / "evidence.json")

    def write_text(self, name: str, text: str) -> Path:
        """A document of the run."""
        write_text(self.path / name, text)
        return self.path / name


def all_runs(folder: Path) -> list[RunFolder]:
    """The runs under a project's folder, the oldest first."""
    place = folder / RUNS_FOLDER
    if not place.is_dir():
        return []
    found = [path for path in place.iterdir() if (path / "run.json").is_file()]
    return [RunFolder(path.resolve()) for path in sorted(found, key=lambda path: path.name)]


def earlier_tests(folder: RunFolder, split: Split) -> int:
    """How many other runs of this project have already scored the same test rows."""
    key = test_key(split)
    count = 0
    for other in all_runs(folder.path.parent.parent):
        if other.path != folder.path:
            stages = other.state["stages"]
            count += stages.get("evaluate", {}).get("test_rows") == key
    return count


def test_key(split: Split) -> str:
    """Names a set of test rows of a table."""
    import hashlib

    digest = hashlib.sha256(split.dataset.fingerprint.encode())
    digest.update(split.test_rows.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def _write_table(path: Path, table: pa.Table) -> None:
    with whole_file(path) as aside, pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _write_spec(path: Path, spec: Spec) -> None:
    """The file as it is; a spec made in Python is written out."""
    if spec.path is not None and spec.path.is_file():
        write_text(path, spec.path.read_text(encoding="utf-8-sig"))
        return
    tree = json.loads(spec.model_dump_json(exclude_unset=True))
    write_text(path, yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))
