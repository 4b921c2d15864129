"""The service: the one object behind all routes. It knows the model that answers now, the log, the limits and the counts."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from mlwright.data import ClassValue, Column, Schema, written_class
from mlwright.models import Answer, Scorer
from mlwright.serving.http import HttpProblem, Request, Route, encode_json
from mlwright.serving.metrics import Metrics, series
from mlwright.serving.settings import Limits

if TYPE_CHECKING:
    from mlwright.predictions import PredictionLog
    from mlwright.serving.reload import Reloader

#: Judges a request before its body is read; raises `HttpProblem` (401, 403) if it may not.
Access: TypeAlias = "Callable[[Route, Request], None]"

_raw_records = msgspec.json.Decoder(list[msgspec.Raw]).decode
#: Bytes of a body from which even reading it would hold up the event loop.
LARGE_BODY = 200_000
#: Characters of an id that a client gives.
LONGEST_ID = 128


class OnThread(Exception):
    """Too many rows for the event loop: the handler is to be called again, on the scoring thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model that answers; replaced as a whole.

    Attributes
    ----------
    name
        Under which clients ask for it.
    package
        The folder that it was loaded from, if it was.
    """

    scorer: Scorer
    name: str
    package: Path | None = None
    loaded: datetime = field(default_factory=lambda: datetime.now(tz=UTC))

    @classmethod
    def load(cls, package: Path, *, name: str, strict: bool = False) -> Served:
        """Read a package, verify it and replay its golden rows."""
        return cls(scorer=Scorer.load(package, strict=strict), name=name, package=package)

    @property
    def version(self) -> str:
        return self.scorer.version

    @property
    def schema(self) -> Schema:
        """Of a record."""
        return self.scorer.model.schema

    @property
    def answer_schema(self) -> Schema:
        """Of an answer as the prediction log has it: the columns that `mlwright predict` writes."""
        names = {"prediction": "number" if self.scorer.model.task == "regression" else "category"}
        model = self.scorer.model
        if model.classes:
            names |= dict.fromkeys(probability_columns(model.classes), "number")
        if model.spread is not None:
            names |= {"interval_low": "number", "interval_high": "number"}
        return Schema(tuple(Column(name=name, type=kind) for name, kind in names.items()))  # type: ignore[arg-type]


def probability_columns(classes: Sequence[ClassValue]) -> list[str]:
    """The columns with the probability of each class, as `mlwright predict` names them."""
    return [f"probability_{written_class(value)}" for value in classes]


class Answered(NamedTuple):
    """What a request is answered.

    Attributes
    ----------
    id
        Of the answer in the prediction log; of several, the number of the record follows behind a `-`.
    served
        The model that gave the answers.
    """

    id: str
    answers: list[Answer]
    served: Served

    def ids(self) -> list[str]:
        """Of each answer."""
        if len(self.answers) == 1:
            return [self.id]
        return [f"{self.id}-{number}" for number in range(len(self.answers))]


class Service:
    """Answers requests with the model of the moment.

    Handlers read `current` once per request; another model takes its place by one assignment (`replace`).

    Attributes
    ----------
    current
        The model that answers.
    log
        The prediction log; None if answers are not kept.
    access
        Who may call what; None if everybody may.
    reloader
        Lets other versions take the place of the model; None if this one stays.
    draining
        The process is about to end: no longer ready, and connections are closed after their next answer.
    """

    def __init__(
        self,
        current: Served,
        *,
        limits: Limits | None = None,
        log: PredictionLog | None = None,
        metrics: Metrics | None = None,
        access: Access | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.log = log
        self.metrics = metrics or Metrics()
        self.access = access
        self.reloader: Reloader | None = None
        self.draining = False
        self.loop_thread: int | None = None
        self._prefix = secrets.token_hex(8)
        self._number = count(1).__next__
        self._counted_before: dict[tuple[str, str], int] = {}
        self._success, self._failure, self._rows = (
            self.metrics.slot(name)
            for name in ("model_infer_request_success", "model_infer_request_failure", "mlwright_rows_total")
        )
        self.current = current
        if log is not None:
            log.use(input_schema=current.schema, output_schema=current.answer_schema)

    @property
    def ready(self) -> bool:
        """Whether requests may be sent here."""
        return not self.draining

    def replace(self, served: Served) -> None:
        """Answer with another model from now on; requests in hand keep the one that they began with."""
        before, self.current = self.current, served
        for key, number in _irregularities(before).items():
            self._counted_before[key] = self._counted_before.get(key, 0) + number
        if self.log is not None:
            self.log.use(input_schema=served.schema, output_schema=served.answer_schema)

    # ------------------------------------------------------------------------------------------------------ answering

    def answer(
        self,
        records: Sequence[Mapping[str, Any]],
        *,
        reasons: int = 0,
        id: str | None = None,  # noqa: A002
    ) -> Answered:
        """Answer records: validated, scored, counted, and in the prediction log when this returns.

        Parameters
        ----------
        records
            One mapping per row, from columns to values as JSON or CSV has them.
        reasons
            How many columns to name that moved each answer most.
        id
            Under which the client wants to find the answer in the log; made here if it does not say.

        Raises
        ------
        RecordInvalid
            If a record is not as the model wants it.
        HttpProblem
            413 if there are too many.
        LogFull
            If the answers could not be kept.
        OnThread
            For the application, which then calls the handler again.
        """
        served = self.current
        self._admit(len(records), reasons)
        try:
            answers = served.scorer.answers(records, reasons=reasons)
        except Exception:
            self.metrics.add(self._failure)
            raise
        raw = None if self.log is None else [encode_json(record) for record in records]
        return self._kept(served, answers, raw, id)

    def answer_json(self, body: bytes, *, reasons: int = 0, id: str | None = None) -> tuple[Answered, bool]:  # noqa: A002
        """As `answer`, of a record in JSON or a list of them; says too whether it was a list.

        Raises
        ------
        RecordInvalid, HttpProblem, LogFull, OnThread
            As `answer`, and `HttpProblem` 400 if it is not JSON.
        """
        if len(body) > LARGE_BODY:
            self.leave_loop()
        served = self.current
        several = body.lstrip()[:1] == b"["
        raw: Sequence[bytes] = [body]
        try:
            if several:
                raw = _parts(body)
                self._admit(len(raw), reasons)
            found = served.scorer.answers_of_json(body, reasons=reasons)
        except OnThread:
            raise
        except Exception:
            self.metrics.add(self._failure)
            raise
        answers = found if isinstance(found, list) else [found]
        return self._kept(served, answers, None if self.log is None else raw, id), several

    def _admit(self, rows: int, reasons: int) -> None:
        if rows > self.limits.rows:
            raise HttpProblem(
                413, f"a request may have {self.limits.rows:,} records", fix="send them in several requests"
            )
        # Reasons cost an answer for each column.
        if rows * (1 + bool(reasons) * len(self.current.schema)) > self.limits.rows_inline and self._in_loop():
            raise OnThread

    def leave_loop(self) -> None:
        """For handlers with much to do before `answer`: be called again on the scoring thread, unless this is it.

        Raises
        ------
        OnThread
            For the application.
        """
        if self._in_loop():
            raise OnThread

    def _in_loop(self) -> bool:
        return threading.get_ident() == self.loop_thread

    def _kept(
        self,
        served: Served,
        answers: list[Answer],
        raw: Sequence[bytes] | None,
        id: str | None,  # noqa: A002
    ) -> Answered:
        answered = Answered(id or f"{self._prefix}{self._number():x}", answers, served)
        if raw is not None and self.log is not None:
            try:
                self._append(answered, raw)
            except Exception:
                self.metrics.add(self._failure)
                raise
        self.metrics.add(self._rows, len(answers))
        self.metrics.add(self._success)
        return answered

    def _append(self, answered: Answered, raw: Sequence[bytes]) -> None:
        """Keep the answers; nothing is acknowledged before this."""
        assert self.log is not None
        now, version = time.time_ns(), answered.served.version
        if len(raw) == 1:
            self.log.append(answered.id, now, version, raw[0], flat_json(answered.answers[0]))
            return
        self.log.append_many(
            (name, now, version, one, flat_json(answer))
            for name, one, answer in zip(answered.ids(), raw, answered.answers, strict=True)
        )

    # ------------------------------------------------------------------------------------------------------- counting

    def synchronise(self) -> None:
        """Bring what the scorer and the log count themselves to where all workers count; done every second."""
        totals = dict(self._counted_before)
        for key, number in _irregularities(self.current).items():
            totals[key] = totals.get(key, 0) + number
        for (family, column), number in totals.items():
            self.metrics.set(series(family, column=column), number)
        if self.log is not None:
            counts = self.log.counts
            for family, number in (
                ("mlwright_log_appended_total", counts.appended),
                ("mlwright_log_sampled_out_total", counts.sampled_out),
                ("mlwright_log_dropped_total", counts.unlogged),
                ("mlwright_log_refused_total", counts.refused),
                ("mlwright_log_seal_failures_total", counts.seal_failures),
            ):
                self.metrics.set(family, number)


def flat_json(answer: Answer) -> bytes:
    """An answer as the prediction log keeps it: one level of fields, named as the columns of `Predictions.to_table`."""
    flat: dict[str, Any] = {"prediction": answer.prediction}
    if answer.probabilities is not None:
        for name, share in answer.probabilities.items():
            flat["probability_" + name] = share
    elif answer.interval_low is not None:
        flat["interval_low"], flat["interval_high"] = answer.interval_low, answer.interval_high
    return encode_json(flat)


def asked_id(text: str | None) -> str | None:
    """The id that a client gives an answer.

    Raises
    ------
    HttpProblem
        400 if it is too long or has signs that cannot be seen.
    """
    if not text:
        return None
    if len(text) > LONGEST_ID or not (text.isascii() and text.isprintable()):
        raise HttpProblem(400, f"an id has up to {LONGEST_ID} printable ASCII characters")
    return text


def _parts(body: bytes) -> Sequence[bytes]:
    """The records of a list, as they were sent."""
    try:
        return list(map(bytes, _raw_records(body)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HttpProblem(
            400, "the body is not JSON that can be read", fix="send one record or a list of records"
        ) from error


_KINDS = {
    "missing": "mlwright_missing_total",
    "unseen": "mlwright_unseen_levels_total",
    "out_of_range": "mlwright_out_of_range_total",
}


def _irregularities(served: Served) -> dict[tuple[str, str], int]:
    found = served.scorer.irregularities
    return {
        (family, column): number
        for kind, family in _KINDS.items()
        for column, number in found.by_column(kind).items()  # type: ignore[arg-type]
    }
