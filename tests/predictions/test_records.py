from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlwright.predictions.records import Record, Scan, framed, framed_header

HEADER = framed_header({"worker": "a"})
records = st.builds(
    Record,
    id=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    time_us=st.integers(-(2**62), 2**62),
    version=st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    input=st.binary(max_size=200),
    output=st.binary(max_size=50),
)


@given(st.lists(records, max_size=8))
def test_what_was_framed_is_read_back(written: list[Record]) -> None:
    scan = Scan(HEADER + b"".join(framed(*record) for record in written))
    assert list(scan) == written
    assert scan.header == {"format_version": 1, "worker": "a"}
    assert scan.damaged == 0


@given(st.lists(records, min_size=1, max_size=5), st.data())
def test_a_segment_that_was_cut_off_anywhere_has_all_records_before_the_cut(
    written: list[Record], data: st.DataObject
) -> None:
    frames = [framed(*record) for record in written]
    cut = data.draw(st.integers(0, sum(map(len, frames))))
    scan = Scan(HEADER + b"".join(frames)[:cut])
    ends = [sum(map(len, frames[: number + 1])) for number in range(len(frames))]
    whole = sum(end <= cut for end in ends)
    assert list(scan) == written[:whole]
    assert scan.damaged == int(cut not in {0, *ends})


@given(st.lists(records, min_size=3, max_size=6), st.data())
def test_a_damaged_byte_costs_its_own_record_only(written: list[Record], data: st.DataObject) -> None:
    frames = [framed(*record) for record in written]
    hit = data.draw(st.integers(0, len(frames) - 1))
    place = data.draw(st.integers(0, len(frames[hit]) - 1))
    broken = bytearray(frames[hit])
    broken[place] ^= 0xFF
    scan = Scan(HEADER + b"".join([*frames[:hit], bytes(broken), *frames[hit + 1 :]]))
    found = list(scan)
    assert found[:hit] == written[:hit]
    assert found[len(found) - len(written) + hit + 1 :] == written[hit + 1 :]
    assert scan.damaged >= 1


def test_blocks_of_zeros_from_a_power_failure_are_damage_and_not_records() -> None:
    record = Record("a", 5, "v", b"{}", b"{}")
    scan = Scan(HEADER + bytes(4096) + framed(*record) + bytes(100))
    assert list(scan) == [record]
    assert scan.damaged == 2


def test_a_segment_with_a_damaged_header_still_has_its_records() -> None:
    record = Record("a", 5, "v", b"{}", b"{}")
    scan = Scan(bytes(len(HEADER)) + framed(*record))
    assert scan.header == {}
    assert list(scan) == [record]
