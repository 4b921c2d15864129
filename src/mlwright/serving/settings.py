"""What a service is started with: it travels from the process that supervises to those that answer, as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from mlwright.serving.access import AccessSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a service takes.

    Attributes
    ----------
    body_bytes
        Of one request; beyond it 413.
    rows
        Of one request; beyond it 413.
    rows_inline
        Up to so many are answered in the event loop, more of them on the scoring thread.
    waiting
        Requests that may wait for the scoring thread; beyond it 503.
    requests
        Requests in hand at the same time; beyond it 503.
    seconds
        That a client may take to send a request; beyond it 408.
    drain_seconds
        After SIGTERM, until requests that are still not answered are given up.
    """

    body_bytes: int = 10_000_000
    rows: int = 10_000
    rows_inline: int = 500
    waiting: int = 16
    requests: int = 1000
    seconds: float = 30.0
    drain_seconds: float = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a worker process needs to begin.

    Attributes
    ----------
    package
        The folder of the model's package, or a pointer to it (see `versions.py`).
    name
        Under which clients ask for the model.
    strict
        Refuse levels that no training row had and numbers outside their range.
    log
        Where the prediction log goes; None if answers are not kept.
    log_options
        `predictions` of a spec, as JSON.
    counts
        The folder in which all workers count and keep a copy of what answers; None for one on its own.
    protocols
        Names of `PROTOCOLS`; all of them if None.
    access
        Who may call the service.
    reload_every_s
        Between two looks whether another version is to answer.
    tls_cert, tls_key
        Files with the certificate (and those above it) and its private key, for HTTPS; None for HTTP.
    """

    package: str
    name: str
    strict: bool = False
    log: str | None = None
    log_options: dict[str, Any] = field(default_factory=dict)
    counts: str | None = None
    protocols: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    access: AccessSettings = field(default_factory=AccessSettings)
    reload_every_s: float = 1.0
    tls_cert: str | None = None
    tls_key: str | None = None

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def of_json(cls, text: bytes) -> Settings:
        return msgspec.json.decode(text, type=cls)
