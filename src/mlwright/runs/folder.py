"""A run on disk: what each stage writes, and how it is found and read back.

```
runs/20261121-071512-3f2a/
  run.json           what was run, with which versions, how far it came
  mlwright.yaml      the spec as it was
  data.json          the schema, what was found while reading, the split
  split.arrow        the use of each row: train, test, or neither
  summary.json       the summary of the training rows
  checks.json        what the checks found
  contradictions.json  what is asked and cannot all be, on these rows
  verdict.json       what was promised before the search: can it be done?
  trials/            one folder per trial, written when it is finished
  search.json        how the search ended: folds, objective, why it stopped
  model/             the package
  predictions.arrow  the test rows: number, target, answer
  evaluation.json    scores, requirements, slices, curves
  evidence.json      every number, with what computed it and on which rows
  report.html  model_card.md
  .lock              held while a process works on the run
```
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from mlwright._version import __version__
from mlwright.checks import CheckReport
from mlwright.core import (
    EvidenceStore,
    MlwrightError,
    closest,
    read_json,
    read_table,
    whole_file,
    write_json,
    write_table,
    write_text,
)
from mlwright.data import Dataset, Split, SplitPlan, TableSummary
from mlwright.evaluation import Evaluation
from mlwright.feasibility import Verdict
from mlwright.models import Predictions
from mlwright.search import FolderStore, Trial, Trials
from mlwright.spec import FILE_NAME, Spec, load_spec
from mlwright.translation import Contradiction

RUNS_FOLDER = "runs"
FORMAT_VERSION = 1
_USES = ("train", "test", "left out")


class RunNotFound(MlwrightError):
    """There is no such run."""


class RunBusy(MlwrightError):
    """Another process works on this run."""


class RunUnfit(MlwrightError):
    """The run cannot be used for this."""


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
            self._clear_leftovers()
            yield

    def _clear_leftovers(self) -> None:
        """Remove what a killed process was writing aside; it was never part of the run."""
        for path in [*self.path.rglob(".*.part"), *self.path.rglob(".*.old")]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------------------- state

    @property
    def begun_on(self) -> date:
        """The day on which the run was begun (UTC): what deadlines are counted from."""
        with _in_plain_words(self.path / "run.json"):
            return datetime.fromisoformat(self.state["created"]).date()

    @property
    def state(self) -> dict[str, Any]:
        """What `run.json` says.

        Raises
        ------
        RunUnfit
            If it is damaged or of another format.
        """
        path = self.path / "run.json"
        tree: Any = read_json(path)
        if not isinstance(tree, dict) or not isinstance(tree.get("stages", {}), dict):
            raise _damaged(path)
        if tree.get("format_version") != FORMAT_VERSION:
            raise RunUnfit(
                f"the run has format {tree.get('format_version')}, and mlwright {__version__} reads {FORMAT_VERSION}",
                where=str(self.path),
                fix="use the version of mlwright that made it",
            )
        if not {"folder", "stages"} <= tree.keys():
            raise _damaged(path)
        return dict(tree)

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
                "split": asdict(plan),
                "schema": dataset.schema.state(),
            },
        )
        use = np.full(len(dataset), 2, dtype=np.int8)
        use[split.train_rows], use[split.test_rows] = 0, 1
        _write_table(self.path / "split.arrow", pa.table({"use": pa.DictionaryArray.from_arrays(use, list(_USES))}))
        write_json(self.path / "summary.json", split.train.summary().state())

    def data(self) -> dict[str, Any]:
        """What `data.json` says."""
        path = self.path / "data.json"
        tree: Any = read_json(path)
        if not isinstance(tree, dict) or not {"fingerprint", "schema", "split"} <= tree.keys():
            raise _damaged(path)
        return dict(tree)

    def summary(self) -> TableSummary:
        """The summary of the training rows."""
        path = self.path / "summary.json"
        with _in_plain_words(path):
            return TableSummary.of_state(read_json(path))

    def split(self, dataset: Dataset) -> Split:
        """The split of the rows, as it was made."""
        with _in_plain_words(self.path / "data.json"):
            plan = SplitPlan(**self.data()["split"])
        path = self.path / "split.arrow"
        with _in_plain_words(path):
            codes = np.array(read_table(path).column("use").combine_chunks().indices)
        if len(codes) != len(dataset):
            raise _damaged(path)
        train, test, left_out = (np.flatnonzero(codes == i) for i in range(3))
        return Split(plan=plan, dataset=dataset, train_rows=train, test_rows=test, left_out=left_out)

    def write_checks(self, report: CheckReport) -> None:
        write_json(self.path / "checks.json", report.state())

    def checks(self) -> CheckReport:
        path = self.path / "checks.json"
        with _in_plain_words(path):
            return CheckReport.of_state(read_json(path))

    def write_contradictions(self, found: Sequence[Contradiction]) -> None:
        write_json(
            self.path / "contradictions.json",
            {"format_version": FORMAT_VERSION, "contradictions": [one.state() for one in found]},
        )

    def contradictions(self) -> tuple[Contradiction, ...]:
        """What was asked and cannot all be; nothing for a run that was made before this was looked for."""
        path = self.path / "contradictions.json"
        if not path.is_file():
            return ()
        with _in_plain_words(path):
            return tuple(Contradiction.of_state(entry) for entry in read_json(path)["contradictions"])

    def write_verdict(self, verdict: Verdict) -> None:
        write_json(self.path / "verdict.json", verdict.state())

    def verdict(self) -> Verdict | None:
        """What was said before the search; None if nothing was."""
        path = self.path / "verdict.json"
        if not path.is_file():
            return None
        with _in_plain_words(path):
            return Verdict.of_state(read_json(path))

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
        with _in_plain_words(self.path / "trials"):
            kept = {trial.id: trial for trial in self.trial_store().all()}
        path = self.path / "search.json"
        with _in_plain_words(path):
            state = read_json(path)
            kept |= {entry["id"]: Trial(**entry) for entry in state["left_out"]}
            missing = [id_ for id_ in state["order"] if id_ not in kept]
            if missing:
                raise _damaged(self.path / "trials" / missing[0], "a trial is missing")
            trials = tuple(kept[id_] for id_ in state["order"])
            covered = next(trial.predictions for trial in trials if trial.predictions is not None)
            return Trials(
                objective=state["objective"],
                trials=trials,
                rows=np.isfinite(covered if covered.ndim == 1 else covered[:, 0]),
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
        if not path.is_file():
            return None
        with _in_plain_words(path):
            return Evaluation.of_state(read_json(path))

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
    return [RunFolder(path.resolve()) for path in sorted(found, key=_begun)]


def _begun(path: Path) -> tuple[str, int, str]:
    """When a run began: the second is in its name, and its spec is what is written first."""
    spec = path / FILE_NAME
    return path.name[: len("20261121-071512")], spec.stat().st_mtime_ns if spec.is_file() else 0, path.name


def earlier_tests(folder: RunFolder, split: Split) -> int:
    """How many other runs of this project have already scored the same test rows, as far as they can still be read."""
    key = name_of_test_rows(split)
    count = 0
    for other in all_runs(folder.path.parent.parent):
        if other.path != folder.path:
            with suppress(MlwrightError):  # a damaged run of last year must not stop the one of today
                count += other.state["stages"].get("evaluate", {}).get("test_rows") == key
    return count


def name_of_test_rows(split: Split) -> str:
    """Names a set of test rows of a table."""
    digest = hashlib.sha256(split.dataset.fingerprint.encode())
    digest.update(split.test_rows.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def _damaged(path: Path, what: str = "the file is damaged: it is not what a run writes") -> RunUnfit:
    return RunUnfit(what, where=str(path), fix="restore it from a copy, or make a new run")


@contextmanager
def _in_plain_words(path: Path) -> Iterator[None]:
    """Whatever goes wrong with the contents of one of our files means that it is not as it was written."""
    try:
        yield
    except FileNotFoundError as error:
        raise _damaged(path, "the file is missing") from error
    except (AttributeError, LookupError, OSError, StopIteration, TypeError, ValueError) as error:
        raise _damaged(path) from error


def _write_table(path: Path, table: pa.Table) -> None:
    with whole_file(path) as aside:
        write_table(aside, table)


def _write_spec(path: Path, spec: Spec) -> None:
    """The file as it is; a spec made in Python is written out."""
    if spec.path is not None and spec.path.is_file():
        write_text(path, spec.path.read_text(encoding="utf-8-sig"))
        return
    tree = json.loads(spec.model_dump_json(exclude_unset=True))
    write_text(path, yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))
