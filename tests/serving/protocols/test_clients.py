"""The platforms' own clients against a real server; without them these tests say why they are skipped."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.serving.protocols.conftest import Running

from mlwright._version import __version__

pytestmark = [
    pytest.mark.platforms,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


# --------------------------------------------------------------------------------------------------------------- Triton


@pytest.fixture(scope="module")
def triton() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own libraries
        module: ModuleType = pytest.importorskip("tritonclient.http", reason="needs tritonclient and geventhttpclient")
    return module


@pytest.fixture
def client(triton: ModuleType, binary: Running) -> Iterator[Any]:
    with triton.InferenceServerClient(binary.address) as one:
        yield one


def inputs_of(
    triton: ModuleType, records: list[dict[str, Any]], metadata: dict[str, Any], *, as_bytes: bool
) -> list[Any]:
    """The columns as the metadata of the model says; missing values as NaN or an empty text."""
    kinds = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}
    made = []
    for tensor in metadata["inputs"]:
        values = [record[tensor["name"]] for record in records]
        if tensor["datatype"] == "BYTES":
            values = ["" if value is None else value for value in values]
        array: np.ndarray[Any, Any] = np.array(values, dtype=kinds[tensor["datatype"]])
        one = triton.InferInput(tensor["name"], list(array.shape), tensor["datatype"])
        one.set_data_from_numpy(array, binary_data=as_bytes)
        made.append(one)
    return made


def rows_of(result: Any, names: list[str]) -> list[dict[str, Any]]:
    columns = [result.as_numpy(name) for name in names]
    return [
        {name: value.decode() if isinstance(value, bytes) else value for name, value in zip(names, row, strict=True)}
        for row in zip(*(column.tolist() for column in columns), strict=True)
    ]


def test_triton_finds_the_server_and_the_model_ready(client: Any, binary: Running) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("binary")
    assert client.is_model_ready("binary", binary.scorer.version)
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "mlwright"


@pytest.mark.parametrize("as_bytes", [True, False], ids=["bytes in", "JSON in"])
@pytest.mark.parametrize("all_as_bytes", [True, False], ids=["bytes out", "JSON out"])
def test_triton_is_answered_as_the_scorer_answers(
    triton: ModuleType, client: Any, binary: Running, as_bytes: bool, all_as_bytes: bool
) -> None:
    metadata = client.get_model_metadata("binary")
    names = [tensor["name"] for tensor in metadata["outputs"]]
    inputs = inputs_of(triton, binary.records, metadata, as_bytes=as_bytes)
    outputs = None if all_as_bytes else [triton.InferRequestedOutput(name, binary_data=False) for name in names]
    result = client.infer("binary", inputs, outputs=outputs, request_id="42")
    assert result.get_response()["id"] == "42"
    assert result.get_response()["model_version"] == binary.scorer.version
    assert rows_of(result, names) == binary.expected(binary.records)


def test_triton_may_send_one_matrix(triton: ModuleType, regression: Running) -> None:
    matrix = np.array([list(record.values()) for record in regression.records])
    tensor = triton.InferInput("input", list(matrix.shape), "FP64")
    tensor.set_data_from_numpy(matrix)
    with triton.InferenceServerClient(regression.address) as client:
        result = client.infer("regression", [tensor], model_version=regression.scorer.version)
    names = ["prediction", "interval_low", "interval_high"]
    assert rows_of(result, names) == regression.expected(regression.records)


def test_triton_understands_what_is_wrong(triton: ModuleType, client: Any) -> None:
    from tritonclient.utils import InferenceServerException

    tensor = triton.InferInput("shoe size", [1], "FP64")
    tensor.set_data_from_numpy(np.array([41.0]))
    with pytest.raises(InferenceServerException, match="name of a column") as error:
        client.infer("binary", [tensor])
    assert error.value.status() == "400"
    with pytest.raises(InferenceServerException, match="no model of this name") as error:
        client.get_model_metadata("other")
    assert error.value.status() == "404"


# --------------------------------------------------------------------------------------------------------------- MLflow


@pytest.fixture
def scoring(binary: Running) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own libraries
        module = pytest.importorskip("mlflow.pyfunc.scoring_server.client", reason="needs mlflow-skinny and pandas")
    return module.ScoringServerClient(binary.host, binary.port)


def same(frame: Any, expected: list[dict[str, Any]]) -> bool:
    return bool(frame[list(expected[0])].to_dict(orient="records") == expected)


def test_mlflow_finds_the_server_ready_and_its_version(scoring: Any) -> None:
    scoring.wait_server_ready(timeout=5)
    assert scoring.get_version() == __version__


def test_mlflow_is_answered_a_frame_of_predictions(scoring: Any, binary: Running) -> None:
    import pandas as pd

    frame = pd.DataFrame(binary.records)
    assert frame["age"].isna().any(), "missing values are a part of it"
    response = scoring.invoke(frame)
    assert same(response.get_predictions(), binary.expected(binary.records))


def test_mlflow_may_send_an_array_and_parameters(scoring: Any, binary: Running) -> None:
    values = np.array([list(record.values()) for record in binary.records if None not in record.values()], dtype=object)
    records = [dict(zip(binary.columns, row, strict=True)) for row in values]
    response = scoring.invoke(values, params={"reasons": 1})
    predictions = response.get_predictions()
    # With reasons, records are answered one by one: the last digit may differ from that of many at once.
    expected = [row["probability_yes"] for row in binary.expected(records)]
    assert predictions["probability_yes"].tolist() == pytest.approx(expected, abs=1e-12)
    assert all(len(reasons) == 1 for reasons in predictions["reasons"])


def test_mlflow_is_told_what_is_wrong(scoring: Any) -> None:
    import pandas as pd

    with pytest.raises(Exception, match=r"error code 400.*BAD_REQUEST.*no column of the model"):
        scoring.invoke(pd.DataFrame({"shoe size": [41]}))
