"""API keys: a file that knows which keys are good without knowing the keys, and is read again when it changes."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from mlwright.core import MlwrightError, closest, whole_file
from mlwright.core.clock import Clock

logger = logging.getLogger(__name__)

#: What a key may be used for: to have records answered, or to change the service. One key does one of them.
Scope = Literal["score", "admin"]

_FORMAT_VERSION = 1
_KEY = re.compile(rb"mlw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
_OTHERS_WRITE = 0o022
_EVERY_S = 1.0


class KeyFileUnfit(MlwrightError):
    """The file of keys cannot be used as it is."""

    def __init__(self, what: str, path: Path, fix: str) -> None:
        super().__init__(what, where=str(path), fix=fix)


class KeyNameUnfit(MlwrightError):
    """A key cannot have this name, or there is none of this name."""


class StoredKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a key.

    Attributes
    ----------
    id
        Stands at the beginning of the key itself, so that one comparison is enough; it is no secret.
    salt, sha256
        Of the secret behind the id, in hexadecimal digits. A slow hash (scrypt) makes guessing dear where people choose
        the secret. These secrets are 256 random bits: no guess is ever right, so a quick hash is as safe, and it costs a
        microsecond per request instead of fifty milliseconds. The salt keeps equal secrets from looking equal.
    """

    id: str
    name: str
    scope: Scope
    salt: str
    sha256: str
    created: datetime


class _KeyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format_version: int
    keys: tuple[StoredKey, ...]


def add_key(path: Path, name: str, *, scope: Scope = "score", now: datetime | None = None) -> str:
    """Make a key and keep its hash; returns the key, which is nowhere else.

    Raises
    ------
    KeyNameUnfit
        If the name is taken or has other signs than letters, digits and `. _ @ -`.
    KeyFileUnfit
        If the file is there and is not one of keys.
    """
    if not _NAME.fullmatch(name):
        raise KeyNameUnfit(
            "the name of a key has up to 64 letters, digits and . _ @ -",
            where=str(path),
            fix="name it after who uses it",
        )
    with _alone(path):
        keys = read_keys(path) if path.exists() else ()
        if any(key.name == name for key in keys):
            raise KeyNameUnfit(
                f"there is a key {name!r} already",
                where=str(path),
                fix="add it under another name, hand it over, then revoke the old one",
            )
        identifier, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_hex(16)
        stored = StoredKey(
            id=identifier,
            name=name,
            scope=scope,
            salt=salt,
            sha256=_hash(salt, secret.encode()),
            created=now or datetime.now(tz=UTC),
        )
        _write(path, (*keys, stored))
    return f"mlw_{identifier}_{secret}"


def revoke_key(path: Path, name: str) -> StoredKey:
    """Take a key out; services that read the file refuse it within a second.

    Raises
    ------
    KeyNameUnfit
        If there is none of this name.
    KeyFileUnfit
        If the file cannot be read.
    """
    with _alone(path):
        found = find_key(path, name)
        _write(path, tuple(key for key in read_keys(path) if key.id != found.id))
    return found


def find_key(path: Path, name: str) -> StoredKey:
    """The key of a name.

    Raises
    ------
    KeyNameUnfit, KeyFileUnfit
        As `revoke_key`.
    """
    keys = read_keys(path)
    for key in keys:
        if key.name == name:
            return key
    raise KeyNameUnfit(f"there is no key {name!r}", where=str(path), fix=closest(name, [key.name for key in keys]))


def read_keys(path: Path) -> tuple[StoredKey, ...]:
    """The keys of a file, in the order in which they were added.

    Raises
    ------
    KeyFileUnfit
        If it is missing, is not a file of keys, or others could write to it.
    """
    try:
        if path.stat().st_mode & _OTHERS_WRITE:
            raise KeyFileUnfit("others may write to the file of keys", path, "chmod 600 it, and look who is in it")
        held = msgspec.json.decode(path.read_bytes(), type=_KeyFile)
    except FileNotFoundError as error:
        raise KeyFileUnfit("there is no file of keys", path, "make one with `mlwright keys add NAME`") from error
    except OSError as error:
        raise KeyFileUnfit(
            f"the file of keys cannot be read: {error.strerror}", path, "check the path and its permissions"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise KeyFileUnfit(
            "this is not a file of keys", path, "name the one that `mlwright keys add` wrote, or make a new one"
        ) from error
    if held.format_version != _FORMAT_VERSION:
        raise KeyFileUnfit("the file of keys was written by a later mlwright", path, "install a newer mlwright")
    return held.keys


class KeyRing:
    """The keys of a file as a running service knows them: looked at once a second, read again if it changed.

    A file that is taken away takes its keys along. One that can no longer be read (a slip while editing it) leaves those
    that were good, and says so in the log of the process.

    Raises
    ------
    KeyFileUnfit
        When it is made, if the file cannot be used.
    """

    def __init__(self, path: Path, *, clock: Clock = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._mark, self._looked = _mark(path), clock()
        self._by_id = _by_id(read_keys(path))
        self._nobody = StoredKey(
            id="", name="", scope="score", salt=secrets.token_hex(16), sha256="0" * 64, created=datetime.now(tz=UTC)
        )

    def scopes(self) -> set[Scope]:
        """For which there is a key."""
        return {key.scope for key in self._current().values()}

    def key_of(self, given: bytes) -> StoredKey | None:
        """The key that a client shows, if it is one of ours and not revoked; takes as long for every wrong one."""
        parts = _KEY.fullmatch(given)
        if parts is None:
            return None
        stored = self._current().get(parts[1].decode(), self._nobody)
        right = hmac.compare_digest(_hash(stored.salt, parts[2]), stored.sha256)
        return stored if right and stored is not self._nobody else None

    def _current(self) -> dict[str, StoredKey]:
        now = self._clock()
        if now - self._looked >= _EVERY_S:
            self._looked = now
            mark = _mark(self._path)
            if mark != self._mark:
                self._mark = mark
                self._read_again()
        return self._by_id

    def _read_again(self) -> None:
        try:
            self._by_id = _by_id(read_keys(self._path))
        except KeyFileUnfit as error:
            if self._mark is None:
                self._by_id = {}
            logger.error(
                "API keys: %s; %s", error.what, "no key is good" if self._mark is None else "the old ones stay"
            )


def _by_id(keys: tuple[StoredKey, ...]) -> dict[str, StoredKey]:
    return {key.id: key for key in keys}


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file does; None if it is not there."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return (0, 0, 0)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _hash(salt: str, secret: bytes) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + secret).hexdigest()


def _write(path: Path, keys: tuple[StoredKey, ...]) -> None:
    written = msgspec.json.format(msgspec.json.encode(_KeyFile(format_version=_FORMAT_VERSION, keys=keys)), indent=1)
    with whole_file(path) as aside:
        aside.chmod(0o600)
        aside.write_bytes(written + b"\n")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While two commands at once would lose a key of one of them, the second waits; the lock is on the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
