"""Answers over HTTP are in the prediction log before they are acknowledged."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.models.made import made
from tests.serving.servers import eventually, running
from tests.serving.test_predict import records

from mlwright.predictions import LogFull, PredictionLog, read_window
from mlwright.serving import HttpProblem, Served, Service
from mlwright.serving.problems import problem_of
from mlwright.spec import Task


def kept(log: Path) -> dict[str, dict[str, Any]]:
    """What the log has, sealed or not, by id."""
    return {row["id"]: row for row in read_window(log, segments=log / "segments").read_all().to_pylist()}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_an_answer_is_in_the_log_when_the_client_has_it(task: Task, packages: dict[Task, Path], tmp_path: Path) -> None:
    asked = records(task, 12)
    with running(packages[task], "--log", str(tmp_path)) as server:
        first = server.post(asked[0]).json()
        assert list(kept(tmp_path)) == [first["id"]]
        answers = [first, *server.post(asked[1:]).json()]
        assert server.counts()["mlwright_log_appended_total"] == len(asked)
    found = kept(tmp_path)
    assert list(found) == [answer["id"] for answer in answers]
    for record, answer in zip(asked, answers, strict=True):
        row = found[answer["id"]]
        assert row["version"] == answer["version"]
        assert row["output.prediction"] == answer["prediction"]
        for name, share in answer.get("probabilities", {}).items():
            assert row[f"output.probability_{name}"] == share
        if task == "regression":
            assert row["output.interval_low"] == answer["interval_low"]
        for name in made(task).model.features:
            if not isinstance(record[name], str):
                assert row[f"input.{name}"] == record[name]


def test_the_spec_of_the_run_says_what_the_log_keeps(packages: dict[Task, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(packages["binary"], run / "model")
    (run / "run.json").write_text('{"project": "sales"}')
    left_out = made("binary").model.features[0]
    (run / "mlwright.yaml").write_text(f"predictions:\n  mask: {{{left_out}: drop}}\n  retention: 90d\n")
    log = tmp_path / "log"
    with running(run, "--log", str(log)) as server:
        answer = server.post(records("binary", 1)[0]).json()
    assert f"input.{left_out}" not in kept(log)[answer["id"]] or kept(log)[answer["id"]][f"input.{left_out}"] is None


def test_a_worker_that_is_killed_under_load_loses_no_answer_and_is_started_again(
    packages: dict[Task, Path], tmp_path: Path
) -> None:
    asked = records("binary", 8)
    acknowledged: list[str] = []
    stop = threading.Event()
    with running(packages["binary"], "--log", str(tmp_path), "--workers", "2") as server:

        def ask(number: int) -> None:
            turn = 0
            with httpx.Client(base_url=server.url, timeout=60) as client:
                while not stop.is_set():
                    headers = {"x-request-id": f"{number}-{turn}"}
                    turn += 1
                    try:
                        answer = client.post("/predict", json=asked[number], headers=headers)
                    except httpx.HTTPError:
                        continue  # was in the hands of the one that was killed
                    assert answer.status_code == 200
                    acknowledged.append(answer.json()["id"])

        clients = [threading.Thread(target=ask, args=[number]) for number in range(4)]
        for client in clients:
            client.start()
        for _ in range(2):
            eventually(lambda: len(server.workers()) == 2)
            time.sleep(0.5)
            os.kill(server.workers()[0], signal.SIGKILL)
        eventually(lambda: len(server.workers()) == 2)
        stop.set()
        for client in clients:
            client.join()
        eventually(lambda: server.counts()["mlwright_worker_restarts_total"] == 2)
    assert len(acknowledged) > 100
    assert set(acknowledged) <= set(kept(tmp_path))


def test_if_the_log_cannot_be_written_there_is_no_answer_but_503(packages: dict[Task, Path], tmp_path: Path) -> None:
    log = PredictionLog.open(tmp_path / "log", sealing=False)
    service = Service(Served.load(packages["binary"], name="sales"), log=log)
    (record,) = records("binary", 1)
    service.answer([record])
    log.rotate()
    shutil.rmtree(tmp_path / "log")
    (tmp_path / "log").write_text("in the way")
    with pytest.raises(LogFull) as caught:
        service.answer([record])
    problem = problem_of(caught.value)
    assert isinstance(problem, HttpProblem)
    assert problem.status == 503
    assert (b"retry-after", b"10") in problem.headers
    assert str(tmp_path) not in problem.sentence()
    service.synchronise()
    totals = service.metrics.total()
    assert totals["mlwright_log_refused_total"] == 1
    assert totals["model_infer_request_failure"] == 1
    log.close(seal=False)


def test_without_a_log_nothing_is_written(packages: dict[Task, Path]) -> None:
    with running(packages["binary"]) as server:
        server.post(records("binary", 1)[0])
        assert not [series for series in server.counts() if "log" in series]
