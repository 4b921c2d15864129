"""What the loop works on: one model's spec, its versions, its prediction log and the project's database, opened together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from mlwright import alerts
from mlwright.core import MlwrightError
from mlwright.models import Model
from mlwright.monitoring import WindowShape
from mlwright.monitoring.loss_reference import LossReference
from mlwright.monitoring.store import PATIENCE_S, MonitorStore
from mlwright.operate import evidence, heartbeat
from mlwright.predictions import LogNotFound, segments_folder
from mlwright.registry import Registry, Version
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
    _loaded: dict[str, Watched] = field(default_factory=dict, repr=False)

    @classmethod
    @contextmanager
    def open(cls, spec: Spec, *, patience_s: float = PATIENCE_S) -> Iterator[Project]:
        """Open everything, and make the tables that are not there yet.

        Raises
        ------
        DatabaseUnclear, DatabaseGone, DatabaseTooNew, DiskFull
            If the database cannot be used.
        """
        registry = Registry.of(spec)
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
            shape = WindowShape.of(model, version=version.package_version, name=self.model)
            held = Watched(version=version, model=model, shape=shape)
            while len(self._loaded) >= _MOST_MODELS:
                self._loaded.pop(next(iter(self._loaded)))
            self._loaded[version.digest] = held
        held.version = version
        return held

    def looked_after(self) -> list[Watched]:
        """The versions whose answers are folded: the champion, and those beside and before it."""
        names = {"champion", "challenger", "previous"}
        return [self.watched(one) for one in self.versions() if names & set(one.aliases)]


def _make_tables(connection: Connection) -> Any:
    alerts.make_tables(connection)
    heartbeat.make_tables(connection)
    evidence.make_tables(connection)
