from __future__ import annotations

from pathlib import Path

import pytest

from mlwright.models import Scorer
from mlwright.serving.platforms import PackageNotFetched, PortUnfit, fetched, placement
from mlwright.spec import Task

NOWHERE = Path("/nowhere")
VERTEX = {"AIP_PREDICT_ROUTE": "/predict", "AIP_HEALTH_ROUTE": "/health", "AIP_HTTP_PORT": "8181"}


def test_without_a_platform_the_service_is_on_this_machine_only() -> None:
    place = placement({}, sagemaker_folder=NOWHERE)
    assert (place.model, place.host, place.port, place.anybody) == ("latest", "127.0.0.1", 8000, False)
    assert placement({"MLWRIGHT_PORT": "8123"}, sagemaker_folder=NOWHERE).port == 8123


def test_variables_of_one_platform_do_not_count_elsewhere() -> None:
    stray = {"AIP_HTTP_PORT": "1", "AIP_STORAGE_URI": "gs://other", "SAGEMAKER_BIND_TO_PORT": "2", "SM_HOSTS": "x"}
    place = placement(stray, sagemaker_folder=NOWHERE)
    assert (place.model, place.host, place.port, place.anybody) == ("latest", "127.0.0.1", 8000, False)
    assert placement({"MLWRIGHT_PORT": "1", **VERTEX}).port == 8181


def test_vertex_says_the_port_and_the_model() -> None:
    place = placement({**VERTEX, "AIP_STORAGE_URI": "gs://bucket/model"})
    assert (place.model, place.host, place.port, place.anybody) == ("gs://bucket/model", "0.0.0.0", 8181, True)
    assert placement({**VERTEX, "AIP_STORAGE_URI": ""}, model="/model").model == "/model"


def test_sagemaker_is_where_its_folder_is(tmp_path: Path) -> None:
    place = placement({}, sagemaker_folder=tmp_path)
    assert (place.model, place.host, place.port, place.anybody) == (str(tmp_path), "0.0.0.0", 8080, True)
    assert placement({"SAGEMAKER_BIND_TO_PORT": "9001"}, sagemaker_folder=tmp_path).port == 9001
    assert placement({"SM_MODEL_DIR": "/elsewhere"}, sagemaker_folder=NOWHERE).model == "/elsewhere"


def test_a_model_that_is_named_does_not_make_a_machine_sagemaker(tmp_path: Path) -> None:
    place = placement({}, model="latest", sagemaker_folder=tmp_path)
    assert (place.host, place.anybody) == ("127.0.0.1", False)


@pytest.mark.parametrize("environ", [{}, VERTEX])
def test_what_is_given_counts_more_than_what_a_platform_says(environ: dict[str, str]) -> None:
    place = placement(environ, model="mine", host="127.0.0.2", port=0, sagemaker_folder=NOWHERE)
    assert (place.model, place.host, place.port) == ("mine", "127.0.0.2", 0)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "８０"])
def test_a_port_that_is_none_is_refused_by_the_name_of_its_variable(port: str) -> None:
    with pytest.raises(PortUnfit, match="AIP_HTTP_PORT"):
        placement({**VERTEX, "AIP_HTTP_PORT": port})


def test_a_package_behind_a_url_is_brought_here_and_gone_at_the_end(packages: dict[Task, Path]) -> None:
    with fetched(packages["binary"].as_uri() + "/") as folder:
        here = Path(folder)
        assert here != packages["binary"]
        assert Scorer.load(here).version == Scorer.load(packages["binary"]).version
    assert not here.exists()


def test_a_folder_is_taken_as_it_is() -> None:
    with fetched("runs/today/model") as folder:
        assert folder == "runs/today/model"


@pytest.mark.parametrize("uri", ["file:///nowhere/model", "nothing://bucket/model", "file:///etc/passwd"])
def test_a_package_that_cannot_be_read_is_an_error_that_names_the_place(uri: str) -> None:
    with pytest.raises(PackageNotFetched) as error, fetched(uri):
        pass
    assert error.value.where == uri


def test_the_error_has_no_key_that_the_url_has() -> None:
    uri = "s3://ann:secret@bucket/model?endpoint_override=127.0.0.1:1&scheme=http&connect_timeout=1"
    with pytest.raises(PackageNotFetched) as error, fetched(uri):
        pass
    assert error.value.where == "s3://bucket/model"
    assert "secret" not in str(error.value)
