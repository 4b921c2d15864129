"""MLflow's own stores, made to work inside a transaction of ours. The only module that imports MLflow.

MLflow opens a session and commits it for each of its calls. Here its sessions join the connection that we have begun: what it
writes (versions, aliases, runs) and our entry in the audit log are kept together or not at all.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, inspect
from sqlalchemy.orm import Session

# Before MLflow is imported: a library that reports its use to somebody has no place in a library that does not ask.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

with warnings.catch_warnings():
    # MLflow uses things of SQLAlchemy that are on their way out; that is between the two of them.
    warnings.simplefilter("ignore", DeprecationWarning)
    from mlflow.entities import Metric, Param, RunStatus, RunTag
    from mlflow.entities.model_registry import ModelVersionTag
    from mlflow.exceptions import MlflowException
    from mlflow.store.db.utils import _get_latest_schema_revision, _get_schema_version
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as VersionStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as RunStore

from mlwright.registry.database import Database, RegistryTooNew
from mlwright.registry.records import RunRecord, VersionRecord

#: What MLflow takes at once.
_PARAMS, _METRICS = 100, 1000
_LONGEST_KEY, _LONGEST_PARAM = 250, 6000


class MlflowStores:
    """Versions, aliases and runs.

    Raises
    ------
    RegistryTooNew
        If MLflow's tables are of another version than the MLflow that is installed.
    """

    def __init__(self, database: Database, artifacts: Path) -> None:
        _check_schema(database)
        # Both would otherwise open engines of their own, and try for minutes where the database is gone.
        with database.plain_errors():
            self._versions: Any = _on(VersionStore, database.engine)(database.url)
            self._runs: Any = _on(RunStore, database.engine)(database.url, artifacts.as_uri())

    @contextmanager
    def within(self, connection: Connection) -> Iterator[None]:
        """Everything that is called meanwhile belongs to the transaction of this connection."""

        @contextmanager
        def joined(read_only: bool = True) -> Iterator[Session]:  # noqa: ARG001 - MLflow gives it
            with Session(connection, join_transaction_mode="create_savepoint") as session:
                yield session
                session.commit()  # of a savepoint; after an error it is rolled back when it closes

        before = self._versions.ManagedSessionMaker, self._runs.ManagedSessionMaker
        self._versions.ManagedSessionMaker = self._runs.ManagedSessionMaker = joined
        try:
            yield
        finally:
            self._versions.ManagedSessionMaker, self._runs.ManagedSessionMaker = before

    # ------------------------------------------------------------------------------------------------------- versions

    def versions(self, name: str) -> list[VersionRecord]:
        """All versions of a model, the first one first; none if nobody knows the model."""
        found = self._versions.search_model_versions(f"name = '{name}'", max_results=10_000)
        records = [
            VersionRecord(
                number=int(one.version),
                created=datetime.fromtimestamp(one.creation_timestamp / 1000, tz=UTC),
                source=one.source,
                mlflow_run=one.run_id,
                tags=dict(one.tags),
            )
            for one in found
        ]
        return sorted(records, key=lambda one: one.number)

    def aliases(self, name: str) -> dict[str, int]:
        """Which version each alias names."""
        known = self._model(name)
        return {} if known is None else {alias: int(number) for alias, number in known.aliases.items()}

    def add_model(self, name: str) -> None:
        """A model of this name, if there is none."""
        if self._model(name) is None:
            self._versions.create_registered_model(name)

    def add_version(
        self, name: str, *, source: Path, mlflow_run: str, tags: Mapping[str, str], description: str
    ) -> int:
        """A new version; returns its number."""
        given = [_tag(key, value) for key, value in tags.items()]
        made = self._versions.create_model_version(name, source.as_uri(), mlflow_run, given, description=description)
        return int(made.version)

    def tag(self, name: str, number: int, key: str, value: str) -> None:
        """Say something of a version; it takes the place of what was said before."""
        self._versions.set_model_version_tag(name, number, _tag(key, value))

    def point(self, name: str, alias: str, number: int | None) -> None:
        """Let an alias name a version, or none."""
        if number is None:
            self._versions.delete_registered_model_alias(name, alias)
        else:
            self._versions.set_registered_model_alias(name, alias, number)

    def _model(self, name: str) -> Any:
        try:
            return self._versions.get_registered_model(name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    # ----------------------------------------------------------------------------------------------------------- runs

    def add_run(self, experiment: str, artifacts: Path, run: RunRecord, *, user: str) -> str:
        """A finished run with its parameters and metrics; returns its id in MLflow."""
        known = self._runs.get_experiment_by_name(experiment)
        place = known.experiment_id if known else self._runs.create_experiment(experiment, artifacts.as_uri())
        began = round(run.began.timestamp() * 1000)
        tags = [RunTag(key, value) for key, value in run.tags.items()]
        made: str = self._runs.create_run(place, user, began, tags, run.name).info.run_id
        params = [Param(_key(key), value[:_LONGEST_PARAM]) for key, value in run.params.items()]
        metrics = [Metric(_key(key), value, began, 0) for key, value in run.metrics.items()]
        for start in range(0, len(params), _PARAMS):
            self._runs.log_batch(made, [], params[start : start + _PARAMS], [])
        for start in range(0, len(metrics), _METRICS):
            self._runs.log_batch(made, metrics[start : start + _METRICS], [], [])
        self._runs.update_run_info(made, RunStatus.FINISHED, began, None)
        return made


def _on(store: type[Any], engine: Engine) -> type[Any]:
    """A store of MLflow on an engine of ours."""
    return type(store.__name__, (store,), {"_get_or_create_engine": classmethod(lambda cls, url: engine)})  # noqa: ARG005


def _tag(key: str, value: str) -> ModelVersionTag:
    return ModelVersionTag(key, value)  # type: ignore[no-untyped-call]


def make_tables(database: Database, artifacts: Path, connection: Connection) -> None:
    """MLflow's tables and its first rows, in a transaction of ours where the database can do that.

    On SQLite MLflow's migrations are not one transaction, so they run on a file aside, whose tables and rows are then
    copied: whoever is killed meanwhile leaves nothing half-made.
    """
    if inspect(connection).has_table("alembic_version") and inspect(connection).has_table("registered_models"):
        return
    with _quietly():
        if connection.dialect.name != "sqlite":
            _on(RunStore, database.engine)(database.url, artifacts.as_uri())
            return
        with tempfile.TemporaryDirectory(prefix="mlwright-") as folder:
            aside = Path(folder) / "mlflow.db"
            engine = create_engine(f"sqlite:///{aside}", poolclass=NullPool)
            event.listen(engine, "connect", _without_waiting)
            _on(RunStore, engine)(f"sqlite:///{aside}", artifacts.as_uri())
            _copy(aside, connection)


def _without_waiting(connection: Any, _: object) -> None:
    """MLflow's migrations commit seventy times; a file that is thrown away need not be on the disk each time."""
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA journal_mode=MEMORY")


