"""A copy of the version that answers, so that a worker which is started again has it even if the package was damaged since."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from pathlib import Path

logger = logging.getLogger(__name__)

#: While one worker already has the next version, another may be reading the one before.
_COPIES = 3


class KeptVersions:
    """Copies in a folder that the workers of a service share and that ends with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, package: Path, version: str) -> None:
        """Copy a package that was just verified, unless it is here already; what cannot be copied is said and left."""
        copy = self._folder / version
        try:
            if not copy.exists():
                aside = self._folder / f".{version}.{secrets.token_hex(4)}"
                shutil.copytree(package, aside)
                self._put(aside, copy)
            os.utime(copy)  # the latest is the one that answers now
            for old in self._copies()[_COPIES:]:
                shutil.rmtree(old, ignore_errors=True)
        except (OSError, shutil.Error) as error:
            logger.warning("version %s has no copy to fall back on: %s", version, error)

    def latest(self) -> Path | None:
        """The version that answered last."""
        return next(iter(self._copies()), None)

    def _copies(self) -> list[Path]:
        return sorted(self._folder.glob("[!.]*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def _put(self, aside: Path, copy: Path) -> None:
        try:
            aside.rename(copy)
        except OSError:  # another worker was quicker
            shutil.rmtree(aside)
            if not copy.exists():
                raise
