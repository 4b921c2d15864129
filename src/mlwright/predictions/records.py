"""One answer as bytes: framed by its length and a checksum, so that what was cut off or damaged is recognised.

A segment is a header frame (JSON: format version, worker, layout of the columns) and then one frame per answer.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from zlib import crc32

FORMAT_VERSION = 1

# A byte that UTF-8 never has opens each mark, so that no text inside a record looks like the start of one.
_ANSWER, _HEADER = b"\xffMLA", b"\xffMLH"
_FRAME = struct.Struct("<4sII")  # mark, length of the body, CRC-32 of the body
_BODY = struct.Struct("<qIII")  # microseconds since 1970, lengths of id, version and input; the output is the rest


class Record(NamedTuple):
    """One answer as it was appended; `input` and `output` are JSON."""

    id: str
    time_us: int
    version: str
    input: bytes
    output: bytes


def framed(id: str, time_us: int, version: str, input_json: bytes, output_json: bytes) -> bytes:  # noqa: A002
    """The bytes of one answer."""
    name, maker = id.encode("utf-8", "replace"), version.encode("utf-8", "replace")
    body = _BODY.pack(time_us, len(name), len(maker), len(input_json)) + name + maker + input_json + output_json
    return _FRAME.pack(_ANSWER, len(body), crc32(body)) + body


def framed_header(header: Mapping[str, Any]) -> bytes:
    """The bytes that a segment begins with."""
    body = json.dumps({"format_version": FORMAT_VERSION, **header}).encode()
    return _FRAME.pack(_HEADER, len(body), crc32(body)) + body


class Scan:
    """The records of a segment, in their order.

    Attributes
    ----------
    header
        What the segment says about itself; empty if that is damaged.
    damaged
        How many stretches of bytes were no whole record; complete once the records were read. A process that is
        killed while it writes leaves at most one, at the end, and that record was not acknowledged.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = bytes(data)
        self.damaged = 0
        head = self._body_at(0, _HEADER)
        self.header: dict[str, Any] = {} if head is None else json.loads(head)
        self._start = 0 if head is None else _FRAME.size + len(head)

    def __iter__(self) -> Iterator[Record]:
        self.damaged, position, end = 0, self._start, len(self._data)
        while position < end:
            body = self._body_at(position, _ANSWER)
            if body is None:
                self.damaged += 1
                position = self._next_whole(position + 1)
                continue
            yield _record(body)
            position += _FRAME.size + len(body)

    def _body_at(self, position: int, mark: bytes) -> bytes | None:
        begin = position + _FRAME.size
        if begin > len(self._data):
            return None
        found, length, checksum = _FRAME.unpack_from(self._data, position)
        body = self._data[begin : begin + length]
        whole = found == mark and len(body) == length and crc32(body) == checksum
        return body if whole else None

    def _next_whole(self, position: int) -> int:
        """Where the next whole record begins; after a power failure there may be some behind a damaged one."""
        while (position := self._data.find(_ANSWER, position)) >= 0:
            if self._body_at(position, _ANSWER) is not None:
                return position
            position += 1
        return len(self._data)


def _record(body: bytes) -> Record:
    time_us, of_id, of_version, of_input = _BODY.unpack_from(body)
    version = _BODY.size + of_id
    given = version + of_version
    answer = given + of_input
    return Record(
        body[_BODY.size : version].decode("utf-8", "replace"),
        time_us,
        body[version:given].decode("utf-8", "replace"),
        body[given:answer],
        body[answer:],
    )
