"""A new version takes the place of the old one: loaded, verified and warmed beside it, then swapped by one reference."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from mlwright.core import MlwrightError
from mlwright.serving.kept import KeptVersions
from mlwright.serving.loading import load_version
from mlwright.serving.service import Served, Service
from mlwright.serving.versions import VersionSource

logger = logging.getLogger(__name__)

_SWAP_S = 10.0


class VersionUnfit(MlwrightError):
    """The package is a good one, but of a model that answers another question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """How an attempt to load a version ended.

    Attributes
    ----------
    version
        That answers now.
    before
        That answered before.
    why
        What went wrong, without paths; empty if nothing did.
    fix
        What to do about it.
    """

    outcome: Literal["swapped", "unchanged", "failed"]
    version: str
    before: str
    why: str = ""
    fix: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(tz=UTC))


class Reloader:
    """Looks every second whether another version is to answer, and loads it; also when it is told to.

    Parameters
    ----------
    mark
        Of the source, taken before the version that answers now was loaded from it.
    every_s
        Between two looks.
    kept
        Where a copy of the version that answers is kept; None for nowhere.

    Attributes
    ----------
    failure
        The last attempt, if it failed: the version before goes on answering.
    """

    def __init__(
        self,
        service: Service,
        source: VersionSource,
        mark: Hashable,
        *,
        strict: bool = False,
        every_s: float = 1.0,
        kept: KeptVersions | None = None,
    ) -> None:
        self.failure: Reload | None = None
        self._service, self._source, self._strict, self._every_s = service, source, strict, every_s
        self._tried, self._kept = mark, kept
        self._lock = threading.Lock()
        self._told = threading.Event()
        self._end = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._watch, name="reloader", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Begin to look; models are swapped in the event loop of the service, between two requests."""
        self._loop = loop
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a load that was begun is left alone."""
        self._end.set()
        self._told.set()

    def tell(self) -> None:
        """Load what the source says, soon, even if it looks as before; for signal handlers."""
        self._told.set()

    def load(self, name: str | None = None) -> Reload:
        """Load what the source says, or the version of a name, which the source is then turned to; waits for the end.

        Raises
        ------
        VersionNotFound
            If there is no version of that name, or none may be named.
        """
        package = None if name is None else self._source.named(name)
        with self._lock:
            mark = self._source.mark()
            done = self._load(package)
            self._tried = mark if package is None else self._source.mark()
        return done

    def failed(self, error: Exception) -> None:
        """The version that the source says could not be loaded; another one answers."""
        self._failed(self._service.current, None, error)
        self._service.metrics.count("mlwright_reloads_total", outcome="failed")

    def _watch(self) -> None:
        self._keep(self._service.current)
        while not self._end.is_set():
            told = self._told.wait(self._every_s)
            self._told.clear()
            if self._end.is_set() or self._service.draining:
                return
            with self._lock:
                mark = self._source.mark()
                # A version that failed is tried again once something of it changes: its files may still be arriving.
                if told or mark != self._tried:
                    self._tried = mark
                    self._load(None)

    def _load(self, package: Path | None) -> Reload:
        before, folder = self._service.current, package
        try:
            folder = package or self._source.package()
            loaded = load_version(folder, name=before.name, strict=self._strict)
            _check_question(before, loaded)
            if package is not None:
                self._source.point_to(package)
            changed = loaded.version != before.version
            if changed:
                self._swap(loaded)
        except Exception as error:
            done = self._failed(before, folder, error)
        else:
            done = Reload(outcome="swapped" if changed else "unchanged", version=loaded.version, before=before.version)
            self.failure = None
            if changed:
                self._keep(loaded)
                logger.warning("version %s answers instead of %s", done.version, done.before)
        self._service.metrics.count("mlwright_reloads_total", outcome=done.outcome)
        return done

    def _failed(self, before: Served, folder: Path | None, error: Exception) -> Reload:
        why, fix, known = f"it could not be loaded ({type(error).__name__})", "see the log of the service", False
        if isinstance(error, MlwrightError):
            why, fix, known = error.what + _file_in(folder, error.where), error.fix, True
        done = Reload(outcome="failed", version=before.version, before=before.version, why=why, fix=fix)
        self.failure = done
        logger.error("a new version was not loaded, %s goes on: %s", before.version, error, exc_info=not known)
        return done

    def _keep(self, served: Served) -> None:
        if self._kept is not None and served.package is not None and self.failure is None:
            self._kept.keep(served.package, served.version)

    def _swap(self, loaded: Served) -> None:
        if self._loop is None:
            self._service.replace(loaded)
            return
        swapped: Future[None] = Future()

        def swap() -> None:
            try:
                self._service.replace(loaded)
            except BaseException as error:
                swapped.set_exception(error)
                raise
            swapped.set_result(None)

        self._loop.call_soon_threadsafe(swap)
        swapped.result(_SWAP_S)


def _file_in(folder: Path | None, where: str) -> str:
    """Which file of the package an error is about; where the package is, is for the log only."""
    inside = where.removeprefix(f"{folder}{os.sep}")
    return "" if folder is None or inside == where else f" ({inside})"


def _check_question(before: Served, loaded: Served) -> None:
    now, then = loaded.scorer.model, before.scorer.model
    if (now.task, now.target) != (then.task, then.target):
        raise VersionUnfit(
            "the new version answers another question than the one before",
            where=str(loaded.package),
            fix="start another service for it, or point to a version that predicts the same",
        )
