"""The scorer: a model made ready to answer single records in microseconds, and batches with the same numbers."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from mlwright.data.dataset import FloatArray
from mlwright.features import Irregularities, RecordEncoder, RecordReader, Typed
from mlwright.models.answering import Ready, answering, decision_columns
from mlwright.models.answers import Answer, answers_of
from mlwright.models.families import FittedEstimator
from mlwright.models.golden import golden_rows
from mlwright.models.model import Model, combine
from mlwright.models.parity import proven
from mlwright.models.predictions import Predictions
from mlwright.models.reasons import Reasons

#: Rows of a table scored at a time, so that memory does not grow with it.
_BLOCK = 50_000
#: From so many records on, a matrix of all of them is quicker than one after the other.
_MANY = 8
_encode_json = msgspec.json.Encoder().encode


class Scorer:
    """Answers records and batches with a model; the answers are those of `Model.predict`.

    It is made once (some milliseconds) and may be used by any number of threads at the same time.

    Parameters
    ----------
    strict
        Refuse levels that no training row had and numbers outside their range, instead of answering and counting them.
    version
        Goes into each answer.

    Examples
    --------
    >>> scorer = Scorer.load("runs/2026-05-17/model")  # doctest: +SKIP
    >>> scorer.answer({"age": 44, "city": "Rome"}).prediction  # doctest: +SKIP
    'yes'
    """

    def __init__(self, model: Model, *, strict: bool = False, version: str = "") -> None:
        self.model = model
        self.version = version
        self.strict = strict
        self._reader = RecordReader(model.schema, strict=strict)
        types = {column.name: column.type for column in model.schema}
        views = list(model.encoders)
        self._encoders = [RecordEncoder(model.encoders[view], types).encode for view in views]
        rows = model.encoded(golden_rows(model))
        quick = [proven(m.estimator, rows[m.view]) or _AsItIs(m.estimator) for m in model.members]
        self._members = [
            Ready(views.index(member.view), member.weight, form.one, form.many)
            for member, form in zip(model.members, quick, strict=True)
        ]
        self._views = views
        self._answer = answering(model, self._members, version)
        self._reasons = Reasons(model, self._explained)

    @classmethod
    def load(cls, folder: str | Path, *, strict: bool = False) -> Scorer:
        """Read a package (see `Model.load`); its version is what its files are, its documents left out."""
        model = Model.load(folder)
        return cls(model, strict=strict, version=_version(Path(folder)))

    @property
    def irregularities(self) -> Irregularities:
        """What was answered although the training rows had none of it: values missing, levels unseen, numbers out of range."""
        return self._reader.irregularities

    def answer(self, record: Mapping[str, Any], *, reasons: int = 0) -> Answer:
        """Answer one record: a field for each column that the model reads; others are ignored.

        Parameters
        ----------
        reasons
            How many of the columns that moved the answer most to name (see `Reasons`); it costs an answer a column.

        Raises
        ------
        RecordInvalid
            If a field is missing or has a value of another type; the message names the field, never its value.
        """
        return self._answered(self._reader.typed(record), reasons)

    def answers(self, records: Sequence[Mapping[str, Any]], *, reasons: int = 0) -> list[Answer]:
        """Answer several records; an error says which one it was."""
        return self._all_answered(self._reader.typed_list(list(records)), reasons)

    def answer_json(self, body: bytes, *, reasons: int = 0) -> bytes:
        """Answer one record in JSON with one answer in JSON, or a list of records with a list."""
        return _encode_json(self.answers_of_json(body, reasons=reasons))

    def answers_of_json(self, body: bytes, *, reasons: int = 0) -> Answer | list[Answer]:
        """Answer one record in JSON, or a list of them."""
        typed = self._reader.typed_json(body)
        if isinstance(typed, list):
            return self._all_answered(typed, reasons)
        return self._answered(typed, reasons)

    def score(self, rows: pa.RecordBatch | pa.Table) -> pa.RecordBatch | pa.Table:
        """Answer Arrow rows with as many Arrow rows, in the columns of `Predictions.to_table`.

        As with `Model.predict`, a value that cannot be read is missing.

        Raises
        ------
        ColumnNotFound
            If a column is missing.
        FieldUnfamiliar
            If the scorer is strict.
        """
        answers = self.predict(rows).to_table()
        if isinstance(rows, pa.Table):
            return answers
        batches = answers.combine_chunks().to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=answers.schema)

    def predict(self, rows: Any) -> Predictions:
        """What `Model.predict` answers, by the quicker forms of the members."""
        table = self.model.typed(rows)
        self._reader.count(table)
        if table.num_rows == 0:
            return self.model.predict(table)
        blocks = []
        for start in range(0, table.num_rows, _BLOCK):
            encoded = self.model.encoded(table.slice(start, _BLOCK))
            blocks.append(self._combined([encoded[view] for view in self._views]))
        return self.model.answer(np.concatenate(blocks), self.model.decision_columns(table))

    def _combined(self, matrices: Sequence[FloatArray]) -> FloatArray:
        return combine(
            [member.many(matrices[member.place]) for member in self._members],
            [member.weight for member in self._members],
        )

    def _answered(self, values: Typed, reasons: int) -> Answer:
        rows = [encode(values) for encode in self._encoders]
        answer = self._answer(rows, values)
        if not reasons:
            return answer
        return msgspec.structs.replace(answer, reasons=self._reasons.of(values, reasons))

    def _all_answered(self, typed: list[Typed], reasons: int) -> list[Answer]:
        if reasons or len(typed) < _MANY:
            return [self._answered(values, reasons) for values in typed]
        return answers_of(self._predicted(typed), self.version)

    def _predicted(self, typed: Sequence[Typed]) -> Predictions:
        matrices = [np.frombuffer(b"".join(map(encode, typed))).reshape(len(typed), -1) for encode in self._encoders]
        return self.model.answer(self._combined(matrices), decision_columns(self.model, typed))

    def _explained(self, typed: Sequence[Typed]) -> FloatArray:
        """What reasons are about, shape (n_records, n_answers)."""
        prediction = self._predicted(typed).prediction
        return prediction.reshape(len(typed), -1)


class _AsItIs:
    """An estimator that has no quicker form, asked for one row at a time."""

    def __init__(self, estimator: FittedEstimator) -> None:
        self._estimator = estimator

    def one(self, row: array[float]) -> tuple[float, ...]:
        (predicted,) = self._estimator.predict(np.frombuffer(row).reshape(1, -1)).tolist()
        return tuple(predicted) if isinstance(predicted, list) else (predicted,)

    def many(self, values: FloatArray) -> FloatArray:
        return self._estimator.predict(values)


def _version(folder: Path) -> str:
    """Twelve digits that two packages share if they answer alike: of all files but the documents about them."""
    from mlwright.models.package import manifest_of

    files = manifest_of(folder)["files"]
    listed = [f"{name} {files[name]['sha256']}" for name in sorted(files) if not name.startswith("documents/")]
    return sha256("\n".join(listed).encode()).hexdigest()[:12]
