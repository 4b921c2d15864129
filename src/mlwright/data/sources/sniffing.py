"""What kind of text file this is: encoding, delimiter, quotes, header; found out from its first part."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlwright.data.errors import SourceUnreadable

if TYPE_CHECKING:
    from mlwright.spec import Reading

HEAD_BYTES = 262_144
_DELIMITERS = (",", ";", "\t", "|")
_NUMERIC = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?|\d{4}-\d{2}-\d{2}.*")
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How to read a text file.

    `skip_lines` are lines before the first row of values, the header among them.
    """

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    skip_lines: int
    notes: tuple[str, ...] = ()


def sniff(head: bytes, *, complete: bool, reading: Reading, where: str) -> Dialect:
    """Find out how to read a text file.

    Parameters
    ----------
    head
        Its first bytes, decompressed; `complete` if that is all of it.

    Raises
    ------
    SourceUnreadable
        If it is empty, not text, or its header cannot be used.
    """
    notes: list[str] = []
    encoding = reading.encoding or _encoding(head, complete=complete, where=where)
    if encoding not in {"utf-8", "ascii"}:
        notes.append(f"encoding {encoding}")
    text = _decoded(head, encoding, complete=complete, where=where)
    if not text.strip():
        raise SourceUnreadable("the file is empty", where=where, fix="name a file with a header and rows")
    if reading.delimiter and (len(reading.delimiter) > 1 or not reading.delimiter.isascii()):
        raise SourceUnreadable(
            "a delimiter is one plain sign", where="data.reading.delimiter", fix="use one of , ; | or a tab"
        )
    delimiter = reading.delimiter or _delimiter(text)
    if delimiter != ",":
        notes.append(f"delimiter {'tab' if delimiter == chr(9) else delimiter}")
    rows = _rows(text, delimiter)
    preamble = reading.skip_lines
    if preamble == 0:
        preamble = _preamble(rows)
        if preamble:
            notes.append(f"{preamble} line{'s' if preamble > 1 else ''} before the header left out")
    table = [(line, fields) for line, fields in rows if line >= preamble and fields]
    if not table:
        raise SourceUnreadable("the file has no rows", where=where, fix="name a file with a header and rows")
    first_line, first = table[0]
    below = [fields for _, fields in table[1:200]]
    with_header = _is_header(first, below) if reading.header is None else reading.header
    if with_header:
        names = header_names(_as_wide(first, below, notes), where, notes)
        next_line = table[1][0] if len(table) > 1 else first_line + 1
        skip = next_line if len(table) > 1 else _line_after(text, first_line)
    else:
        notes.append("no header: columns are called column_1, column_2 …")
        names = tuple(f"column_{i + 1}" for i in range(len(first)))
        skip = first_line
    return Dialect(encoding=encoding, delimiter=delimiter, names=names, skip_lines=skip, notes=tuple(notes))


def _line_after(text: str, line: int) -> int:
    return min(line + 1, len(text.splitlines()))


def _encoding(head: bytes, *, complete: bool, where: str) -> str:
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    if b"\0" in head[:4096]:
        raise SourceUnreadable("the file is not text", where=where, fix="name a text file, or check its suffix")
    try:
        _utf8(head, complete=complete)
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(head[:65_536], cp_exclusion=["utf_7"]).best()
        # Western text in any of the single-byte sets differs in a few signs only; cp1252 is what Excel writes.
        if best is None or best.encoding in {"latin_1", "cp1250", "cp1252", "cp850", "cp437", "mac_roman", "cp858"}:
            return "cp1252"
        return best.encoding
    return "utf-8"


def _utf8(head: bytes, *, complete: bool) -> str:
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError as error:
        if not complete and error.start >= len(head) - 4:
            return head[: error.start].decode("utf-8")  # a character was cut at the end of the sample
        raise


def _decoded(head: bytes, encoding: str, *, complete: bool, where: str) -> str:
    try:
        text = head.decode(encoding, errors="strict" if complete else "ignore")
    except LookupError as error:
        raise SourceUnreadable(
            f"the encoding {encoding!r} is not known", where="data.reading.encoding", fix="use utf-8 or cp1252"
        ) from error
    except UnicodeDecodeError as error:
        raise SourceUnreadable(
            f"the file is not {encoding} text (byte {error.start})",
            where=where,
            fix="set data.reading.encoding, e.g. to cp1252",
        ) from error
    return text if complete else text[: text.rfind("\n") + 1] or text


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Each row with the number of the line on which it starts, from 0."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows, line = [], 0
    try:
        for fields in reader:
            rows.append((line, fields))
            line = reader.line_num
    except csv.Error:
        pass  # what was read up to here is enough to judge by
    return rows


