"""The entry point, run as SageMaker, Vertex AI and Docker run the image: its arguments, its variables, its signals."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.models.made import made
from tests.serving.servers import eventually

from mlwright.serving.health import takes_requests
from mlwright.spec import Task

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def told(word: str) -> list[str]:
    """The words of an instruction of the Dockerfile in its exec form."""
    (found,) = re.findall(rf"^{word} (\[.*\])$", DOCKERFILE, re.MULTILINE)
    words: list[str] = json.loads(found)
    return words


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def container(environ: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The process that the image starts, with these variables added and these arguments instead of its default ones."""
    (program,) = told("ENTRYPOINT")
    executable = Path(sys.executable).with_name(program)
    process = subprocess.Popen(
        [executable, *(arguments or told("CMD"))],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def record() -> dict[str, object]:
    model = made("binary")
    return {name: model.frame[name][0] for name in model.model.schema.names}


def test_sagemaker_runs_it_with_one_argument_and_ends_it_with_a_signal(packages: dict[Task, Path]) -> None:
    port = free_port()
    environ = {"SM_MODEL_DIR": str(packages["binary"]), "SAGEMAKER_BIND_TO_PORT": str(port)}
    with container(environ, "serve") as process:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/ping"))
        headers = {"content-type": "application/json", "accept": "text/csv"}
        reply = httpx.post(f"http://127.0.0.1:{port}/invocations", content=json.dumps(record()), headers=headers)
        assert reply.status_code == 200
        assert reply.text.partition(",")[0] in {"yes", "no"}
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert time.monotonic() - begun < 30


def test_vertex_runs_it_with_variables_only(packages: dict[Task, Path]) -> None:
    port = free_port()
    environ = {
        "AIP_HTTP_PORT": str(port),
        "AIP_HEALTH_ROUTE": "/v1/endpoints/1/deployedModels/2",
        "AIP_PREDICT_ROUTE": "/v1/endpoints/1/deployedModels/2:predict",
        "AIP_STORAGE_URI": packages["binary"].as_uri(),
        "AIP_MODE": "PREDICTION",
    }
    with container(environ) as process:
        url = f"http://127.0.0.1:{port}/v1/endpoints/1/deployedModels/2"
        eventually(lambda: answers(url))
        reply = httpx.post(f"{url}:predict", json={"instances": [record(), record()]})
        assert reply.status_code == 200
        assert len(reply.json()["predictions"]) == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_docker_alone_wants_a_key_before_it_listens_beyond_the_machine(packages: dict[Task, Path]) -> None:
    with container({}, "serve", str(packages["binary"]), "--host", "0.0.0.0", "--port", "0") as process:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 2
        assert "key" in said


def test_the_health_check_of_the_image_sees_whether_it_takes_requests(packages: dict[Task, Path]) -> None:
    port = free_port()
    environ = {"MLWRIGHT_PORT": str(port)}
    (check,) = re.findall(r"^HEALTHCHECK .*?CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    _, *words = json.loads(check)

    def checked() -> int:
        return subprocess.run([sys.executable, *words], env={**os.environ, **environ}, check=False).returncode

    assert checked() == 1
    with container(environ, "serve", str(packages["binary"])):
        eventually(lambda: takes_requests(port))
        assert checked() == 0
    assert checked() == 1


@pytest.mark.parametrize("word", ["ENTRYPOINT", "CMD"])
def test_the_image_starts_the_service_itself_and_no_shell(word: str) -> None:
    assert "sh" not in told(word)


def test_the_image_is_not_run_by_root_and_copies_files_that_exist() -> None:
    assert re.search(r"^ARG SERVICE_USER=mlwright$", DOCKERFILE, re.MULTILINE)
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["${SERVICE_USER}"]
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists(), name
        assert f"!{name.partition('/')[0].removeprefix('./')}" in allowed, name


def test_what_the_image_installs_is_pinned() -> None:
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    wanted = [line for line in (ROOT / "docker" / "serving.txt").read_text().splitlines() if not line.startswith("#")]
    assert {name.lower() for name in wanted} <= pinned
