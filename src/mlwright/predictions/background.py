"""Sealing beside the answering: a thread that finishes old segments, and a process that turns them into Parquet.

A process of its own, since converting rows would hold up those who wait for an answer and keep Arrow's memory.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlwright.predictions.segments import segments_in

if TYPE_CHECKING:
    from mlwright.predictions.log import PredictionLog

logger = logging.getLogger(__name__)

_MOST_S, _EXPIRE_EVERY_S = 60.0, 3600.0


class Sealer:
    """Seals the segments of a log every minute, or as often as they are rotated."""

    def __init__(self, log: PredictionLog) -> None:
        self._log = log
        self._every_s = min(log.options.rotate_every.total_seconds(), _MOST_S)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log-sealer", daemon=True)
        self._expired_at = float("-inf")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End it, once a sealing that was begun is done."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            self._log.rotate(older_than_s=self._log.options.rotate_every.total_seconds())
            try:
                self._seal()
            except (OSError, subprocess.SubprocessError) as error:
                self._failed(str(error))

    def _seal(self) -> None:
        folder, retention = self._log.folder, self._log.options.retention
        due = retention is not None and time.monotonic() - self._expired_at > _EXPIRE_EVERY_S
        if not due and not segments_in(folder):
            return
        with _only_one(folder) as mine:
            if not mine:
                return
            asked = {
                "segments": str(folder),
                "destination": self._log.destination,
                "retention_s": retention.total_seconds() if due and retention is not None else None,
            }
            # Over stdin: a URL may hold a password, which a command line would show to everybody.
            done = subprocess.run(
                [sys.executable, "-P", "-m", "mlwright.predictions"],
                input=json.dumps(asked),
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            self._failed(done.stderr.strip())
        elif due:
            self._expired_at = time.monotonic()

    def _failed(self, why: str) -> None:
        self._log.failed_to_seal()
        logger.warning("the prediction log could not be sealed, its segments stay: %s", why)


@contextmanager
def _only_one(folder: Path) -> Iterator[bool]:
    """Whether no other worker is sealing this folder; segments have locks of their own, this one saves the processes."""
    descriptor = os.open(folder / ".sealing", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