def _delimiter(text: str) -> str:
    """The sign that cuts the most rows into the same number of fields; of several, into the most numbers."""
    best, best_score = ",", (0.0, 0.0, 0)
    sample = "\n".join(text.splitlines()[:300])
    for delimiter in _DELIMITERS:
        rows = [fields for _, fields in _rows(sample, delimiter) if fields]
        widths = Counter(len(fields) for fields in rows)
        width, count = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]), default=(1, 0))
        if width < 2:
            continue
        # Decimal commas are as regular as delimiters, but what is between them, 5;1 in 1,5;1,2, is no number.
        values = [value.strip() for fields in rows for value in fields]
        score = (count / len(rows), sum(bool(_NUMERIC.fullmatch(v)) for v in values) / len(values), width)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _preamble(rows: list[tuple[int, list[str]]]) -> int:
    """Lines above the table: those with fewer fields than nearly all rows below them have."""
    widths = Counter(len(fields) for _, fields in rows[:500] if fields)
    if not widths:
        return 0
    width = widths.most_common(1)[0][0]
    start = next(i for i, (_, fields) in enumerate(rows) if len(fields) == width)
    below = [fields for _, fields in rows[start:500] if fields]
    if width < 2 or start > 20 or sum(len(fields) == width for fields in below) < 0.8 * len(below):
        return 0
    # A header with one name too few is still the header: its rows end with a delimiter, or begin with a row's name.
    if start > 0 and len(rows[start - 1][1]) == width - 1 > 1:
        ends_blank = all(not fields[-1].strip() for fields in below)
        if _is_header(rows[start - 1][1], below) and (ends_blank or not _is_header(below[0], below[1:])):
            return rows[start - 1][0]
    return rows[start][0]


def _as_wide(header: list[str], below: list[list[str]], notes: list[str]) -> list[str]:
    """A header with a blank name for the field that the rows have more: their last one, or the name of the row."""
    if not below or any(len(fields) != len(header) + 1 for fields in below):
        return header
    if all(not fields[-1].strip() for fields in below):
        notes.append("rows end with a delimiter")
        return [*header, ""]
    notes.append("rows have one field more than the header: their first one is taken for the name of the row")
    return ["", *header]


def _is_header(first: list[str], rest: list[list[str]]) -> bool:
    """Whether the first row names columns: no numbers in it where the rows below have numbers."""
    if not rest:
        return True
    for i, name in enumerate(first):
        below = [fields[i] for fields in rest if len(fields) > i and fields[i].strip()]
        numeric = sum(bool(_NUMERIC.fullmatch(value.strip())) for value in below)
        if below and numeric > 0.8 * len(below) and _NUMERIC.fullmatch(name.strip()):
            return False
    return True


def header_names(header: list[str], where: str, notes: list[str]) -> tuple[str, ...]:
    """The names of a header as they are used: without spaces around them, and `column_N` for one that is blank.

    Raises
    ------
    SourceUnreadable
        If a name stands twice.
    """
    names = [name.strip().strip("\ufeff") for name in header]
    blank = [i for i, name in enumerate(names) if not name]
    for i in blank:
        names[i] = f"column_{i + 1}"
    if blank:
        notes.append(f"{len(blank)} column{'s' if len(blank) > 1 else ''} without a name called column_N")
    refuse_duplicates(names, where)
    return tuple(names)


def refuse_duplicates(names: list[str], where: str) -> None:
    """Stop at two columns of one name: nobody could say which one is meant.

    Raises
    ------
    SourceUnreadable
        Naming them.
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        shown = ", ".join(map(repr, twice[:5]))
        raise SourceUnreadable(
            f"{len(twice)} column name{'s stand' if len(twice) > 1 else ' stands'} twice: {shown}",
            where=f"{where}, the header",
            fix="rename one of each; which one is meant cannot be known",
        )
