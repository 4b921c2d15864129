"""The registry in a PostgreSQL database that several machines share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError
from tests.data.test_sources import Postgres, postgres  # noqa: F401
from tests.registry.conftest import copied_run

from mlwright.registry import (
    Approval,
    PromotionRefused,
    Registry,
    RegistryBusy,
    RegistryNotFound,
    RegistryUnreachable,
    followed,
    promote,
    register_run,
    rollback,
    verify_audit,
)
from mlwright.registry.audit import read_audit
from mlwright.registry.database import AUDIT
from mlwright.runs import Run

pytestmark = pytest.mark.postgres
ANN = Approval(by="ann", reason="looked at 50 rows by hand")


@pytest.fixture
def shared(postgres: Postgres, tmp_path: Path, finished: Run) -> Iterator[Registry]:  # noqa: F811
    """Empty, before and after."""
    pytest.importorskip("psycopg", reason="needs pip install 'mlwright[postgres]'")
    shutil.copy(finished.folder.path / "mlwright.yaml", tmp_path / "mlwright.yaml")
    registry = Registry(postgres.url(), "mlartifacts", "sales", folder=tmp_path)
    yield registry
    with registry.database.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))


def opened_again(registry: Registry) -> Registry:
    return Registry(
        registry.database.url.replace("+psycopg", ""), "mlartifacts", "sales", folder=registry.artifacts.parent
    )


def test_a_version_s_whole_life(shared: Registry, tmp_path: Path, finished: Run) -> None:
    with pytest.raises(RegistryNotFound):
        shared.versions()
    first = register_run(copied_run(finished, tmp_path, 1, "met"), registry=shared, who="ann")
    assert register_run(copied_run(finished, tmp_path, 1, "met"), registry=shared, who="ann") == first
    register_run(copied_run(finished, tmp_path, 2, "met"), registry=shared, who="ann")
    with pytest.raises(PromotionRefused):
        promote(shared, 2, who="bob")
    promote(shared, 2, approval=ANN)
    assert rollback(opened_again(shared), who="bob").champion == 1
    assert [(one.action, one.outcome) for one in shared.audit()] == [
        ("register", "done"),
        ("promote", "done"),
        ("register", "done"),
        ("promote", "refused"),
        ("approve", "done"),
        ("promote", "done"),
        ("rollback", "done"),
    ]
    assert verify_audit(shared).holds
    assert followed(shared.shelf / "champion.json") == first.package


def test_people_who_act_at_once_come_one_after_the_other(shared: Registry, tmp_path: Path, finished: Run) -> None:
    runs = [copied_run(finished, tmp_path, number, "met") for number in range(1, 5)]
    register_run(runs[0], registry=shared)  # makes the tables
    others = [opened_again(shared) for _ in runs]
    with ThreadPoolExecutor(4) as people:
        versions = list(people.map(lambda run, other: register_run(run, registry=other), runs, others))
    assert sorted(one.number for one in versions) == [1, 2, 3, 4]
    promote(shared, 2, approval=ANN)
    with ThreadPoolExecutor(4) as people:
        moves = list(people.map(lambda other: rollback(other, away_from=2), others))
    assert sum(one.changed for one in moves) == 1
    assert verify_audit(shared).holds


def test_two_who_begin_at_once_make_the_tables_once(shared: Registry) -> None:
    with ThreadPoolExecutor(2) as people:
        list(people.map(lambda other: other.make(), [shared, opened_again(shared)]))
    assert shared.versions() == []
    assert verify_audit(shared).entries == 0


@pytest.mark.parametrize("change", [update(AUDIT).values(who="eve"), delete(AUDIT), text("TRUNCATE audit")])
def test_the_database_itself_refuses_to_change_an_entry(
    shared: Registry, tmp_path: Path, finished: Run, change: object
) -> None:
    register_run(copied_run(finished, tmp_path, 1, "met"), registry=shared)
    with shared.database.engine.connect() as connection:
        with pytest.raises(DBAPIError, match="append-only"):
            connection.execute(change)  # type: ignore[call-overload]
        connection.rollback()
        connection.execute(text("DROP TRIGGER audit_no_change_of_rows ON audit"))
        connection.execute(update(AUDIT).values(who="eve"))
        connection.commit()
    assert not verify_audit(shared).holds


def test_whoever_holds_the_registry_too_long_is_not_waited_for_forever(
    shared: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.make()
    monkeypatch.setattr("mlwright.registry.database._PATIENCE_S", 0.2)
    other = opened_again(shared)
    with shared.changing(), pytest.raises(RegistryBusy, match="somebody else"), other.changing():
        pass


def test_a_wrong_password_is_an_error_that_does_not_show_it(postgres: Postgres, tmp_path: Path) -> None:  # noqa: F811
    registry = Registry(postgres.url("topsecret"), "mlartifacts", "sales", folder=tmp_path)
    with pytest.raises(RegistryUnreachable) as caught:
        registry.versions()
    assert "topsecret" not in str(caught.value)
    with pytest.raises(RegistryUnreachable):
        read_of(registry)


def read_of(registry: Registry) -> object:
    with registry.database.reading() as connection:
        return read_audit(connection)
