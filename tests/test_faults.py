"""What happens when the process is killed or the disk is full: nothing half-written, and the run goes on."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support import mixed_frame

from mlwright.core import read_json
from mlwright.models import Model
from mlwright.runs import RunFolder
from mlwright.search.trials import read_trial
from mlwright.verification import verify

pytestmark = pytest.mark.slow


def project(folder: Path, *, rows: int = 3000, seconds: int = 20) -> Path:
    mixed_frame(rows).write_csv(folder / "sales.csv")
    (folder / "mlwright.yaml").write_text(
        f"data: {{source: sales.csv, target: bought, id: customer_id}}\nbudget: {{seconds: {seconds}, trials: 5}}\n"
    )
    return folder


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mlwright", *arguments, "--quiet"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def whole(run: Path) -> None:
    """Every file that stands under its own name can be read."""
    for path in run.rglob("*.json"):
        if not any(part.startswith(".") for part in path.relative_to(run).parts):
            read_json(path)
    for place in (run / "trials").glob("[!.]*/"):
        read_trial(place)
    if (run / "model").is_dir():
        Model.load(run / "model")


@pytest.mark.parametrize("reached", ["run.json", "checks.json", "trials/01-lightgbm", "trials/03-catboost", "model"])
def test_a_killed_run_has_only_whole_files_and_goes_on(tmp_path: Path, reached: str) -> None:
    project(tmp_path)
    process = started(tmp_path, "run")
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(f"runs/*/{reached}")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    folder = RunFolder.find("latest", start=tmp_path)
    whole(folder.path)
    kept = {path: path.stat().st_mtime_ns for path in folder.path.glob("trials/[!.]*/trial.json")}
    again = started(tmp_path, "run", "--resume", "latest")
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said.decode()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list((tmp_path / "runs").iterdir())) == 1
    assert not list(folder.path.rglob(".*.part"))
    assert verify(folder).holds


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    project(tmp_path)
    process = started(tmp_path, "train")
    while not list(tmp_path.glob("runs/*/trials/00-constant")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume latest" in said.decode()
    assert "Traceback" not in said.decode()


@pytest.mark.parametrize("limit", [200, 4_000, 20_000, 60_000])
def test_a_full_disk_is_a_plain_error_that_leaves_nothing_half_written(tmp_path: Path, limit: int) -> None:
    project(tmp_path, rows=1500)

    def small_disk() -> None:
        # A file that grows beyond the limit is refused as on a disk that is full.
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    result = subprocess.run(
        [sys.executable, "-m", "mlwright", "run", "--quiet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=small_disk,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == 2, result.stderr
    assert "the disk is full" in result.stderr
    assert "Traceback" not in result.stderr
    for run in (tmp_path / "runs").glob("*"):
        whole(run)
        assert not list(run.rglob("*.part"))
    if list((tmp_path / "runs").glob("*/run.json")):
        again = started(tmp_path, "run", "--resume", "latest")
        _, said = again.communicate(timeout=120)
        assert again.returncode == 0, said.decode()


def test_a_folder_that_cannot_be_written_is_a_plain_error(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "runs").write_text("a file where the folder should be")
    result = subprocess.run(
        [sys.executable, "-m", "mlwright", "run", "--quiet"], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 2
    assert "could not write" in result.stderr
    assert "Traceback" not in result.stderr


def test_two_processes_do_not_work_on_one_run(tmp_path: Path) -> None:
    project(tmp_path)
    process = started(tmp_path, "train")
    while not list(tmp_path.glob("runs/*/trials/00-constant")) and process.poll() is None:
        time.sleep(0.002)
    second = subprocess.run(
        [sys.executable, "-m", "mlwright", "train", "--resume", "latest", "--quiet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert second.returncode in {0, 2}  # 0 only if the first one had finished before
    if second.returncode == 2:
        assert "another process is working on this run" in second.stderr


def test_a_damaged_run_says_which_file(tmp_path: Path) -> None:
    project(tmp_path, rows=400)
    process = started(tmp_path, "run")
    process.communicate(timeout=120)
    assert process.returncode == 0
    folder = RunFolder.find("latest", start=tmp_path)
    (folder.path / "evidence.json").write_text(json.dumps({"format_version": 99}))
    result = subprocess.run(
        [sys.executable, "-m", "mlwright", "verify", "--quiet"], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 2
    assert "evidence.json" in result.stderr
