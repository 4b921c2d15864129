"""The package as MLflow loads it: by path and by alias, for every kind of frame, without code of its own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.registry.conftest import MakeRun
from tests.support import diabetes_frame, mixed_frame, wine_frame

from mlwright.models import Model
from mlwright.registry import Registry, register_run
from mlwright.registry.packages import kept_package
from mlwright.runs import Run

pd = pytest.importorskip("pandas", reason="MLflow's pyfunc needs pandas")


@pytest.fixture(scope="module")
def pyfunc() -> Iterator[Any]:
    """`mlflow.pyfunc`; what it warns about itself is its own affair."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc

        yield mlflow.pyfunc


@pytest.fixture
def rows() -> Any:
    return mixed_frame(50, seed=3).to_pandas()


def same(answers: Any, model: Model, rows: Any) -> bool:
    expected = model.predict(rows).to_table().to_pandas()
    return list(answers.columns) == list(expected.columns) and all(
        list(answers[name]) == list(expected[name]) for name in expected.columns
    )


@pytest.mark.filterwarnings("ignore")
class TestLoadedByMlflow:
    def test_by_alias_it_answers_as_the_model_does(
        self,
        registry: Registry,
        make_run: MakeRun,
        finished: Run,
        pyfunc: Any,
        rows: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        import mlflow

        monkeypatch.chdir(registry.artifacts.parent)  # MLflow makes a database of its own in the current folder
        register_run(make_run(1), registry=registry)
        before = mlflow.get_registry_uri()
        mlflow.set_registry_uri(registry.database.url)
        try:
            loaded = pyfunc.load_model("models:/sales@champion")
        finally:
            mlflow.set_registry_uri(before)
        answers = loaded.predict(rows)
        assert same(answers, finished.model, rows)
        assert list(answers.columns) == ["prediction", "probability_no", "probability_yes"]

    def test_frames_in_any_form_are_read(self, tmp_path: Path, finished: Run, pyfunc: Any, rows: Any) -> None:
        place, _ = kept_package(finished.folder.model_path, tmp_path)
        loaded = pyfunc.load_model(str(place))
        whole = rows.assign(age=rows.age.fillna(40).round().astype("int64"), city=rows.city.astype("category"))
        assert same(loaded.predict(whole), finished.model, whole)
        few = rows.iloc[10:20]
        assert list(loaded.predict(few).index) == list(few.index)

    def test_its_example_and_its_signature_are_read(
        self, tmp_path: Path, finished: Run, pyfunc: Any, rows: Any
    ) -> None:
        place, _ = kept_package(finished.folder.model_path, tmp_path)
        loaded = pyfunc.load_model(str(place))
        example = loaded.input_example
        assert list(example.columns) == finished.model.features
        assert len(loaded.predict(example)) == len(example) == 5
        assert loaded.metadata.get_input_schema().input_names() == finished.model.features
        kinds = {one.name: one.type.name for one in loaded.metadata.get_output_schema()}
        assert kinds == {"prediction": "string", "probability_no": "double", "probability_yes": "double"}
        with pytest.raises(Exception, match=r"missing inputs \['visits'\]"):
            loaded.predict(rows.drop(columns="visits"))

    @pytest.mark.parametrize(
        ("frame", "target"), [(wine_frame(), "cultivar"), (diabetes_frame(), "progression")], ids=["classes", "numbers"]
    )
    def test_other_tasks_answer_alike(self, tmp_path: Path, pyfunc: Any, frame: pl.DataFrame, target: str) -> None:
        model = small_model(frame, target)
        model.save(tmp_path / "package")
        place, _ = kept_package(tmp_path / "package", tmp_path / "shelf")
        loaded = pyfunc.load_model(str(place))
        table = frame.drop(target).to_pandas()
        answers = loaded.predict(table)
        assert same(answers, model, table)
        assert [one.name for one in loaded.metadata.get_output_schema()] == list(answers.columns)


def small_model(frame: pl.DataFrame, target: str) -> Model:
    from mlwright.estimators import Classifier, Regressor

    kind = Classifier if frame[target].dtype == pl.String else Regressor
    return kind(budget_s=5, trials=1).fit(frame.drop(target), frame[target]).model_


def test_no_file_of_a_version_is_code_or_a_pickle(tmp_path: Path, finished: Run) -> None:
    place, _ = kept_package(finished.folder.model_path, tmp_path)
    kinds = {path.suffix for path in place.rglob("*") if path.is_file()}
    assert not kinds & {".py", ".pkl", ".pickle", ".joblib", ".so"}
    again, restored = kept_package(finished.folder.model_path, tmp_path)
    assert (again, restored) == (place, False)
    (place / "package" / "golden.arrow").unlink()
    assert kept_package(finished.folder.model_path, tmp_path) == (place, True)
