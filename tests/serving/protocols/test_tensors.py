from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.serving.http import HttpProblem
from mlwright.serving.protocols.tensors import DATATYPES, BinaryBody, InputTensor, OutputTensor, as_bytes, values_of


def values(datatype: str) -> st.SearchStrategy[list[Any]]:
    if datatype == "BYTES":
        return st.lists(st.text(st.characters(blacklist_categories=["Cs"])), min_size=1)
    if datatype == "BOOL":
        return st.lists(st.booleans(), min_size=1)
    size = int(datatype.lstrip("UINTFP"))
    if datatype.startswith("FP"):
        return st.lists(st.floats(width=size, allow_nan=False), min_size=1)  # type: ignore[arg-type]
    low, high = (0, 2**size - 1) if datatype.startswith("U") else (-(2 ** (size - 1)), 2 ** (size - 1) - 1)
    return st.lists(st.integers(low, high), min_size=1)


@given(data=st.data(), datatype=st.sampled_from(DATATYPES))
def test_values_written_as_bytes_are_read_back(data: st.DataObject, datatype: str) -> None:
    sent = data.draw(values(datatype))
    content = as_bytes(OutputTensor("x", datatype, sent))
    tensor = InputTensor("x", [len(sent)], datatype, {"binary_data_size": len(content)})
    binary = BinaryBody(content)
    assert values_of(tensor, binary, where="x") == sent
    binary.raise_if_more()


def test_bytes_are_little_endian_and_texts_stand_behind_their_length() -> None:
    assert as_bytes(OutputTensor("x", "INT32", [1, -1])) == b"\1\0\0\0\xff\xff\xff\xff"
    assert as_bytes(OutputTensor("x", "BYTES", ["é", ""])) == b"\2\0\0\0\xc3\xa9\0\0\0\0"
    assert as_bytes(OutputTensor("x", "FP64", [0.5])) == struct.pack("<d", 0.5)


@pytest.mark.parametrize(("shape", "data"), [([2], [1, 2]), ([2, 1], [[1], [2]]), ([2, 1], [1, 2]), ([1, 2], [[1, 2]])])
def test_data_may_be_flat_or_nested(shape: list[int], data: list[Any]) -> None:
    assert values_of(InputTensor("x", shape, "INT64", data=data), BinaryBody(b""), where="x") == [1, 2]


def test_a_null_is_a_missing_value_in_any_datatype() -> None:
    for datatype in DATATYPES:
        assert values_of(InputTensor("x", [1], datatype, data=[None]), BinaryBody(b""), where="x") == [None]


BAD = {
    "other datatype": InputTensor("x", [1], "BF16", data=[1.0]),
    "no shape": InputTensor("x", [], "FP64", data=[1.0]),
    "negative shape": InputTensor("x", [-1], "FP64", data=[1.0]),
    "huge shape": InputTensor("x", [10**12, 10**12], "FP64", data=[1.0]),
    "fewer values": InputTensor("x", [2], "FP64", data=[1.0]),
    "text for number": InputTensor("x", [1], "FP64", data=["secret"]),
    "number for text": InputTensor("x", [1], "BYTES", data=[5]),
    "float for whole number": InputTensor("x", [1], "INT64", data=[1.5]),
    "true for whole number": InputTensor("x", [1], "INT64", data=[True]),
    "partly nested": InputTensor("x", [2, 1], "FP64", data=[[1.0], 2.0]),
    "nested too deeply": InputTensor("x", [1], "FP64", data=[[1.0]]),
    "object": InputTensor("x", [1], "FP64", data=[{"secret": 1}]),
    "no data": InputTensor("x", [1], "FP64"),
    "data twice": InputTensor("x", [1], "FP64", {"binary_data_size": 8}, [1.0]),
    "more bytes than there are": InputTensor("x", [1], "FP64", {"binary_data_size": 999}),
    "size is no number": InputTensor("x", [1], "FP64", {"binary_data_size": "8"}),
    "negative size": InputTensor("x", [1], "FP64", {"binary_data_size": -8}),
    "bytes of half a number": InputTensor("x", [1], "FP64", {"binary_data_size": 7}),
    "length of a text cut": InputTensor("x", [1], "BYTES", {"binary_data_size": 3}),
    "text cut": InputTensor("x", [1], "BYTES", {"binary_data_size": 5}),
    "shared memory": InputTensor("x", [1], "FP64", {"shared_memory_region": "a"}),
}


@pytest.mark.parametrize("tensor", BAD.values(), ids=BAD)
def test_a_tensor_that_is_not_as_it_says_is_a_bad_request_without_its_values(tensor: InputTensor) -> None:
    with pytest.raises(HttpProblem) as error:
        values_of(tensor, BinaryBody(b"\xff\xff\0\0secret secret"), where="inputs[0]")
    assert error.value.status == 400
    assert "secret" not in error.value.sentence()


def test_bytes_that_no_tensor_takes_are_a_bad_request() -> None:
    with pytest.raises(HttpProblem, match="more bytes"):
        BinaryBody(b"12345678").raise_if_more()


@given(content=st.binary(max_size=60), datatype=st.sampled_from(DATATYPES), size=st.integers(-2, 80))
def test_no_bytes_do_worse_than_a_bad_request(content: bytes, datatype: str, size: int) -> None:
    tensor = InputTensor("x", [1], datatype, {"binary_data_size": size})
    with suppress(HttpProblem):
        (value,) = values_of(tensor, BinaryBody(content), where="x")
        assert isinstance(value, bool | int | float | str)
