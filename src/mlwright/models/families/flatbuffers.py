"""Tables in the FlatBuffers format, read in place. Whatever lies outside the buffer is refused with an error.

References
----------
FlatBuffers, "Internals" (the binary format).
"""

from __future__ import annotations

import struct
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.number)


class Reader:
    """Sizes and slices, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def size(self) -> int:
        (size,) = struct.unpack_from("<I", self.data, self.at)
        self.at += 4
        return int(size)

    def slice(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise ValueError("the file is cut off")
        self.at += size
        return self.data[self.at - size : self.at]


def root_of(data: bytes) -> Table:
    """The table that a buffer is about."""
    return Table(data, struct.unpack_from("<I", data, 0)[0])


class Table:
    """A table of a FlatBuffer: fields are found by their number, and one that is not there has its default."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at
        self.layout = at - struct.unpack_from("<i", data, at)[0]
        if self.layout < 0:
            raise ValueError("a table lies outside the file")
        self.n_fields = (struct.unpack_from("<H", data, self.layout)[0] - 4) // 2

    def _place(self, field: int) -> int:
        """Where a field stands; 0 if it is not there."""
        if field >= self.n_fields:
            return 0
        (offset,) = struct.unpack_from("<H", self.data, self.layout + 4 + 2 * field)
        return self.at + int(offset) if offset else 0

    def _scalar(self, field: int, code: str, default: float) -> float:
        place = self._place(field)
        return struct.unpack_from(code, self.data, place)[0] if place else default

    def _follow(self, place: int) -> int:
        return int(place + struct.unpack_from("<I", self.data, place)[0])

    def int8(self, field: int) -> int:
        return int(self._scalar(field, "<b", 0))

    def int32(self, field: int, default: int = 0) -> int:
        return int(self._scalar(field, "<i", default))

    def float32(self, field: int, default: float) -> float:
        return self._scalar(field, "<f", default)

    def float64(self, field: int, default: float) -> float:
        return self._scalar(field, "<d", default)

    def table(self, field: int) -> Table | None:
        place = self._place(field)
        return Table(self.data, self._follow(place)) if place else None

    def length(self, field: int) -> int:
        """How long a vector is."""
        place = self._place(field)
        return int(struct.unpack_from("<I", self.data, self._follow(place))[0]) if place else 0

    def array(self, field: int, number: type[Number]) -> NDArray[Number]:
        """A vector of numbers; empty if it is not there."""
        return np.frombuffer(self._vector(field, np.dtype(number).itemsize), number)

    def records(self, field: int, layout: np.dtype[np.void]) -> NDArray[np.void]:
        """A vector of structures; empty if it is not there."""
        return np.frombuffer(self._vector(field, layout.itemsize), layout)

    def _vector(self, field: int, size: int) -> bytes:
        if not self.length(field):
            return b""
        first = self._follow(self._place(field)) + 4
        end = first + self.length(field) * size
        if end > len(self.data):
            raise ValueError("the file is cut off")
        return self.data[first:end]

    def _targets(self, field: int) -> list[int]:
        first = self._follow(self._place(field)) + 4 if self._place(field) else 0
        return [self._follow(first + 4 * i) for i in range(self.length(field))]

    def tables(self, field: int) -> list[Table]:
        return [Table(self.data, at) for at in self._targets(field)]

    def text(self, field: int) -> bytes:
        place = self._place(field)
        return self._text(self._follow(place)) if place else b""

    def texts(self, field: int) -> list[bytes]:
        return [self._text(at) for at in self._targets(field)]

    def _text(self, at: int) -> bytes:
        return self.data[at + 4 : at + 4 + struct.unpack_from("<I", self.data, at)[0]]
