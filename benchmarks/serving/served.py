"""What the servers of a comparison are made of: the table, our package, and for each peer its model, its command and its requests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from benchmarks.record import model_of
from benchmarks.serving.load import Question
from benchmarks.serving.peers.pipeline import LEARNING_RATE, LEAVES, ROUNDS
from benchmarks.serving.servers import ROOT, Server, free_port

from mlwright.data import read
from mlwright.spec import Spec

OURS, LOGGED = "mlwright", "mlwright, log on"
ASKED = 200


def _run(python: str, module: str, folder: Path) -> None:
    """A script that a peer's own interpreter runs before its server."""
    subprocess.run([python, "-m", module, str(folder)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def lines(path: Path, bodies: list[Any]) -> Path:
    path.write_bytes(b"".join(msgspec.json.encode(body) + b"\n" for body in bodies))
    return path


def ours(folder: Path, frame: pl.DataFrame) -> list[Server]:
    """mlwright's service, without and with the prediction log."""
    model_of(read(Spec.of({"data": {"source": "-", "target": "y"}}), frame), ("lightgbm",)).save(folder / "package")
    bodies = lines(folder / "records.jsonl", frame.drop("y")[:ASKED].to_dicts())
    questions = {
        "empty": Question("GET", "/healthz"),
        "empty, same body": Question("GET", "/healthz", bodies),
        "score": Question("POST", "/predict", bodies),
    }
    command = [sys.executable, "-m", "mlwright", "serve", str(folder / "package"), "--port", "{port}", "--workers", "1"]
    return [
        Server(name=OURS, command=command, questions=questions),
        Server(name=LOGGED, command=[*command, "--log", str(folder / "log")], questions=questions),
    ]


def fastapi(folder: Path, python: str, frame: pl.DataFrame) -> Server:  # noqa: ARG001 - peers are asked alike
    _run(python, "benchmarks.serving.peers.pipeline", folder)
    app = "benchmarks.serving.peers.fastapi_app:app"
    command = [python, "-m", "uvicorn", app, "--port", "{port}", "--log-level", "error", "--no-access-log"]
    question = Question("POST", "/score", folder / "records.jsonl")
    return Server(name="fastapi", command=command, questions={"score": question})


def mlflow(folder: Path, python: str, frame: pl.DataFrame) -> Server:
    _run(python, "benchmarks.serving.peers.mlflow_model", folder)
    records = frame.drop("y")[:ASKED].to_dicts()
    bodies = lines(folder / "mlflow.jsonl", [{"dataframe_records": [record]} for record in records])
    command = [python, "-m", "mlflow", "models", "serve", "-m", str(folder / "mlflow_model"), "--env-manager", "local"]
    return Server(
        name="mlflow",
        command=[*command, "-p", "{port}", "-w", "1"],
        questions={"score": Question("POST", "/invocations", bodies)},
    )


def bentoml(folder: Path, python: str, frame: pl.DataFrame) -> Server:
    if not (folder / "pipeline.pkl").exists():
        _run(python, "benchmarks.serving.peers.pipeline", folder)
    bodies = lines(folder / "bentoml.jsonl", [{"record": record} for record in frame.drop("y")[:ASKED].to_dicts()])
    command = [python, "-m", "bentoml", "serve", "benchmarks.serving.peers.bentoml_service:Scoring", "--port", "{port}"]
    return Server(name="bentoml", command=command, questions={"score": Question("POST", "/score", bodies)})


def mlserver(folder: Path, python: str, frame: pl.DataFrame) -> Server:
    """Its model sees numbers only, so each category is a code."""
    import lightgbm

    features = frame.drop("y").with_columns(pl.col("^k.$").cast(pl.Categorical).to_physical().cast(pl.Float64))
    parameters = {"objective": "binary", "num_leaves": LEAVES, "learning_rate": LEARNING_RATE, "verbosity": -1}
    trained = lightgbm.Dataset(features.to_numpy(), (frame["y"] == "yes").to_numpy())
    home = folder / "mlserver"
    home.mkdir()
    lightgbm.train(parameters, trained, num_boost_round=ROUNDS).save_model(home / "model.txt")
    model = {"name": "model", "implementation": "mlserver_lightgbm.LightGBMModel"}
    home.joinpath("model-settings.json").write_text(
        json.dumps({**model, "parameters": {"uri": str(home / "model.txt")}})
    )
    inputs = {"name": "x", "shape": [1, features.width], "datatype": "FP64"}
    # JSON has no NaN, so those that are missing are asked as 0.
    rows = features[:ASKED].fill_null(0.0).rows()
    bodies = lines(folder / "mlserver.jsonl", [{"inputs": [{**inputs, "data": row}]} for row in rows])
    return Server(
        name="mlserver",
        command=[python, "-c", "from mlserver.cli import main; main()", "start", str(home)],
        questions={"score": Question("POST", "/v2/models/model/infer", bodies)},
        prepare=partial(_mlserver_settings, home),
    )


def _mlserver_settings(home: Path, port: int) -> None:
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    home.joinpath("settings.json").write_text(json.dumps({**ports, "host": "127.0.0.1", "parallel_workers": 0}))


PEERS: dict[str, Callable[[Path, str, pl.DataFrame], Server]] = {
    "fastapi": fastapi,
    "mlflow": mlflow,
    "mlserver": mlserver,
    "bentoml": bentoml,
}
