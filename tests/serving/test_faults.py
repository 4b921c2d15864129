"""What goes wrong while a service answers: processes, packages, disks, clients and clocks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
from tests.serving.servers import Running, eventually, running, whole_answer
from tests.serving.versions import records, turn, two_versions

from mlwright.predictions import PredictionLog, read_window
from mlwright.serving import Served, Service

_JSON = {"content-type": "application/json"}


class Load:
    """Clients that ask all the time, each on a connection that it keeps as long as it lasts.

    Attributes
    ----------
    acknowledged
        Ids of answers that a client has, written down once it has them whole.
    versions
        Of the answers.
    refused
        Answers other than 200.
    broken
        Requests without an answer.
    """

    def __init__(self, server: Running, clients: int) -> None:
        self.acknowledged: list[str] = []
        self.versions: set[str] = set()
        self.refused: list[tuple[int, bytes]] = []
        self.broken: list[str] = []
        self._port, self._stop = server.port, threading.Event()
        self._clients = [threading.Thread(target=self._ask, args=[number]) for number in range(clients)]

    def _ask(self, number: int) -> None:
        bodies, turns = records(), 0
        while not self._stop.is_set():
            with closing(HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
                try:
                    while not self._stop.is_set():
                        turns += 1
                        headers = _JSON | {"x-request-id": f"{number}-{turns}"}
                        connection.request("POST", "/predict", bodies[turns % len(bodies)], headers)
                        reply = connection.getresponse()
                        self._note(reply.status, reply.read())
                except (OSError, HTTPException) as error:
                    self.broken.append(repr(error))

    def _note(self, status: int, body: bytes) -> None:
        if status != 200:
            self.refused.append((status, body))
            return
        answer = json.loads(body)
        self.versions.add(answer["version"])
        self.acknowledged.append(answer["id"])


@contextmanager
def load(server: Running, clients: int) -> Iterator[Load]:
    """Load until the block ends."""
    made = Load(server, clients)
    for client in made._clients:
        client.start()
    try:
        yield made
    finally:
        made._stop.set()
        for client in made._clients:
            client.join()


def in_log(folder: Path) -> list[str]:
    ids: list[str] = read_window(folder, segments=folder / "segments").read_all().column("id").to_pylist()
    return ids


def write_over(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# ------------------------------------------------------------------------------------------------- processes and packages


@pytest.mark.slow
def test_no_acknowledged_answer_is_missing_after_ten_workers_were_killed(tmp_path: Path) -> None:
    two_versions(tmp_path)
    with (
        running(tmp_path / "v1", "--workers", "2", "--log", str(tmp_path / "log")) as server,
        load(server, 4) as clients,
    ):
        for _ in range(10):
            eventually(lambda: len(server.workers()) == 2)
            before = len(clients.acknowledged)
            eventually(lambda before=before: len(clients.acknowledged) > before + 20)
            os.kill(server.workers()[0], signal.SIGKILL)
    assert clients.broken, "no request was in the hands of a worker that was killed"
    assert not clients.refused
    assert len(clients.acknowledged) >= 200
    assert not set(clients.acknowledged) - set(in_log(tmp_path / "log"))


@pytest.mark.slow
def test_no_request_fails_while_versions_take_turns(tmp_path: Path) -> None:
    versions = two_versions(tmp_path)
    log = tmp_path / "log"
    with running(tmp_path / "current", "--log", str(log)) as server:
        with load(server, 8) as clients:
            for number in range(15):
                turn(tmp_path / "current", ("v2", "v1")[number % 2])
                os.kill(server.process.pid, signal.SIGHUP)
                time.sleep(0.2)
        swapped = server.counts()['mlwright_reloads_total{outcome="swapped"}']
    assert swapped >= 3
    assert clients.versions == set(versions)
    assert not clients.broken
    assert not clients.refused
    assert set(clients.acknowledged) == set(in_log(log))


def test_a_package_that_is_damaged_while_it_answers_goes_on_answering_even_in_a_worker_that_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = two_versions(tmp_path)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    with running(tmp_path / "v1") as server:
        eventually(lambda: list(tmp_path.glob(f"tmp/*/versions/{first}")))  # the copy, made beside the answering
        write_over(tmp_path / "v1" / "model.json")
        eventually(lambda: "reload" in server.client.get("/readyz").json())
        assert server.post(records()[0]).json()["version"] == first
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        server.client.close()
        server.client = type(server.client)(base_url=server.url, timeout=60)
        assert server.post(records()[0]).json()["version"] == first
        assert server.workers() != [worker]
        assert "changed after" in server.client.get("/readyz").json()["reload"]["why"]
        shutil.rmtree(tmp_path / "v1")
        shutil.copytree(tmp_path / "v2", tmp_path / "v1")
        eventually(lambda: server.post(records()[0]).json()["version"] != first)
        eventually(lambda: "reload" not in server.client.get("/readyz").json())


# ----------------------------------------------------------------------------------------------------------- a full disk


@pytest.mark.parametrize("on_full", ["refuse", "go-on"])
def test_a_full_disk_refuses_answers_or_gives_them_unlogged_and_counts_them(on_full: str, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: writing beyond it fails as on one that is full."""
    two_versions(tmp_path)
    limit = ("bash", "-c", 'ulimit -f 200; exec "$@"', "--")  # KiB
    options = ("--log", str(tmp_path / "log"), "--log-on-full", on_full.replace("-", "_"))
    many = b"[" + b",".join(records()[:300]) + b"]"
    with running(tmp_path / "v1", *options, prefix=limit) as server:
        replies = [server.post(many) for _ in range(8)]
        counts = server.counts()
        assert server.client.get("/readyz").status_code == 200
    kept, taken = len(in_log(tmp_path / "log")), [reply for reply in replies if reply.status_code == 200]
    assert 300 <= kept < 2400
    assert kept == counts["mlwright_log_appended_total"]
    if on_full == "go-on":
        assert len(taken) == 8
        assert counts["mlwright_log_dropped_total"] == 2400 - kept
        return
    assert kept == 300 * len(taken)
    refused = [reply for reply in replies if reply.status_code != 200]
    assert {reply.status_code for reply in refused} == {503}
    assert all("retry-after" in reply.headers and str(tmp_path) not in reply.text for reply in refused)
    assert counts["mlwright_log_refused_total"] == 300 * len(refused)


