"""What the loop works on: one model's spec, its versions, its prediction log and the project's database, opened together."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, func, select

from mlwright import alerts
from mlwright.core import MlwrightError
from mlwright.lifecycle import LabelledLog
from mlwright.models import Model
from mlwright.monitoring import WindowShape
from mlwright.monitoring.anomalies import AnomalyReference
from mlwright.monitoring.irregular.kept_back import KeptBack
from mlwright.monitoring.kept import counted_shape
from mlwright.monitoring.loss_reference import LossReference
from mlwright.monitoring.store import PATIENCE_S, MonitorStore
from mlwright.monitoring.tables import offsets
from mlwright.operate import evidence, heartbeat
from mlwright.predictions import LogNotFound, segments_folder
from mlwright.registry import Registry, RegistryNotFound, Version
from mlwright.spec import Spec

#: After the end of a window its last answers are still being sealed.
_SEALING: Final = 2.0
_MOST_MODELS: Final = 4


class NobodyAnswers(MlwrightError):
    """There is no version to look after."""

    def __init__(self, where: str) -> None:
        super().__init__(
            "no version answers yet, so there is nothing to look after",
            where=where,
            fix="make one: mlwright run, then mlwright registry list",
        )


@dataclass(slots=True, kw_only=True)
class Watched:
    """A version with what is needed to look after it."""

    version: Version
    model: Model
    shape: WindowShape
    #: What its first rows were like, once they were looked at.
    usual: AnomalyReference | None = None


@dataclass(slots=True, kw_only=True)
class Project:
    """One model and where everything about it is.

    Attributes
    ----------
    model
        Its name.
    store
        The project's database, as the monitor uses it.
    log
        Where the prediction log is.
    """

    spec: Spec
    registry: Registry
    store: MonitorStore
    model: str
    log: str
    #: By digest of a package: the rows that it was tested on, once they were looked for.
    tested: dict[str, tuple[LossReference | None]] = field(default_factory=dict, repr=False)
    #: What was judged last: of which version, up to which part of the log and which hour.
    judged: tuple[str, int, int] | None = field(default=None, repr=False)
    #: What was known at the last turn of the lifecycle: while it is the same there is nothing to decide or to prove.
    turned: tuple[object, ...] | None = field(default=None, repr=False)
    #: Which champion is watched, by the digest of its package.
    reigns: str = field(default="", repr=False)
    #: When old windows were last put together.
    rolled: datetime | None = field(default=None, repr=False)
    _loaded: dict[str, Watched] = field(default_factory=dict, repr=False)
    _labelled: LabelledLog | None = field(default=None, repr=False)
    _kept_back: KeptBack | None = field(default=None, repr=False)

    @classmethod
    @contextmanager
    def open(cls, spec: Spec, *, patience_s: float = PATIENCE_S) -> Iterator[Project]:
        """Open everything, and make the tables that are not there yet.

        Raises
        ------
        DatabaseUnclear, DatabaseGone, DatabaseTooNew, DiskFull, RegistryUnreachable
            If the database cannot be used.
        VersionsForgotten
            If a version answers, and the database that says so is gone.
        """
        registry = Registry.of(spec)
        with suppress(RegistryNotFound):  # there may be no version yet; but a database that was lost is not begun again
            registry.versions()
        store = MonitorStore.open(spec.registry.url, folder=spec.folder, patience_s=patience_s)
        try:
            store.transaction(_make_tables)
            said = spec.predictions.destination
            log = said if "://" in said else str(spec.folder / said)
            yield cls(spec=spec, registry=registry, store=store, model=registry.model, log=log)
        finally:
            store.close()

    @property
    def segments(self) -> Path | None:
        """The folder of what is not sealed yet, where it can be told."""
        said = self.spec.predictions.segments
        if said is not None:
            return self.spec.folder / said
        return None if "://" in self.log else segments_folder(self.log)

    @property
    def has_log(self) -> bool:
        """Whether there is a log already."""
        return "://" in self.log or Path(self.log).is_dir()

    def raise_if_no_log(self) -> None:
        """Stop where nothing was ever logged.

        Raises
        ------
        LogNotFound
            If the folder of the log is not there.
        """
        if not self.has_log:
            raise LogNotFound(Path(self.log))

    @property
    def labelled(self) -> LabelledLog:
        """The labelled rows of the log; it remembers what it has seen of it."""
        if self._labelled is None:
            self._labelled = LabelledLog(self.log, masked=self.spec.predictions.mask, kept_back=self.kept_back)
        return self._labelled

    @property
    def kept_back(self) -> KeptBack:
        """The rows of the log that are kept back; it remembers what it has seen of them."""
        if self._kept_back is None:
            self._kept_back = KeptBack(self.log)
        return self._kept_back

    @property
    def sealed_after(self) -> timedelta:
        """How long after the end of an hour its last answers may still come."""
        return self.spec.predictions.rotate_every * _SEALING

    def versions(self) -> list[Version]:
        """All versions, the first one first; none if there is no registry yet."""
        return self.registry.versions() if self.registry.database.exists else []

    def champion(self) -> Version:
        """The version that answers.

        Raises
        ------
        NobodyAnswers
            If there is none.
        """
        found = next((one for one in self.versions() if "champion" in one.aliases), None)
        if found is None:
            raise NobodyAnswers(self.registry.database.shown)
        return found

    def watched(self, version: Version) -> Watched:
        """A version with its model, which is loaded once."""
        held = self._loaded.get(version.digest)
        if held is None:
            model = Model.load(version.package)
            shape = self._shape(model, version)
            held = Watched(version=version, model=model, shape=shape)
            while len(self._loaded) >= _MOST_MODELS:
                self._loaded.pop(next(iter(self._loaded)))
            self._loaded[version.digest] = held
        held.version = version
        return held

    def _shape(self, model: Model, version: Version) -> WindowShape:
        """What windows of a version count: not what the log hides, but for ever what they counted at first."""
        known = self.store.reading(lambda connection: counted_shape(connection, self.model, version.package_version))
        if known is not None:
            return known
        shape = WindowShape.of(model, version=version.package_version, name=self.model)
        shown = tuple(column for column in shape.columns if column.name not in self.spec.predictions.mask)
        return replace(shape, columns=shown)

    def looked_after(self, *, answering: Collection[str] = ()) -> list[Watched]:
        """The versions whose answers are folded: the champion, those beside and before it, and others that answer."""
        names = {"champion", "challenger", "previous"}
        wanted = (one for one in self.versions() if names & set(one.aliases) or one.package_version in answering)
        return [self.watched(one) for one in wanted]


def last_read(connection: Connection) -> int:
    """Which was the last part of the log, or of the quarantine, that was taken note of."""
    return connection.execute(select(func.max(offsets.c.seq))).scalar() or 0


def _make_tables(connection: Connection) -> Any:
    alerts.make_tables(connection)
    heartbeat.make_tables(connection)
    evidence.make_tables(connection)
