"""The labelled rows of a prediction log by the day on which they were answered: a look reads the days that have news.

A log of a year is long, and most of it does not change from one look to the next. Each day has a mark that is another one
once the day has new answers, new labels, or rows that were kept back; a day whose mark was seen need not be read again.
Memory is bounded by the labelled rows of a day, or by the number of rows that is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from mlwright.core import MlwrightError
from mlwright.lifecycle.labelled import FACTS, LabelledRows, concatenated, labelled_rows
from mlwright.models import Model
from mlwright.monitoring.irregular.kept_back import KeptBack
from mlwright.predictions import LogFiles, LogNotFound, read_window
from mlwright.predictions.labelled import UNKNOWN
from mlwright.spec import Spec

_DAY: Final = timedelta(days=1)
#: A label of an unknown answer may be given while the answer is being sealed: days from so long before may have it.
_SEALING: Final = 2 * _DAY
#: Labels are waited for so many times as long as the spec says, and then this long.
_DELAYS: Final = 3
_LONGER: Final = timedelta(days=45)
#: Answers that are looked through for the latest labelled rows: where labels are rare, it ends there.
_MOST_ANSWERS: Final = 5_000_000


class LogMasked(MlwrightError):
    """The log does not have what a model reads, so versions cannot be judged by its rows."""

    def __init__(self, columns: Sequence[str]) -> None:
        listed = ", ".join(map(repr, columns))
        super().__init__(
            f"the prediction log leaves out or hashes {listed}, which the model reads",
            where="predictions.mask of the spec",
            fix="train a model that does not read it, or compare versions on a table of your own: mlwright run",
        )


def label_horizon(spec: Spec) -> timedelta:
    """For how long labels of an answer are waited for: what is learnt later changes no window and no comparison."""
    return _DELAYS * spec.operation.label_delay + _LONGER


class LabelledLog:
    """The labelled rows of a log; rows that were kept back are left out until they are repaired.

    Parameters
    ----------
    destination
        Where the log is, as `read_window` takes it.
    masked
        The fields that the log leaves out or hashes.
    kept_back
        The quarantine of the log, by one who remembers what he has seen of it.
    """

    def __init__(
        self, destination: str | Path, *, masked: Collection[str] = (), kept_back: KeptBack | None = None
    ) -> None:
        self._destination, self._masked = destination, frozenset(masked)
        self._kept_back = kept_back or KeptBack(destination)
        self._added: dict[str, date] = {}

    def raise_if_masked(self, model: Model) -> None:
        """Stop where the log does not have what a model reads.

        Raises
        ------
        LogMasked
            If it does not.
        """
        hidden = sorted(self._masked & set(model.schema.names))
        if hidden:
            raise LogMasked(hidden)

    def days(self, since: datetime | None = None) -> dict[date, str]:
        """The days whose answers may have labels, the oldest first, each with its mark; none if there is no log yet.

        Raises
        ------
        StoreFailed
            If the log cannot be read.
        """
        try:
            files = LogFiles(self._destination)
        except LogNotFound:
            return {}
        first = None if since is None else day_of(since)
        own: dict[date, list[str]] = {}
        for name in files.answers(_END)[0]:
            own.setdefault(date.fromisoformat(files.day(name)), []).append(name)
        labels: dict[date, list[str]] = {}
        unknown: list[tuple[date, str]] = []
        for name in files.labels():
            day = files.day(name)
            if day == UNKNOWN:
                unknown.append((self._may_be_from(files, name), name))
            else:
                labels.setdefault(date.fromisoformat(day), []).append(name)
        kept_back = self._kept_back.by_day()
        found: dict[date, str] = {}
        for answered in sorted(own):
            later = [name for begin, name in unknown if begin <= answered]
            if (first is None or answered >= first) and (later or answered in labels):
                seen = [*own[answered], *labels.get(answered, []), *later, *kept_back.get(answered.isoformat(), [])]
                found[answered] = hashlib.blake2b("\n".join(seen).encode(), digest_size=16).hexdigest()
        return found

    def _may_be_from(self, files: LogFiles, name: str) -> date:
        """The first day whose answers labels of unknown answers may be about."""
        if name not in self._added:
            first = pc.min(files.label_rows(name).column("added").cast(pa.int64())).as_py() or 0
            self._added[name] = day_of(_EPOCH + timedelta(microseconds=first) - _SEALING)
        return self._added[name]

    def of_day(self, day: date, model: Model, *, since: datetime | None = None) -> LabelledRows:
        """The labelled rows that were answered on a day, and since a moment if one is given.

        Raises
        ------
        LogMasked
            If the log does not have what the model reads.
        """
        return self._read(day, model, since)[0]

    def _read(self, day: date, model: Model, since: datetime | None) -> tuple[LabelledRows, int]:
        """The same, with how many answers were looked through."""
        self.raise_if_masked(model)
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        begin = start if since is None else max(start, since)
        reader = read_window(self._destination, begin, start + _DAY, labels=True)
        inputs = [f"input.{name}" for name in model.schema.names if f"input.{name}" in reader.schema.names]
        columns = [*FACTS, *inputs]
        kept: list[pa.RecordBatch] = []
        answers = 0
        for batch in reader:
            answers += batch.num_rows
            kept.append(batch.filter(pc.is_valid(batch.column("label"))).select(columns))
        table = pa.Table.from_batches(kept, pa.schema([reader.schema.field(name) for name in columns]))
        table = self._kept_back.instead(table, day.isoformat(), begin)
        return labelled_rows(table, model), answers

    def latest(
        self,
        model: Model,
        *,
        most: int,
        since: datetime | None = None,
        until: datetime | None = None,
        least: int = 0,
    ) -> LabelledRows:
        """The latest labelled rows: `most` of those answered since a moment, and earlier ones too until there are `least`.

        Parameters
        ----------
        until
            Only rows that were answered earlier.
        """
        parts: list[LabelledRows] = []
        rows = after = answers = 0
        for day in reversed([day for day in self.days() if until is None or day <= day_of(until)]):
            over = since is not None and day < day_of(since)
            if after >= most or (over and rows >= least) or answers >= _MOST_ANSWERS:
                break
            found, looked_at = self._read(day, model, None)
            if until is not None:
                found = found.before(until)
            parts.append(found)
            answers, rows = answers + looked_at, rows + len(found)
            after += len(found.since(since))
        return concatenated(parts[::-1], model).last(max(most, least))

    def counted_since(self, since: datetime | None) -> int:
        """How many rows answered since a moment have a label; what was asked is not read."""
        found = 0
        for day in self.days(since):
            start = datetime(day.year, day.month, day.day, tzinfo=UTC)
            begin = start if since is None else max(start, since)
            reader = read_window(self._destination, begin, start + _DAY, columns=["label"], labels=True)
            found += sum(batch.num_rows - batch.column("label").null_count for batch in reader)
        return found


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 12, 31, tzinfo=UTC)


def day_of(moment: datetime) -> date:
    """The day of a moment, in UTC."""
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC).date()