# -------------------------------------------------------------------------------------------------------------- clients


def reset(connection: socket.socket) -> None:
    """Close with RST, as a client that crashes or a load balancer that gives up."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def head(length: int) -> bytes:
    return b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % length


@pytest.mark.parametrize(
    "sent",
    [
        lambda body: b"",
        lambda body: b"POST /pre",
        lambda body: head(len(body)),
        lambda body: head(len(body)) + body[:10],
        lambda body: head(len(body)) + body,
        lambda body: (head(len(body)) + body) * 50,
    ],
    ids=["nothing", "half a line", "a head", "half a body", "a request", "many requests"],
)
def test_a_connection_that_is_reset_harms_nobody_else(sent: Callable[[bytes], bytes], server: Running) -> None:
    body = records()[0]
    for _ in range(20):
        connection = server.raw()
        connection.sendall(sent(body))
        reset(connection)
    assert server.post(body).status_code == 200
    assert not [line for line in server.said if "Traceback" in line]


def test_many_slow_clients_do_not_hold_up_a_quick_one(server: Running) -> None:
    body = records()[0]
    slow = [server.raw() for _ in range(100)]
    for connection in slow:
        connection.sendall(head(len(body)) + body[:10])
    assert server.post(body).status_code == 200
    for connection in slow[:50]:
        connection.sendall(body[10:])
        assert whole_answer(connection)[0] == 200
    for connection in slow:
        connection.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/predict", 405),
        ("DELETE", "/predict", 405),
        ("POST", "/healthz", 405),
        ("PUT", "/admin/reload", 405),
        ("POST", "/v2/models/nobody/infer", 404),
        ("POST", "/v2/models/binary/versions/none/infer", 404),
        ("GET", "/v2/models/nobody", 404),
        ("POST", "/nothing", 404),
    ],
)
def test_a_wrong_verb_and_an_unknown_model_are_said(method: str, path: str, status: int, server: Running) -> None:
    reply = server.client.request(method, path, content=b'{"inputs": []}', headers=_JSON)
    assert reply.status_code == status
    assert ("allow" in reply.headers) == (status == 405)
    assert "nobody" not in reply.text


# ---------------------------------------------------------------------------------------------------------------- clocks


def test_a_clock_that_goes_back_loses_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a machine's clock is put right; times are those of the clock, and ids still tell the answers apart."""
    two_versions(tmp_path)
    log = PredictionLog.open(tmp_path / "log", sealing=False)
    service = Service(Served.load(tmp_path / "v1", name="model"), log=log)
    now, ids = datetime.now(tz=UTC).replace(microsecond=0), []
    for moment in (now, now - timedelta(hours=3), now - timedelta(hours=2)):
        nanoseconds = int(moment.timestamp()) * 10**9
        monkeypatch.setattr(time, "time_ns", lambda fixed=nanoseconds: fixed)
        ids.append(service.answer_json(records()[0])[0].id)
    log.close()
    rows = read_window(tmp_path / "log").read_all().to_pylist()
    assert {row["id"] for row in rows} == set(ids)
    assert len(set(ids)) == 3
    times = {row["id"]: row["time"] for row in rows}
    assert [(now - times[name].replace(tzinfo=UTC)).total_seconds() for name in ids] == [0, 10800, 7200]
    earlier = read_window(tmp_path / "log", start=now - timedelta(hours=4), end=now - timedelta(hours=1)).read_all()
    assert earlier.num_rows == 2
