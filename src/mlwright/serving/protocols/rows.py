"""From the shapes in which platforms send rows to records, and from answers to the shapes in which they want them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from mlwright.models import Answer
from mlwright.serving.http import HttpProblem
from mlwright.serving.service import Answered, Service

Record: TypeAlias = "Mapping[str, Any]"

_ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
#: Beyond so many bytes a body is read on the scoring thread: the event loop answers others meanwhile.
_LARGE_BODY = 200_000
_FIX = "send JSON in UTF-8"


def decoded(body: bytes, decoder: msgspec.json.Decoder[Any] = _ANYTHING) -> Any:
    """A body in JSON; `NaN` and `Infinity`, which Python's clients write though JSON has none, are missing values.

    Raises
    ------
    HttpProblem
        400 if it is none, or not of the type of the decoder; the message has places and types, no values.
    """
    try:
        return _read(body, decoder)
    except msgspec.DecodeError as error:
        raise HttpProblem(400, f"the body is not JSON that can be read ({error})", fix=_FIX) from error
    except ValueError as error:
        raise HttpProblem(400, "the body is not JSON that can be read", fix=_FIX) from error
    except RecursionError as error:
        raise HttpProblem(400, "the body is nested too deeply", fix=_FIX) from error


def _read(body: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"NaN" not in body and b"Infinity" not in body:
            raise
        return msgspec.convert(json.loads(body, parse_constant=lambda _: None), decoder.type)


def leave_loop_if_large(service: Service, body: bytes) -> None:
    """Have the handler called again on the scoring thread if reading the body alone would hold up the event loop."""
    if len(body) > _LARGE_BODY:
        service.leave_loop()


def records_of_list(rows: Any, columns: Sequence[str], *, where: str) -> list[Record]:
    """Rows as objects, or as lists of values in the order of the columns.

    Parameters
    ----------
    where
        The field of the body that they stand in, for messages.

    Raises
    ------
    HttpProblem
        400 naming the first row that is neither.
    """
    if not isinstance(rows, list):
        raise HttpProblem(400, f"`{where}` is not a list of rows", fix="send a list of records")
    return [
        row if isinstance(row, dict) else _positional(row, columns, f"row {number} of `{where}`, counted from 0,")
        for number, row in enumerate(rows)
    ]


def _positional(row: Any, columns: Sequence[str], what: str) -> Record:
    if not isinstance(row, list):
        raise HttpProblem(400, f"{what} is neither an object nor a list of values")
    if len(row) != len(columns):
        raise HttpProblem(
            400,
            f"{what} has {len(row)} values for {len(columns)} columns",
            fix=f"send {', '.join(columns)}, in this order",
        )
    return dict(zip(columns, row, strict=True))


def records_of_columns(columns: Mapping[str, Any], *, where: str) -> list[Record]:
    """Lists of equal length, one for each column.

    Raises
    ------
    HttpProblem
        400 if they are not of equal length.
    """
    values = [value if isinstance(value, list) else [value] for value in columns.values()]
    if len({len(column) for column in values}) > 1:
        raise HttpProblem(400, f"the columns of `{where}` are not of one length", fix="send a value for each row")
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def records_of_csv(body: bytes, columns: Sequence[str], *, header: bool | None = None) -> list[Record]:
    """Lines of values in the order of the columns, or below a line that names them; an empty cell is missing.

    Parameters
    ----------
    header
        Whether the first line names the columns; None to see for oneself: it does if it has nothing but names of columns.

    Raises
    ------
    HttpProblem
        400 if it is not UTF-8 or a line has another number of values.
    """
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError as error:
        raise HttpProblem(400, "the body is not a text in UTF-8") from error
    except csv.Error as error:
        raise HttpProblem(400, f"the body is not CSV that can be read ({error})") from error
    lines = [line for line in lines if line]
    if header is None:
        known = set(columns)
        header = bool(lines) and all(name in known for name in lines[0])
    names = lines.pop(0) if header and lines else list(columns)
    for number, line in enumerate(lines):
        if len(line) != len(names):
            raise HttpProblem(
                400,
                f"row {number} of the CSV, counted from 0, has {len(line)} values for {len(names)} columns",
                fix=f"send {', '.join(columns)}, in this order, or a first line with the names of the columns",
            )
    return [dict(zip(names, (cell or None for cell in line), strict=True)) for line in lines]


def records_of_json_lines(body: bytes, columns: Sequence[str]) -> list[Record]:
    """One record, or one list of values, on each line.

    Raises
    ------
    HttpProblem
        400 if a line is something else.
    """
    rows = [decoded(line) for line in body.splitlines() if line.strip()]
    return records_of_list(rows, columns, where="the lines")


def raise_if_unrelated(records: Sequence[Record], columns: Sequence[str]) -> None:
    """Refuse records that have no column of the model: where all may be missing, they would be answered all the same.

    Raises
    ------
    HttpProblem
        400 naming the first one.
    """
    known = set(columns)
    for number, record in enumerate(records):
        if known.isdisjoint(record):
            raise HttpProblem(
                400, "the record has no column of the model", record=number, fix=f"send {', '.join(columns)}"
            )


def reasons_asked(given: Any, *, where: str) -> int:
    """How many reasons the parameters of a request ask for; there is no other parameter.

    Raises
    ------
    HttpProblem
        400 if there is, or it is not a whole number.
    """
    if not given:
        return 0
    if not isinstance(given, dict) or set(given) != {"reasons"}:
        raise HttpProblem(
            400, f"`{where}` has something that is not known here", fix='`{"reasons": 3}` is what there is'
        )
    reasons = given["reasons"]
    if not isinstance(reasons, int) or isinstance(reasons, bool) or not 0 <= reasons <= 9999:
        raise HttpProblem(400, f"`reasons` in `{where}` is not a whole number", field="reasons", fix="e.g. 3")
    return reasons


def flat(answer: Answer) -> dict[str, Any]:
    """An answer as one level of fields, named as the columns that `mlwright predict` writes."""
    fields: dict[str, Any] = {"prediction": answer.prediction}
    if answer.probabilities is not None:
        fields |= {f"probability_{name}": share for name, share in answer.probabilities.items()}
    if answer.interval_low is not None:
        fields |= {"interval_low": answer.interval_low, "interval_high": answer.interval_high}
    return fields


def predictions(answered: Answered) -> list[dict[str, Any]]:
    """Each answer with its id, by which labels are joined, and the version that gave it."""
    return [
        {"id": name, **flat(answer), "version": answered.served.version}
        | ({"reasons": answer.reasons} if answer.reasons else {})
        for name, answer in zip(answered.ids(), answered.answers, strict=True)
    ]
