"""A process that answers is small: what only training needs is not in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.serving.servers import running
from tests.serving.test_predict import records

from mlwright.spec import Task

LOADED = """
import json, sys
from pathlib import Path
from mlwright.serving.lightness import give_memory_back, keep_out_what_only_training_needs
keep_out_what_only_training_needs()
import mlwright.serving.worker
from mlwright.serving import Served, Service
service = Service(Served.load(Path(sys.argv[1]), name="it"))
give_memory_back()
service.answer(json.loads(sys.argv[2]))
print(json.dumps(sorted(sys.modules)))
"""
TRAINING = {"sklearn", "pandas", "polars", "altair", "jinja2", "typer", "rich", "catboost", "xgboost", "pydantic"}


def test_a_process_that_answers_loads_nothing_that_only_training_needs(packages: dict[Task, Path]) -> None:
    arguments = [str(packages["binary"]), json.dumps([{"age": 3, "joined": "2021-02-03", "review": "good"}])]
    done = subprocess.run([sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    ours = {name for name in loaded if name.startswith("mlwright.")}
    assert not {name.partition(".")[0] for name in loaded} & (TRAINING - {"polars"})  # texts are split by polars
    for package in ("search", "checks", "evaluation", "reports", "runs", "cli", "workflow"):
        assert f"mlwright.{package}" not in ours


def test_the_supervisor_loads_no_numerical_library(packages: dict[Task, Path]) -> None:
    code = (
        "import sys, mlwright.serving.server; print([m for m in ('numpy', 'pyarrow', 'uvicorn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_worker_needs_little_memory(packages: dict[Task, Path]) -> None:
    with running(packages["regression"]) as server:
        server.post(records("regression", 100))
        (worker,) = server.workers()
        status = Path(f"/proc/{worker}/status").read_text()
        held_mb = int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6
    assert held_mb < 140