def _copy(aside: Path, connection: Connection) -> None:
    source = sqlite3.connect(aside)
    try:
        listed = source.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        for kind in ("table", "index", "trigger", "view"):
            for _, _, statement in (entry for entry in listed if entry[0] == kind and entry[2]):
                connection.exec_driver_sql(statement)
        for _, name, _ in (entry for entry in listed if entry[0] == "table"):
            for row in source.execute(f'SELECT * FROM "{name}"').fetchall():  # noqa: S608 - a name from the schema
                marks = ", ".join("?" for _ in row)
                connection.exec_driver_sql(f'INSERT INTO "{name}" VALUES ({marks})', row)  # noqa: S608 - see above
    finally:
        source.close()


def _check_schema(database: Database) -> None:
    with database.plain_errors():
        found = _get_schema_version(database.engine)  # type: ignore[no-untyped-call]
    wanted = _get_latest_schema_revision()  # type: ignore[no-untyped-call]
    if found == wanted:
        return
    raise RegistryTooNew(
        f"MLflow's tables are of version {found}, and the MLflow that is installed here needs {wanted}",
        where=database.shown,
        fix="install the MLflow that wrote them; or copy the database and then run: mlflow db upgrade URL",
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """Without a line on stderr for every table."""
    loggers = [logging.getLogger(name) for name in ("mlflow.store.db.utils", "alembic")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)


def _key(name: str) -> str:
    """A name that MLflow takes: letters, digits and `_ - . / : space`."""
    kept = "".join(one if one.isalnum() or one in "_-. /" else "_" for one in name)
    return kept.strip("/. ")[:_LONGEST_KEY] or "_"
