"""A run's model becomes a version: once, with its lineage, and never half."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.registry.conftest import MakeRun, answers_alike, registry_of

from mlwright.models import Scorer
from mlwright.registry import (
    ArtifactsDamaged,
    NameTaken,
    Registry,
    RegistryNotFound,
    RegistryTooNew,
    RegistryUnreachable,
    RegistryUrlUnfit,
    VersionsForgotten,
    VersionUnknown,
    promote,
    register_run,
    verify_audit,
)
from mlwright.runs import Run, RunUnfit


class TestRegistering:
    def test_the_first_version_that_meets_every_must_becomes_champion(
        self, registry: Registry, make_run: MakeRun
    ) -> None:
        version = register_run(make_run(1), registry=registry, who="ann")
        assert (version.number, version.aliases, version.status) == (1, ("champion",), "candidate")
        assert [(one.action, one.who, one.outcome) for one in registry.audit()] == [
            ("register", "ann", "done"),
            ("promote", "ann", "done"),
        ]

    def test_the_second_one_does_not(self, registry: Registry, make_run: MakeRun) -> None:
        register_run(make_run(1), registry=registry)
        second = register_run(make_run(2), registry=registry)
        assert (second.number, second.aliases, second.lineage.parent) == (2, (), 1)

    @pytest.mark.parametrize(("outcome", "status"), [("not met", "refused"), ("undecided", "candidate")])
    def test_without_every_must_nobody_becomes_champion(
        self, registry: Registry, make_run: MakeRun, outcome: str, status: str
    ) -> None:
        version = register_run(make_run(1, outcome), registry=registry)
        assert (version.status, version.aliases) == (status, ())
        assert version.undecided == (("R1",) if outcome == "undecided" else ())
        assert ("R1 is not met" in version.reason) == (outcome == "not met")

    def test_a_spec_may_leave_the_first_champion_to_a_person(self, registry: Registry, make_run: MakeRun) -> None:
        run = make_run(1)
        with (run.path / "mlwright.yaml").open("a") as spec:
            spec.write("\nregistry: {first: person}\n")
        assert register_run(run, registry=registry).aliases == ()

    def test_the_same_run_and_the_same_package_are_registered_once(self, registry: Registry, make_run: MakeRun) -> None:
        first = register_run(make_run(1), registry=registry)
        again = make_run(1)
        other = again.path.with_name("20261122-080000-ffff")
        shutil.copytree(again.path, other)
        assert register_run(again, registry=registry) == register_run(type(again)(other), registry=registry) == first
        assert len(registry.audit()) == 2

    def test_its_lineage_is_kept(self, registry: Registry, make_run: MakeRun, finished: Run) -> None:
        run = make_run(1)
        lineage = register_run(run, registry=registry, parent=None, decision="D7").lineage
        assert (lineage.run, lineage.decision, lineage.data) == (run.path.name, "D7", finished.dataset.fingerprint)
        assert lineage.code.startswith("mlwright ")
        assert len(lineage.spec) == 64

    def test_its_package_answers_as_the_run_s_model(self, registry: Registry, make_run: MakeRun, finished: Run) -> None:
        version = register_run(make_run(1), registry=registry)
        assert answers_alike(version.package, finished.model)
        assert Scorer.load(version.package).version == version.package_version

    def test_a_run_without_an_evaluation_is_no_version(self, registry: Registry, make_run: MakeRun) -> None:
        run = make_run(1)
        (run.path / "evaluation.json").unlink()
        with pytest.raises(RunUnfit, match="not judged on the test rows"):
            register_run(run, registry=registry)
        assert registry.versions() == []

    def test_a_version_is_found_by_number_alias_run_digits_and_latest(
        self, registry: Registry, make_run: MakeRun
    ) -> None:
        first = register_run(make_run(1), registry=registry)
        second = register_run(make_run(2), registry=registry)
        for which in (1, "1", "champion", first.lineage.run, first.package_version):
            assert registry.version(which) == first
        assert registry.version("latest") == second
        with pytest.raises(VersionUnknown, match="no version '7'"):
            registry.version(7)


class TestMlflowSeesIt:
    def test_params_and_metrics_are_on_its_pages(self, registry: Registry, make_run: MakeRun) -> None:
        from mlflow import MlflowClient

        run = make_run(1)
        register_run(run, registry=registry)
        client = MlflowClient(registry.database.url, registry.database.url)
        version = client.get_model_version_by_alias("sales", "champion")
        assert version.run_id is not None
        shown = client.get_run(version.run_id)
        score = run.evidence()["test.roc_auc"]
        assert shown.data.metrics["test.roc_auc"] == pytest.approx(score.value)
        assert score.interval is not None
        assert shown.data.metrics["test.roc_auc.low"] == pytest.approx(score.interval.low)
        assert shown.data.params["target"] == "bought"
        assert version.tags["mlwright.run"] == shown.info.run_name == run.path.name

    def test_what_is_moved_in_mlflow_without_an_entry_is_found(self, registry: Registry, make_run: MakeRun) -> None:
        from mlflow import MlflowClient

        register_run(make_run(1), registry=registry)
        register_run(make_run(2), registry=registry)
        assert verify_audit(registry).holds
        client = MlflowClient(registry.database.url, registry.database.url)
        client.set_registered_model_alias("sales", "champion", "2")
        client.set_model_version_tag("sales", "1", "mlwright.status", "refused")
        assert verify_audit(registry).problems == (
            "champion is version 2, and by the audit log version 1",
            "version 1 was candidate and is refused",
        )


class TestWhatCanBeWrong:
    def test_there_is_no_registry_yet(self, project: Path) -> None:
        with pytest.raises(RegistryNotFound, match="no registry yet"):
            registry_of(project).versions()
        assert not (project / "mlwright.db").exists()

    def test_a_database_that_was_lost_is_not_begun_again(self, registry: Registry, make_run: MakeRun) -> None:
        register_run(make_run(1), registry=registry)
        for path in registry.shelf.parents[1].glob("mlwright.db*"):
            path.unlink()
        for act in (lambda: register_run(make_run(2), registry=registry), registry.versions):
            with pytest.raises(VersionsForgotten, match="the database that says so is gone"):
                act()

    def test_a_file_that_is_no_database(self, project: Path) -> None:
        (project / "mlwright.db").write_bytes(b"not a database" * 100)
        with pytest.raises(RegistryUnreachable, match="not a database"):
            registry_of(project).versions()

    @pytest.mark.parametrize(
        "change",
        ["UPDATE mlwright_registry SET format_version = 99", "UPDATE alembic_version SET version_num = 'ffffffffffff'"],
    )
    def test_a_database_of_a_later_version(self, registry: Registry, change: str) -> None:
        path = registry.database.path
        assert path is not None
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(change)
            connection.commit()
        with pytest.raises(RegistryTooNew, match=r"format 99|ffffffffffff"):
            registry_of(path.parent).versions()

    def test_a_package_that_was_changed_is_not_promoted_and_can_be_brought_back(
        self, registry: Registry, make_run: MakeRun
    ) -> None:
        register_run(make_run(1), registry=registry)
        second = register_run(make_run(2), registry=registry)
        (second.package / "model.json").write_text("{}")
        with pytest.raises(ArtifactsDamaged, match=r"model\.json was changed"):
            promote(registry, 2)
        assert verify_audit(registry).problems == (
            "the package of version 2 is damaged: the file model.json was changed",
        )
        assert register_run(make_run(2), registry=registry) == second
        assert verify_audit(registry).holds
        assert registry.audit()[-1].action == "restore package"

    def test_two_projects_with_one_name(self, registry: Registry, make_run: MakeRun, tmp_path: Path) -> None:
        register_run(make_run(1), registry=registry)
        other = Registry(registry.database.url, "mlartifacts", "sales", folder=tmp_path / "elsewhere")
        with pytest.raises(NameTaken, match="none of their packages is here"):
            register_run(make_run(2), registry=other)
        assert len(registry.versions()) == 1

    def test_a_model_of_that_name_which_somebody_else_registered(self, registry: Registry, make_run: MakeRun) -> None:
        from mlflow import MlflowClient

        client = MlflowClient(registry.database.url, registry.database.url)
        client.create_registered_model("sales")
        client.create_model_version("sales", source="file:///elsewhere")
        with pytest.raises(NameTaken, match="mlwright did not register"):
            register_run(make_run(1), registry=registry)

    @pytest.mark.parametrize(
        ("url", "what"),
        [
            ("mysql://host/db", "of the kind 'mysql'"),
            ("mlwright.db", "not the URL of a database"),
            ("sqlite://", "needs a file"),
            ("postgresql://ann:${NO_SUCH_SECRET}@host/db", "NO_SUCH_SECRET is not set"),
        ],
    )
    def test_a_url_that_cannot_be_meant(self, tmp_path: Path, url: str, what: str) -> None:
        with pytest.raises(RegistryUrlUnfit, match=what):
            Registry(url, "mlartifacts", "sales", folder=tmp_path)

    def test_a_server_that_does_not_answer_is_said_at_once_and_without_the_password(self, tmp_path: Path) -> None:
        pytest.importorskip("psycopg", reason="needs pip install 'mlwright[postgres]'")
        registry = Registry("postgresql://ann:topsecret@127.0.0.1:1/db", "a", "sales", folder=tmp_path)
        with pytest.raises(RegistryUnreachable) as caught:
            registry.versions()
        assert "topsecret" not in str(caught.value)


def test_names_that_mlflow_does_not_take_are_changed(make_run: MakeRun, project: Path, empty_database: Path) -> None:
    shutil.copy(empty_database, project / "mlwright.db")
    registry = Registry("sqlite:///mlwright.db", "mlartifacts", 'Größe: Q3/Q4 "neu" 100% o\'clock', folder=project)
    version = register_run(make_run(1), registry=registry)
    assert version.model == "Größe- Q3-Q4 -neu- 100- o-clock"
    assert version.folder.parent == registry.shelf
    assert json.loads((registry.shelf / "champion.json").read_text())["model"] == version.model
