"""Tensors of the Open Inference Protocol: from what a client sends to columns of values, and from values to what it gets.

Values come in the JSON, flat or nested, or behind it as bytes (the binary tensor data extension). A missing value is a null
or NaN in the JSON, NaN in a tensor of floats, an empty text where the column reads that as missing; and a column whose
tensor is left out is missing in all rows.

References
----------
github.com/kserve/open-inference-protocol, `specification/protocol/inference_rest.md`; the extension as Triton and KServe
describe it.
"""

from __future__ import annotations

import struct
from math import prod
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np

from mlwright.serving.http import HttpProblem

Values: TypeAlias = "list[Any]"

#: Little-endian, as the extension has them.
_NUMPY = {
    "BOOL": "?",
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}
DATATYPES = (*_NUMPY, "BYTES")
_LENGTH = struct.Struct("<I")


class InputTensor(msgspec.Struct):
    """A tensor as a client sends it."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class OutputTensor(NamedTuple):
    """A tensor of one value a row."""

    name: str
    datatype: str
    values: Values


class BinaryBody:
    """The part of a body behind its JSON: one tensor after the other."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def take(self, size: Any) -> bytes:
        """The next so many bytes.

        Raises
        ------
        HttpProblem
            400 if there are not so many.
        """
        if not isinstance(size, int) or not 0 <= size <= len(self._content) - self._at:
            raise HttpProblem(
                400,
                "`binary_data_size` is not a number of bytes that stand behind the JSON",
                fix="send the length of the JSON in the header Inference-Header-Content-Length",
            )
        self._at += size
        return self._content[self._at - size : self._at]

    def raise_if_more(self) -> None:
        """Raise 400 if something is left."""
        if self._at != len(self._content):
            raise HttpProblem(400, "behind the JSON there are more bytes than the inputs say in `binary_data_size`")


def values_of(tensor: InputTensor, binary: BinaryBody, *, where: str) -> Values:
    """The values of a tensor in row-major order.

    Parameters
    ----------
    where
        Its place in the request, for messages.

    Raises
    ------
    HttpProblem
        400 if they are not what its shape and datatype say.
    """
    if tensor.datatype not in DATATYPES:
        raise HttpProblem(
            400, f"{where} has a datatype that is not taken here", fix=f"use one of {', '.join(DATATYPES)}"
        )
    if not tensor.shape or min(tensor.shape) < 0:
        raise HttpProblem(400, f"{where} has no shape of whole numbers", fix="e.g. [2] for two rows")
    size = tensor.parameters.get("binary_data_size")
    if "shared_memory_region" in tensor.parameters:
        raise HttpProblem(400, f"{where} is in shared memory, which is not taken here", fix="send its data")
    if (size is None) == (tensor.data is None):
        raise HttpProblem(400, f"{where} has its values neither in `data` nor behind the JSON, or in both")
    if tensor.data is None:
        values = _of_bytes(binary.take(size), tensor.datatype, where)
    else:
        values = _flat(tensor.data, len(tensor.shape), where)
        _check_types(values, tensor.datatype, where)
    if len(values) != prod(tensor.shape):
        raise HttpProblem(400, f"{where} has {len(values)} values, which is not what its shape says")
    return values


def _of_bytes(content: bytes, datatype: str, where: str) -> Values:
    if datatype == "BYTES":
        return _texts(content, where)
    kind = np.dtype(_NUMPY[datatype])
    if len(content) % kind.itemsize:
        raise HttpProblem(400, f"{where} has bytes that are no whole number of {datatype}")
    values: Values = np.frombuffer(content, kind).tolist()
    return values


def _texts(content: bytes, where: str) -> Values:
    """Each text stands behind its length."""
    texts, at = [], 0
    try:
        while at < len(content):
            (length,) = _LENGTH.unpack_from(content, at)
            at += _LENGTH.size + length
            if at > len(content):
                raise HttpProblem(400, f"{where} ends within a text")
            texts.append(content[at - length : at].decode())
    except struct.error as error:
        raise HttpProblem(400, f"{where} ends within the length of a text") from error
    except UnicodeDecodeError as error:
        raise HttpProblem(400, f"{where} has a text that is not UTF-8") from error
    return texts


def _flat(data: Values, dimensions: int, where: str) -> Values:
    """Without the lists of each dimension, if it has them."""
    for _ in range(dimensions - 1):
        if not (data and isinstance(data[0], list)):
            break
        if not all(isinstance(part, list) for part in data):
            raise HttpProblem(400, f"{where} has data that is partly nested")
        data = [value for part in data for value in part]
    return data


_PYTHON: dict[str, tuple[type, ...]] = {"BOOL": (bool,), "BYTES": (str,)}


def _check_types(values: Values, datatype: str, where: str) -> None:
    wanted = _PYTHON.get(datatype, (int, float) if datatype.startswith("FP") else (int,))
    wrong = {value.__class__ for value in values} - {*wanted, type(None)}
    if wrong:
        raise HttpProblem(400, f"{where} has values that are not {datatype}", fix="null is for missing values")


def as_bytes(tensor: OutputTensor) -> bytes:
    """The values as the extension has them."""
    if tensor.datatype == "BYTES":
        return b"".join(_LENGTH.pack(len(text)) + text for text in (value.encode() for value in tensor.values))
    return np.array(tensor.values, _NUMPY[tensor.datatype]).tobytes()
