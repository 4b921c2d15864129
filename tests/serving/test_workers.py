"""Several processes behind one address: counted together, started again, ended in good order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from tests.serving.servers import eventually, running
from tests.serving.test_predict import records

from mlwright.spec import Task


def test_any_worker_says_what_all_of_them_counted(packages: dict[Task, Path]) -> None:
    with running(packages["binary"], "--workers", "2") as server:
        (record,) = records("binary", 1)
        for _ in range(60):  # each on a connection of its own, which either worker may take
            assert httpx.post(f"{server.url}/predict", json=record | {"city": "Atlantis"}).status_code == 200
        assert httpx.post(f"{server.url}/predict", json=[1]).status_code == 422

        def counted() -> bool:
            with httpx.Client(base_url=server.url) as fresh:
                text = fresh.get("/metrics").text
            return all(
                line in text.splitlines()
                for line in (
                    'http_requests_total{path="/predict",status="200"} 60',
                    'http_requests_total{path="/predict",status="422"} 1',
                    'http_request_duration_seconds_count{path="/predict"} 61',
                    "model_infer_request_success 60",
                    "model_infer_request_failure 1",
                    "mlwright_rows_total 60",
                )
            )

        eventually(counted)
        version = server.client.get("/").json()["version"]
        assert server.counts()[f'mlwright_model_info{{name="binary",version="{version}"}}'] == 1


def test_what_a_killed_worker_counted_stays(packages: dict[Task, Path]) -> None:
    with running(packages["binary"]) as server:
        (record,) = records("binary", 1)
        for _ in range(5):
            server.post(record)
        (before,) = server.workers()
        os.kill(before, signal.SIGKILL)
        server.client.close()
        server.client = httpx.Client(base_url=server.url, timeout=60)
        assert server.post(record).status_code == 200  # waits in the socket until a new worker is there
        assert server.counts()["mlwright_rows_total"] == 6
        assert server.counts()["mlwright_worker_restarts_total"] == 1
        assert server.workers() != [before]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_end_fails_no_request(workers: str, packages: dict[Task, Path]) -> None:
    (record,) = records("binary", 1)
    failures: list[str] = []
    answered = [0] * 8
    with running(packages["binary"], "--workers", workers) as server:

        def ask(number: int) -> None:
            with httpx.Client(base_url=server.url, timeout=60) as client:
                while True:
                    try:
                        answer = client.post("/predict", json=record)
                    except httpx.ConnectError:
                        return  # nobody listens any more: this request was never taken
                    except httpx.HTTPError as error:
                        failures.append(repr(error))
                        return
                    if answer.status_code != 200:
                        failures.append(answer.text)
                    answered[number] += 1

        clients = [threading.Thread(target=ask, args=[number]) for number in range(len(answered))]
        for client in clients:
            client.start()
        time.sleep(1)
        begun = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - begun < 15
        for client in clients:
            client.join()
    assert failures == []
    assert min(answered) > 0


def test_a_service_that_is_about_to_end_is_not_ready_but_answers(packages: dict[Task, Path]) -> None:
    (record,) = records("binary", 1)
    with running(packages["binary"]) as server:
        assert server.client.get("/readyz").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: server.client.get("/readyz").status_code == 503)
        answer = server.post(record)
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert server.process.wait(30) == 0


def test_workers_end_when_their_supervisor_is_killed(packages: dict[Task, Path]) -> None:
    with running(packages["binary"], "--workers", "2") as server:
        workers = server.workers()
        server.process.kill()
        server.process.wait()
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlwright", "serve", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_port_that_is_taken_is_said(packages: dict[Task, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = serve(str(packages["binary"]), "--port", str(other.getsockname()[1]))
    assert done.returncode == 2
    assert "PortTaken" in done.stderr


def test_a_package_that_is_damaged_or_not_there_is_said_and_not_served(
    packages: dict[Task, Path], tmp_path: Path
) -> None:
    done = serve(str(tmp_path / "nowhere"), "--port", "0")
    assert done.returncode == 2
    assert "PackageNotFound" in done.stderr
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for path in packages["binary"].rglob("*"):
        if path.is_file():
            copy = damaged / path.relative_to(packages["binary"])
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    (damaged / "model.json").write_bytes((damaged / "model.json").read_bytes()[:-10])
    done = serve(str(damaged), "--port", "0")
    assert done.returncode == 2
    assert "PackageDamaged" in done.stderr
    assert "Traceback" not in done.stderr
