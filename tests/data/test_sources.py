"""Every kind of source, with the troubles that real files have; each error says what, where and what to do."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather, parquet
from tests.data.workbook import write_workbook

from mlwright.core import MlwrightError
from mlwright.data import FrameSource, Source, SourceNotFound, SourceUnreadable, open_source, to_table
from mlwright.spec import Query, Reading

#: What stands in rows; an error message must never show it.
SECRET = "Gwendolyn"


class Rows(NamedTuple):
    """What a source gave."""

    columns: dict[str, list[Any]]
    notes: list[str]
    source: Source


def rows_of(source: Source) -> Rows:
    batches = list(source.batches())
    columns = pa.Table.from_batches(batches).to_pydict() if batches else {}
    return Rows(columns, source.notes, source)


def read_file(path: Path, **reading: Any) -> Rows:
    return rows_of(open_source(path.name, folder=path.parent, reading=Reading(**reading)))


def read_bytes(folder: Path, name: str, content: str | bytes, **reading: Any) -> Rows:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(path, **reading)


def refused(call: Callable[[], Any], kind: type[MlwrightError] = SourceUnreadable) -> MlwrightError:
    """The error of a call: three lines, without the values of any row."""
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    what, where, fix = str(error).split("\n")
    assert what
    assert where.startswith("  where  ")
    assert fix.startswith("  fix    ")
    assert where.strip() != "where"
    assert fix.strip() != "fix"
    assert SECRET not in str(error)
    return error


# ----------------------------------------------------------------------------------------------------- text files

LINES = [f"{i},{i / 4},w{i}" for i in range(30)]
PLAIN = "\n".join(["a,b,c", *LINES]) + "\n"
COLUMNS = {
    "a": [str(i) for i in range(30)],
    "b": [str(i / 4) for i in range(30)],
    "c": [f"w{i}" for i in range(30)],
}


def test_a_plain_file_is_read_as_text_without_a_remark(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, "a.csv", PLAIN)
    assert found.columns == COLUMNS
    assert found.notes == []
    assert found.source.description == "a.csv"


@pytest.mark.parametrize(
    ("name", "sign", "note"),
    [("a.csv", ";", "delimiter ;"), ("a.tsv", "\t", "delimiter tab"), ("a.txt", "|", "delimiter |")],
)
def test_delimiters_are_found(tmp_path: Path, name: str, sign: str, note: str) -> None:
    found = read_bytes(tmp_path, name, PLAIN.replace(",", sign))
    assert found.columns == COLUMNS
    assert found.notes == [note]


@pytest.mark.parametrize("header", ["a;b\n", ""])
def test_decimal_commas_are_no_delimiters(tmp_path: Path, header: str) -> None:
    content = header + "".join(f"{i},5;{i},25\n" for i in range(400))
    first, second = read_bytes(tmp_path, "a.csv", content).columns.values()
    assert (first[1], second[1]) == ("1,5", "1,25")


def test_many_commas_inside_fields_are_no_delimiters(tmp_path: Path) -> None:
    content = "name;address\n" + "".join(f"Miller, Ann, Dr.;Street {i}, 1000, City\n" for i in range(400))
    found = read_bytes(tmp_path, "a.csv", content)
    assert list(found.columns) == ["name", "address"]
    assert found.columns["name"][0] == "Miller, Ann, Dr."


def test_semicolons_inside_fields_are_no_delimiters(tmp_path: Path) -> None:
    content = 'id,"x;y",z\n' + "".join(f'{i},"{i};{i}",{i}\n' for i in range(30))
    assert list(read_bytes(tmp_path, "a.csv", content).columns) == ["id", "x;y", "z"]


def test_quotes_hold_delimiters_quotes_and_newlines(tmp_path: Path) -> None:
    content = 'id,"free\ntext"\n' + '1,"one, ""two""\nthree"\n' * 10
    found = read_bytes(tmp_path, "a.csv", content)
    assert found.columns == {"id": ["1"] * 10, "free\ntext": ['one, "two"\nthree'] * 10}


@given(rows=st.lists(st.lists(st.text("ab,;\"' \n\té|", max_size=5), min_size=2, max_size=2), min_size=1, max_size=30))
def test_what_a_csv_writer_wrote_is_read_back(rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["first", "second"])
        writer.writerows(rows)
    first, second = read_file(path, delimiter=",").columns.values()
    assert [list(pair) for pair in zip(first, second, strict=True)] == rows


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n\n"])
def test_line_ends_of_every_system_and_blank_lines_are_fine(tmp_path: Path, ending: str) -> None:
    assert read_bytes(tmp_path, "a.csv", PLAIN.replace("\n", ending)).columns == COLUMNS


def test_the_last_line_may_lack_its_end(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "a.csv", PLAIN.rstrip("\n")).columns == COLUMNS


WORDS = {"utf-8-sig": "é ü 日本", "utf-16": "é ü 日本", "cp1252": "Müller – café", "cp1251": "Москва и область"}


@pytest.mark.parametrize("encoding", WORDS)
def test_encodings_are_found(tmp_path: Path, encoding: str) -> None:
    word = WORDS[encoding]
    content = (f"{word},n\n" + "".join(f"{word} {i},{i}\n" for i in range(40))).encode(encoding)
    found = read_bytes(tmp_path, "a.csv", content)
    assert found.columns == {word: [f"{word} {i}" for i in range(40)], "n": [str(i) for i in range(40)]}
    assert found.notes == [f"encoding {encoding}"]


def test_a_file_in_utf_8_whose_sample_ends_inside_a_letter_is_utf_8(tmp_path: Path) -> None:
    for shift in range(3):
        content = "x,y\n" + "a" * shift + "," + "日" * 100_000 + "\n1,2\n"
        assert len(read_bytes(tmp_path, "a.csv", content).columns["x"]) == 2


def test_the_encoding_of_the_spec_wins(tmp_path: Path) -> None:
    content = "name,n\nŁódź,1\n".encode("cp1250")
    assert read_bytes(tmp_path, "a.csv", content, encoding="cp1250").columns["name"] == ["Łódź"]


def test_lines_above_the_header_are_left_out_and_told(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, "a.csv", f"Report of May\n\nby {SECRET}, sales\n" + PLAIN)
    assert found.columns == COLUMNS
    assert found.notes == ["3 lines before the header left out"]
    assert read_bytes(tmp_path, "b.csv", "Report\n" * 9 + PLAIN).columns == COLUMNS
    assert read_bytes(tmp_path, "c.csv", "x,y,z\nx,y,z\n" + PLAIN, skip_lines=2).columns == COLUMNS


def test_a_file_without_a_header_gets_names(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, "a.csv", "\n".join(LINES))
    assert list(found.columns) == ["column_1", "column_2", "column_3"]
    assert found.columns["column_3"] == COLUMNS["c"]
    assert found.notes == ["no header: columns are called column_1, column_2 …"]


def test_the_spec_says_whether_there_is_a_header(tmp_path: Path) -> None:
    years = "2019,2020\n" + "1,2\n" * 30
    assert list(read_bytes(tmp_path, "a.csv", years, header=True).columns) == ["2019", "2020"]
    assert read_bytes(tmp_path, "b.csv", PLAIN, header=False).columns["column_1"][0] == "a"


def test_blank_names_are_numbered_and_spaces_around_names_are_left_out(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, "a.csv", PLAIN.replace("a,b,c", " a ,,c", 1))
    assert list(found.columns) == ["a", "column_2", "c"]
    assert found.notes == ["1 column without a name called column_N"]


def test_names_that_stand_twice_are_an_error(tmp_path: Path) -> None:
    error = refused(lambda: read_bytes(tmp_path, "a.csv", PLAIN.replace("a,b,c", "a,b,a ", 1)))
    assert error.what == "1 column name stands twice: 'a'"
    assert "a.csv, the header" in error.where


@pytest.mark.parametrize("text_only", [True, False])
def test_a_delimiter_at_the_end_of_each_row_makes_one_more_column(tmp_path: Path, text_only: bool) -> None:
    lines = [f"u{i},v{i},w{i}" for i in range(30)] if text_only else LINES
    for header in ("a,b,c", "a,b,c,"):
        found = read_bytes(tmp_path, "a.csv", "\n".join([header, *(f"{line}," for line in lines)]))
        assert list(found.columns) == ["a", "b", "c", "column_4"]
        assert len(found.columns["a"]) == 30
        assert found.columns["column_4"] == [""] * 30


def test_row_names_without_a_name_of_their_own_do_not_move_the_header(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, "a.csv", "\n".join(["a,b,c", *(f'"{i}",{line}' for i, line in enumerate(LINES))]))
    assert list(found.columns) == ["column_1", "a", "b", "c"]
    assert {name: found.columns[name] for name in "abc"} == COLUMNS
    assert "taken for the name of the row" in found.notes[0]


RAGGED = PLAIN + f"1,2\n{SECRET},2,3,4\n" + "\n".join(LINES) + '\n"x\ny",2\n'


def test_ragged_rows_are_an_error_with_their_lines(tmp_path: Path) -> None:
    error = refused(lambda: read_bytes(tmp_path, "a.csv", RAGGED))
    assert error.what == (
        "3 lines do not have 3 fields as the header does: line 32 has 2, line 33 has 4, line 65 has 2"
    )
    assert "skip_ragged_rows" in error.fix


def test_ragged_rows_are_left_out_and_counted_if_the_spec_says_so(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, "a.csv", RAGGED, skip_ragged_rows=True)
    assert found.columns["c"] == COLUMNS["c"] * 2
    assert found.notes == ["3 lines with too many or too few fields left out"]
    list(found.source.batches())
    assert found.notes == ["3 lines with too many or too few fields left out"]


def test_a_ragged_row_after_a_very_long_field_is_an_error_too(tmp_path: Path) -> None:
    long = f"{PLAIN}1,2\n3,4,{SECRET}{'x' * 200_000}\n"
    assert "line 32 has 2" in refused(lambda: read_bytes(tmp_path, "a.csv", long)).what


def test_a_quote_that_is_never_closed_is_an_error(tmp_path: Path) -> None:
    refused(lambda: read_bytes(tmp_path, "a.csv", f'{PLAIN}1,"{SECRET}\n2,3,4\n'))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
def test_compressed_files_are_decompressed_by_their_name(tmp_path: Path, suffix: str) -> None:
    content = PLAIN + "\n".join(LINES * 3000)  # more than the sample that is looked at
    codec = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}[suffix]
    path = tmp_path / f"a.csv{suffix}"
    with pa.output_stream(str(path), compression=codec) as stream:
        stream.write(content.encode())
    assert len(read_file(path).columns["a"]) == 90_030


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz"])
@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda _: f"x,{SECRET}\n".encode()], ids=["cut", "plain"])
def test_a_damaged_compressed_file_is_an_error(tmp_path: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    content = PLAIN.encode() if "csv" in name else b'{"a": 1}\n' * 50
    error = refused(lambda: read_bytes(tmp_path, name, damage(gzip.compress(content))))
    assert error.what == "the file cannot be read"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "the file is empty"),
        (" \n\n \n", "the file is empty"),
        (bytes(range(256)) * 20, "the file is not text"),
        (b"PK\x03\x04\x00\x00" * 100, "the file is not text"),
    ],
)
def test_what_is_no_text_file_is_an_error(tmp_path: Path, content: str | bytes, what: str) -> None:
    assert refused(lambda: read_bytes(tmp_path, "a.csv", content)).what == what


def test_noise_without_a_zero_byte_is_no_text_file_either(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(1, 256, 5000).astype(np.uint8).tobytes()
    refused(lambda: read_bytes(tmp_path, "a.csv", noise))


@pytest.mark.parametrize("content", ["a,b,c\n", "a,b,c", "a;b;c\r\n"])
def test_a_header_alone_is_a_table_without_rows(tmp_path: Path, content: str) -> None:
    assert read_bytes(tmp_path, "a.csv", content).columns == {}


def test_letters_of_another_encoding_late_in_the_file_are_an_error(tmp_path: Path) -> None:
    content = PLAIN.encode() + "\n".join(LINES * 1000).encode() + f"\n1,{SECRET}\xfc,2\n".encode("latin-1")
    error = refused(lambda: read_bytes(tmp_path, "a.csv", content))
    assert error.what == "some of the file is not utf-8 text"
    assert "data.reading.encoding" in error.fix


@pytest.mark.parametrize(
    ("reading", "what"),
    [
        ({"encoding": "klingon"}, "the encoding 'klingon' is not known"),
        ({"encoding": "ascii"}, "the file is not ascii text"),
        ({"delimiter": "::"}, "a delimiter is one plain sign"),
        ({"delimiter": "§"}, "a delimiter is one plain sign"),
        ({"skip_lines": 99}, "the file has no rows"),
    ],
)
def test_a_reading_that_cannot_be_is_an_error(tmp_path: Path, reading: dict[str, Any], what: str) -> None:
    assert refused(lambda: read_bytes(tmp_path, "a.csv", PLAIN + "é,2,3\n", **reading)).what.startswith(what)


# ----------------------------------------------------------------------------------------- parquet, arrow, feather

FRAME = pl.DataFrame(
    {
        "n": [1, 2, None],
        "x": [0.5, None, 2.5],
        "s": ["a", None, "b"],
        "t": [True, False, None],
        "d": [dt.date(2020, 1, 2), None, dt.date(2021, 1, 2)],
    }
)


def write_parquet(path: Path) -> None:
    FRAME.write_parquet(path)


def write_arrow_file(path: Path) -> None:
    FRAME.write_ipc(path)  # with views of strings, as Polars writes them


def write_arrow_stream(path: Path) -> None:
    table = FRAME.to_arrow()
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def write_feather(path: Path) -> None:
    feather.write_feather(FRAME.to_arrow(), str(path))


COLUMNAR: dict[str, Callable[[Path], None]] = {
    "a.parquet": write_parquet,
    "a.pq": write_parquet,
    "a.arrow": write_arrow_file,
    "a.ipc": write_arrow_stream,
    "a.feather": write_feather,
}


@pytest.mark.parametrize("name", COLUMNAR)
def test_stored_columns_keep_their_types_and_values(tmp_path: Path, name: str) -> None:
    COLUMNAR[name](tmp_path / name)
    assert read_file(tmp_path / name).columns == FRAME.to_dict(as_series=False)


@pytest.mark.parametrize("name", COLUMNAR)
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99])
def test_damaged_files_are_an_error(tmp_path: Path, name: str, keep: float) -> None:
    path = tmp_path / name
    COLUMNAR[name](path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    if name == "a.ipc" and keep > 0.9:
        return  # a stream without its end mark is whole
    assert "damaged" in refused(lambda: read_file(path)).what


def test_parquet_with_a_damaged_page_is_an_error(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet")
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[8:60] = b"\xff" * 52
    refused(lambda: read_bytes(tmp_path, "a.parquet", bytes(content)))


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_text_called_a_columnar_file_is_an_error(tmp_path: Path, name: str) -> None:
    refused(lambda: read_bytes(tmp_path, name, f"id,name\n1,{SECRET}\n" * 20))


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.ipc"])
def test_two_stored_columns_of_one_name_are_an_error(tmp_path: Path, name: str) -> None:
    table = pa.table([[1], [2]], names=["a", "a"])
    if name == "a.parquet":
        parquet.write_table(table, tmp_path / name)
    else:
        make = pa.ipc.new_file if name == "a.arrow" else pa.ipc.new_stream
        with pa.OSFile(str(tmp_path / name), "wb") as file, make(file, table.schema) as writer:
            writer.write_table(table)
    assert "stands twice: 'a'" in refused(lambda: read_file(tmp_path / name)).what


def test_parquet_without_rows_is_a_table_without_rows(tmp_path: Path) -> None:
    FRAME.head(0).write_parquet(tmp_path / "a.parquet")
    assert not any(read_file(tmp_path / "a.parquet").columns.values())


# ------------------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("as_array", [False, True])
def test_json_objects_may_lack_keys_and_mix_types(tmp_path: Path, as_array: bool) -> None:
    rows = [{"a": 1, "b": "x"}, {"b": "y", "c": True}, {"a": 2.5, "m": 1}, {"a": None, "m": "two"}]
    content = json.dumps(rows, indent=1) if as_array else "\n".join(map(json.dumps, rows)) + "\n\n"
    found = read_bytes(tmp_path, "a.json" if as_array else "a.jsonl", content)
    assert found.columns == {
        "a": [1, None, 2.5, None],
        "b": ["x", "y", None, None],
        "c": [None, True, None, None],
        "m": [None, None, "1", "two"],
    }


def test_a_type_that_changes_late_in_the_file_loses_nothing(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, "a.jsonl", '{"a": 1}\n' * 5000 + '{"a": "x"}\n')
    assert found.columns["a"] == ["1"] * 5000 + ["x"]


def test_numbers_too_large_for_64_bits_are_floats(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, "a.jsonl", '{"a": 123456789012345678901234567890}\n{"a": 1}\n')
    assert found.columns == {"a": [1.2345678901234568e29, 1.0]}


def test_json_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"a": "x"}\n').columns == {"a": ["x"]}


@pytest.mark.parametrize(
    "content",
    [
        f'{{"a": "{SECRET}"}}\n{SECRET}\n',
        '{"a": 1}\n{"a":\n',
        "1\n2\n",
        "[1, 2]",
        "[[1, 2], [3, 4]]",
        '{\n "a": 1,\n "b": 2\n}\n',
        b'{"a": "\xff"}\n',
        "",
        "\n\n",
    ],
)
def test_what_is_not_one_object_a_line_is_an_error(tmp_path: Path, content: str | bytes) -> None:
    error = refused(lambda: read_bytes(tmp_path, "a.jsonl", content))
    assert error.what in {"the file is not JSON lines", "the file is empty"}


def test_an_empty_json_array_is_a_table_without_rows(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "a.json", "[]").columns == {}


# ------------------------------------------------------------------------------------------------------------ Excel

SHEET: list[list[Any]] = [
    ["id", " age ", "member", "joined", "mixed", None],
    [1, 2.5, True, dt.date(2020, 1, 2), "x", 7],
    [2, None, False, dt.date(2020, 1, 3), 3, 8],
]


def test_a_sheet_is_read_with_its_types(tmp_path: Path) -> None:
    found = read_file(write_workbook(tmp_path / "a.xlsx", {"people": SHEET}))
    assert found.columns == {
        "id": [1, 2],
        "age": [2.5, None],
        "member": [True, False],
        "joined": [dt.datetime(2020, 1, 2), dt.datetime(2020, 1, 3)],  # noqa: DTZ001 - a sheet has no zones
        "mixed": ["x", "3"],
        "column_6": [7, 8],
    }
    assert isinstance(found.columns["id"][0], int)
    assert found.notes == ["1 column without a name called column_N"]


def test_a_type_that_changes_far_down_a_sheet_loses_nothing(tmp_path: Path) -> None:
    rows: list[list[Any]] = [["a"], *([i] for i in range(2000)), ["last"]]
    found = read_file(write_workbook(tmp_path / "a.xlsx", {"s": rows}))
    assert found.columns["a"][-2:] == ["1999", "last"]


def test_the_spec_chooses_the_sheet_by_name_or_number(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "a.xlsx", {"one": [["a"], [1]], "two": [["b"], [2]]})
    assert read_file(path).columns == {"a": [1]}
    assert read_file(path).notes == ["sheet 'one' of 2"]
    assert read_file(path, sheet="two").columns == {"b": [2]}
    assert read_file(path, sheet=1).columns == {"b": [2]}
    assert refused(lambda: read_file(path, sheet="twoo")).fix == "did you mean 'two'?"
    assert refused(lambda: read_file(path, sheet=2)).what == "there is no sheet number 2"


def test_lines_above_the_header_of_a_sheet_are_left_out_as_the_spec_says(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "a.xlsx", {"s": [["Report"], [], ["a", "b"], [1, 2]]})
    assert read_file(path, skip_lines=2).columns == {"a": [1], "b": [2]}


def test_a_sheet_without_a_header_gets_names_as_the_spec_says(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "a.xlsx", {"s": [[1, "x"], [2, "y"]]})
    assert read_file(path, header=False).columns == {"column_1": [1, 2], "column_2": ["x", "y"]}


@pytest.mark.parametrize("rows", [[], [["a", "b"]]])
def test_an_empty_sheet_is_a_table_without_rows(tmp_path: Path, rows: list[list[Any]]) -> None:
    assert not any(read_file(write_workbook(tmp_path / "a.xlsx", {"s": rows})).columns.values())


def test_names_that_stand_twice_in_a_sheet_are_an_error(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "a.xlsx", {"s": [["a", "a "], [1, SECRET]]})
    assert "stands twice: 'a'" in refused(lambda: read_file(path)).what


@pytest.mark.parametrize("content", [b"no workbook", b"PK\x03\x04 nothing in it", b""])
def test_what_is_no_workbook_is_an_error(tmp_path: Path, content: bytes) -> None:
    assert "Excel" in refused(lambda: read_bytes(tmp_path, "a.xlsx", content)).what


# ----------------------------------------------------------------------------------------------------------- SQLite


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("create table sales (id integer, amount, name text, gone, code blob)")
    rows = [
        (1, 2, SECRET, None, b"x"),
        (2, 2.5, "Bob", None, None),
        (3, "three", None, None, "y"),
        (4, None, "Eve", None, 3),
    ]
    connection.executemany("insert into sales values (?, ?, ?, ?, ?)", rows)
    connection.execute("create table old (name text)")
    connection.execute("insert into old values (cast(x'4777656e646f6c796efc' as text))")  # not UTF-8
    connection.commit()
    connection.close()
    return path


def query(database: Path, sql: str) -> Rows:
    return rows_of(open_source(Query(url=f"sqlite:///{database.name}", query=sql), folder=database.parent))


def test_a_query_returns_columns_in_the_type_of_their_values(database: Path) -> None:
    found = query(database, "select id, amount, name, gone from sales order by id")
    assert found.columns == {
        "id": [1, 2, 3, 4],
        "amount": ["2", "2.5", "three", None],
        "name": [SECRET, "Bob", None, "Eve"],
        "gone": [None] * 4,
    }
    assert query(database, "select amount from sales where id < 3").columns == {"amount": [2.0, 2.5]}
    assert query(database, "select 9223372036854775807 as n").columns == {"n": [2**63 - 1]}
    assert found.source.description == "sqlite:///shop.db"
    assert found.source.fingerprint() is None


def test_a_database_may_be_named_by_its_absolute_path(database: Path) -> None:
    source = open_source(Query(url=f"sqlite:///{database}", query="select 1 as a"), folder=Path("/"))
    assert rows_of(source).columns == {"a": [1]}


def test_a_query_without_rows_is_a_table_without_rows(database: Path) -> None:
    assert query(database, "select * from sales where id > 9").columns == {}


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("select * from sals", "no such table: sals"),
        ("select ammount from sales", "no such column: ammount"),
        ("selec 1", "syntax error"),
        ("select 1; select 2", "one statement"),
        ("", "the query returns no columns"),
        ("select id, id from sales", "stands twice: 'id'"),
        ("select name from old", "Could not decode to UTF-8 column 'name'"),
    ],
)
def test_a_query_that_cannot_be_answered_is_an_error(database: Path, sql: str, what: str) -> None:
    assert what in refused(lambda: query(database, sql)).what


@pytest.mark.parametrize("sql", ["delete from sales", "drop table sales", "attach 'other.db' as other"])
def test_a_query_cannot_change_or_make_anything(database: Path, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(database.parent)
    before = database.read_bytes()
    refused(lambda: query(database, sql))
    assert database.read_bytes() == before
    assert sorted(p.name for p in database.parent.iterdir()) == ["shop.db"]


def test_a_database_that_is_none_or_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text(f"{SECRET} " * 500)
    assert "not a database" in refused(lambda: query(tmp_path / "text.db", "select * from a")).what
    assert "no such database" in refused(lambda: query(tmp_path / "none.db", "select 1"), SourceNotFound).what


def test_an_unknown_kind_of_database_is_an_error_without_the_password() -> None:
    url = f"postgress://ann:{SECRET}@host/shop"
    error = refused(lambda: open_source(Query(url=url, query="select 1"), folder=Path()))
    assert "did you mean 'postgres' or 'postgresql'?" in error.fix


def test_a_variable_that_is_not_set_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_PASSWORD", raising=False)
    url = "postgresql://ann:${SHOP_PASSWORD}@host/shop"
    error = refused(lambda: open_source(Query(url=url, query="select 1"), folder=Path()))
    assert error.what == "the environment variable SHOP_PASSWORD is not set"


def test_a_variable_of_the_url_comes_from_the_environment(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP", database.name)
    source = open_source(Query(url="sqlite:///${SHOP}", query="select 1 as a"), folder=database.parent)
    assert rows_of(source).columns == {"a": [1]}


# ------------------------------------------------------------------------------------------ paths, globs, folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    months = tmp_path / "months"
    for number, name in enumerate(["2021-01.csv", "2021-02.csv", "deep/2021-03.csv"]):
        path = months / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"month,n\n{number},1\n")
    return tmp_path


def months(found: Rows) -> list[str]:
    return list(found.columns["month"])


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("months/2021-01.csv", ["0"]),
        ("months/*.csv", ["0", "1"]),
        ("months/2021-0[12].csv", ["0", "1"]),
        ("months/**/*.csv", ["0", "1", "2"]),
        ("months", ["0", "1", "2"]),
        ("months/../months/2021-02.csv", ["1"]),
    ],
)
def test_a_source_is_a_path_a_glob_or_a_folder(folder: Path, location: str, expected: list[str]) -> None:
    found = rows_of(open_source(location, folder=folder))
    assert months(found) == expected
    assert location in found.source.description


def test_an_absolute_path_needs_no_folder(folder: Path) -> None:
    assert months(rows_of(open_source(str(folder / "months/2021-02.csv"), folder=Path("/")))) == ["1"]
    assert months(rows_of(open_source(f"file://{folder}/months/*.csv", folder=Path("/")))) == ["0", "1", "2"]


def test_what_writers_leave_in_a_folder_is_not_read(folder: Path) -> None:
    for name in ("_SUCCESS", ".crc", "_delta_log/0.json", ".ipynb_checkpoints/2021-01.csv"):
        (folder / "months" / name).parent.mkdir(exist_ok=True)
        (folder / "months" / name).write_text("x")
    assert months(rows_of(open_source("months", folder=folder))) == ["0", "1", "2"]


def test_a_name_with_signs_of_a_glob_is_a_name_if_there_is_such_a_file(folder: Path) -> None:
    (folder / "sales [1].csv").write_text("month,n\n7,1\n")
    assert months(rows_of(open_source("sales [1].csv", folder=folder))) == ["7"]


def test_a_missing_file_is_an_error_with_the_nearest_name(folder: Path) -> None:
    error = refused(lambda: open_source("months/2021_02.csv", folder=folder), SourceNotFound)
    assert error.fix == "did you mean 2021-02.csv or 2021-01.csv?"


@pytest.mark.parametrize("location", ["months/*.parquet", "nowhere/a.csv", "mon**.csv", "months/zzzzzz"])
def test_a_location_without_files_is_an_error(folder: Path, location: str) -> None:
    assert "no such file" in refused(lambda: open_source(location, folder=folder), SourceNotFound).what


def test_files_of_different_types_or_columns_are_an_error(folder: Path) -> None:
    (folder / "months" / "odd.jsonl").write_text('{"month": 1}\n')
    assert "different types" in refused(lambda: open_source("months", folder=folder)).what
    (folder / "months" / "2021-04.csv").write_text("month,price\n1,2\n")
    assert "different columns" in refused(lambda: open_source("months/*.csv", folder=folder)).what


def test_the_fingerprint_of_files_is_that_of_their_bytes(folder: Path) -> None:
    one = open_source("months/2021-01.csv", folder=folder)
    several = open_source("months/*.csv", folder=folder)
    before = (one.fingerprint(), several.fingerprint())
    assert before[0] != before[1]
    assert before == (one.fingerprint(), several.fingerprint())
    (folder / "months/2021-02.csv").write_text("month,n\n9,9\n")
    assert one.fingerprint() == before[0]
    assert several.fingerprint() != before[1]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("table.dat", lambda path: path.write_text(PLAIN)),
        ("table", lambda path: path.write_text(PLAIN.replace(",", ";"))),
        ("table.log", lambda path: path.write_text('{"a": "1"}\n{"a": "2"}\n')),
        ("table.log", lambda path: path.write_text('[{"a": "1"}, {"a": "2"}]')),
        ("table.bin", lambda path: pl.DataFrame({"a": ["1", "2"]}).write_parquet(path)),
        ("table.bin", lambda path: pl.DataFrame({"a": ["1", "2"]}).write_ipc(path)),
        ("table.bin", lambda path: write_workbook(path, {"s": [["a"], ["1"], ["2"]]})),
    ],
    ids=["csv", "no suffix", "json lines", "json array", "parquet", "arrow", "excel"],
)
def test_a_file_without_a_known_suffix_is_looked_into(
    tmp_path: Path, name: str, write: Callable[[Path], object]
) -> None:
    write(tmp_path / name)
    found = read_file(tmp_path / name).columns["a"]
    assert found[0] in {"0", "1"}
    assert len(found) in {2, 30}


def test_a_file_of_an_unknown_kind_is_an_error(tmp_path: Path) -> None:
    error = refused(lambda: read_bytes(tmp_path, "photo.png", b"\x89PNG\r\n\x1a\n\0\0\0"))
    assert error.what == "the file type .png is not known"


# ----------------------------------------------------------------------------------------------------- data frames


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME.lazy(),
        FRAME.to_arrow(),
        FRAME.to_arrow().to_batches()[0],
        FRAME.with_columns(pl.col("s").cast(pl.Categorical)),
    ],
    ids=["polars", "lazy", "arrow table", "arrow batch", "categorical"],
)
def test_frames_of_polars_and_arrow_are_tables(frame: Any) -> None:
    assert to_table(frame).to_pydict() == FRAME.to_dict(as_series=False)


def test_a_frame_says_how_many_rows_it_has_and_comes_in_batches() -> None:
    source: Source = FrameSource(pl.DataFrame({"a": range(200_000)}))
    assert source.description == "a data frame (200,000 rows)"
    assert sum(batch.num_rows for batch in source.batches()) == 200_000
    assert max(batch.num_rows for batch in source.batches()) < 100_000
    assert source.fingerprint() is None


@pytest.mark.parametrize("thing", [{"a": [1]}, [[1]], np.zeros((2, 2)), pl.Series([1]), "a.csv", 5, None])
def test_what_is_no_data_frame_is_an_error(thing: Any) -> None:
    assert type(thing).__name__ in refused(lambda: to_table(thing)).what


def test_a_frame_with_two_columns_of_one_name_is_an_error() -> None:
    assert "stands twice: 'a'" in refused(lambda: to_table(pa.table([[1], [2]], names=["a", "a"]))).what


@pytest.mark.frames
class TestPandasAndDuckDB:
    def test_columns_of_objects_of_mixed_types_are_text(self) -> None:
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(
            {
                "mixed": ["x", 1, 2.5, None, float("nan"), pd.NaT, pd.NA],
                "large": [2**70, 1, 2, 3, 4, 5, 6],
                "complex": [1 + 2j] * 7,
                "numbers": [1, None, 3, None, 5, 6, 7],
                "words": ["a", None, "b", "c", "d", "e", "f"],
            }
        ).astype({"mixed": object, "words": object})
        found = to_table(frame).to_pydict()
        assert found["mixed"] == ["x", "1", "2.5", None, None, None, None]
        assert found["large"][:2] == [str(2**70), "1"]
        assert found["complex"][0] == "(1+2j)"
        assert found["numbers"] == [1, None, 3, None, 5, 6, 7]
        assert found["words"][:3] == ["a", None, "b"]

    def test_pandas_types_of_its_own_keep_their_meaning(self) -> None:
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(
            {
                "category": pd.Categorical(["x", None, "y"]),
                "codes": pd.Categorical([1, None, 2]),
                "integer": pd.array([1, None, 3], dtype="Int64"),
                "truth": pd.array([True, None, False], dtype="boolean"),
                "string": pd.array(["a", None, "b"], dtype="string"),
                "moment": pd.to_datetime(["2020-06-01 12:00", None, "2020-06-02 12:00"]).tz_localize("Europe/Paris"),
                "sparse": pd.arrays.SparseArray([0, 0, 1]),
                "duration": pd.to_timedelta([1, None, 2], unit="h"),
            },
            index=["p", "q", "r"],
        )
        table = to_table(frame)
        found = table.to_pydict()
        assert found["category"] == ["x", None, "y"]
        assert found["codes"] == [1, None, 2]
        assert found["integer"] == [1, None, 3]
        assert found["truth"] == [True, None, False]
        assert found["string"] == ["a", None, "b"]
        assert found["moment"][0] == dt.datetime(2020, 6, 1, 10, 0, tzinfo=dt.UTC)
        assert found["sparse"] == [0, 0, 1]
        assert found["duration"][0] == dt.timedelta(hours=1)
        assert table.column_names == list(frame.columns)

    def test_names_that_are_no_texts_become_texts(self) -> None:
        pd = pytest.importorskip("pandas")
        assert to_table(pd.DataFrame([[1, 2]], columns=[0, "b"])).column_names == ["0", "b"]

    @pytest.mark.parametrize("names", [["a", "a"], [0, "0"]])
    def test_two_pandas_columns_of_one_name_are_an_error(self, names: list[Any]) -> None:
        pd = pytest.importorskip("pandas")
        assert "stands twice" in refused(lambda: to_table(pd.DataFrame([[1, 2]], columns=names))).what

    def test_a_pandas_series_is_no_table(self) -> None:
        pd = pytest.importorskip("pandas")
        refused(lambda: to_table(pd.Series([1, 2])))

    def test_a_duckdb_relation_is_a_table(self) -> None:
        duckdb = pytest.importorskip("duckdb")
        relation = duckdb.sql("select 1 as a, 'x' as b, 1.5::decimal(10,2) as c, date '2020-01-01' as d")
        found = to_table(relation).to_pydict()
        assert (found["a"], found["b"], found["d"]) == ([1], ["x"], [dt.date(2020, 1, 1)])
        assert float(found["c"][0]) == 1.5


# ------------------------------------------------------------------------------------------------------- PostgreSQL


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def postgres_binary(name: str) -> str:
    places = [shutil.which(name), *map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))]
    found = next((place for place in places if place), None)
    if found is None:
        pytest.skip(f"PostgreSQL is not installed here: no {name} on PATH or in /usr/lib/postgresql")
    return found


def unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root, so root runs it as somebody else."""
    if os.geteuid() != 0:
        return None
    import pwd

    for user in ("postgres", "nobody"):
        try:
            pwd.getpwnam(user)
        except KeyError:
            continue
        return user
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


class Postgres(NamedTuple):
    """A server on loopback."""

    port: int

    def url(self, password: str = "right") -> str:
        return f"postgresql://ann:{password}@127.0.0.1:{self.port}/postgres"

    def query(self, sql: str, url: str | None = None) -> Rows:
        return rows_of(open_source(Query(url=url or self.url(), query=sql), folder=Path()))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    pytest.importorskip("adbc_driver_postgresql", reason="needs pip install 'mlwright[postgres]'")
    initdb, server = postgres_binary("initdb"), postgres_binary("postgres")
    home = tmp_path_factory.mktemp("postgres")
    user, password = unprivileged_user(), home / "password"
    password.write_text("right")
    if user is not None:
        shutil.chown(home, user)
        shutil.chown(password, user)
        for parent in home.parents:  # the folders of pytest are for their owner only
            if parent.name.startswith(("pytest-", "popen-")):
                parent.chmod(0o711)
    data, port = home / "data", free_port()
    make = [
        initdb,
        "-D",
        str(data),
        "-U",
        "ann",
        "--auth=scram-sha-256",
        f"--pwfile={password}",
        "--no-sync",
        "-E",
        "UTF8",
    ]
    subprocess.run(make, user=user, cwd=home, check=True, capture_output=True)
    start = [server, "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(home), "-F"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(start, user=user, cwd=home, stdout=log, stderr=log)
    try:
        yield wait_for_postgres(Postgres(port), process)
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for_postgres(server: Postgres, process: subprocess.Popen[bytes]) -> Postgres:
    from adbc_driver_postgresql import dbapi

    deadline = time.monotonic() + 30
    while True:
        try:
            with dbapi.connect(server.url(), autocommit=True) as connection, connection.cursor() as cursor:
                cursor.execute(
                    "create table sales (id bigint, amount numeric(10, 2), name text, day date, moment timestamptz,"
                    " paid boolean, wait interval, lunch time)"
                )
                cursor.execute(
                    f"insert into sales values (1, 12.50, '{SECRET}', '2020-01-02', '2020-01-02 12:00+02', true,"
                    " '1 month', '12:30'), (2, null, null, null, null, null, null, null)"
                )
            return server
        except dbapi.Error:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)


@pytest.mark.postgres
class TestPostgres:
    def test_a_query_returns_numbers_texts_dates_truth_and_missing_values(self, postgres: Postgres) -> None:
        found = postgres.query("select id, amount, name, day, moment, paid, lunch from sales order by id")
        assert found.columns == {
            "id": [1, 2],
            "amount": ["12.50", None],
            "name": [SECRET, None],
            "day": [dt.date(2020, 1, 2), None],
            "moment": [dt.datetime(2020, 1, 2, 10, 0, tzinfo=dt.UTC), None],
            "paid": [True, None],
            "lunch": [dt.time(12, 30), None],
        }
        assert found.source.description == f"postgresql://127.0.0.1:{postgres.port}/postgres"
        assert found.source.fingerprint() is None

    def test_a_query_without_rows_is_a_table_without_rows(self, postgres: Postgres) -> None:
        assert not any(postgres.query("select * from sales where id > 9").columns.values())

    @pytest.mark.parametrize(
        ("sql", "what"),
        [
            ("select ammount from sales", 'column "ammount" does not exist'),
            ("select * from sals", 'relation "sals" does not exist'),
            ("selec 1", "syntax error"),
            ("select id, id from sales", "stands twice: 'id'"),
            ("select name::integer from sales", "invalid input syntax for type integer: …"),
        ],
    )
    def test_a_query_that_cannot_be_answered_is_an_error(self, postgres: Postgres, sql: str, what: str) -> None:
        assert what in refused(lambda: postgres.query(sql)).what

    @pytest.mark.parametrize(
        "sql", ["delete from sales returning id", "create table other as select 1 as a", "truncate sales"]
    )
    def test_a_query_cannot_change_anything(self, postgres: Postgres, sql: str) -> None:
        assert "read-only transaction" in refused(lambda: postgres.query(sql)).what
        assert postgres.query("select count(*) as n from sales").columns == {"n": [2]}

    def test_a_wrong_password_is_an_error_that_does_not_show_it(self, postgres: Postgres) -> None:
        error = refused(lambda: postgres.query("select 1 as a", postgres.url(SECRET)))
        assert "password authentication failed" in error.what
        assert "user and password" in error.fix

    @pytest.mark.parametrize("password", [f"{SECRET}/x", f"{SECRET}@x", f"x?{SECRET}", f"{SECRET}%zz", f"x:{SECRET}"])
    def test_a_password_that_makes_no_url_is_not_shown_either(self, postgres: Postgres, password: str) -> None:
        error = refused(lambda: postgres.query("select 1 as a", postgres.url(password)))
        assert SECRET[:4] not in str(error)

    def test_the_password_comes_from_the_environment(self, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SHOP_PASSWORD", "right")
        found = postgres.query("select 1 as a", postgres.url("${SHOP_PASSWORD}"))
        assert found.columns == {"a": [1]}

    def test_a_server_that_does_not_answer_is_an_error(self) -> None:
        url = f"postgresql://ann:{SECRET}@127.0.0.1:{free_port()}/shop"
        error = refused(lambda: rows_of(open_source(Query(url=url, query="select 1"), folder=Path())))
        assert "check that the server runs" in error.fix


# --------------------------------------------------------------------------------------------------- object stores


class Bucket(NamedTuple):
    """A bucket of an S3 emulator on loopback, with some files in it."""

    port: int

    def url(self, path: str) -> str:
        return f"s3://{path}?endpoint_override=127.0.0.1:{self.port}&scheme=http"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    pytest.importorskip("moto", reason="needs pip install 'mlwright[cloud]'")
    port, home = free_port(), tmp_path_factory.mktemp("s3")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (home / "log").open("wb") as log, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        process = subprocess.Popen(command, cwd=home, stdout=log, stderr=log)
        try:
            wait_for_http(f"http://127.0.0.1:{port}/moto-api/", process)
            fill_bucket(port)
            yield Bucket(port)
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_for_http(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, "the emulator ended"
            assert time.monotonic() < deadline, "the emulator does not answer"
            time.sleep(0.2)


def fill_bucket(port: int) -> None:
    from pyarrow import fs

    store = fs.S3FileSystem(endpoint_override=f"127.0.0.1:{port}", scheme="http", allow_bucket_creation=True)
    store.create_dir("shop")
    files = {
        "sales/2021-01.csv": b"month,n\n0,1\n",
        "sales/2021-02.csv": b"month,n\n1,1\n",
        "old sales/2020 12.csv": b"month,n\n9,1\n",
        "sales/_SUCCESS": b"",
        "sales/_log/0.json": b"{}",
        "packed/a.csv.gz": gzip.compress(PLAIN.encode()),
    }
    for name, content in files.items():
        with store.open_output_stream(f"shop/{name}", compression=None) as stream:
            stream.write(content)
    parquet.write_table(FRAME.to_arrow(), "shop/frame.parquet", filesystem=store)


@pytest.mark.cloud
class TestObjectStore:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("shop/sales/2021-02.csv", ["1"]),
            ("shop/sales/*.csv", ["0", "1"]),
            ("shop/sales/2021-0[1].csv", ["0"]),
            ("shop/old sales/2020 12.csv", ["9"]),
            ("shop/sales", ["0", "1"]),
            ("shop/sales/", ["0", "1"]),
        ],
    )
    def test_files_are_found_by_key_glob_and_folder(self, bucket: Bucket, path: str, expected: list[str]) -> None:
        found = rows_of(open_source(bucket.url(path), folder=Path()))
        assert months(found) == expected
        assert found.source.description == f"s3://{path}"

    def test_parquet_and_compressed_files_are_read_from_there(self, bucket: Bucket) -> None:
        found = rows_of(open_source(bucket.url("shop/frame.parquet"), folder=Path()))
        assert found.columns == FRAME.to_dict(as_series=False)
        assert rows_of(open_source(bucket.url("shop/packed/a.csv.gz"), folder=Path())).columns == COLUMNS

    def test_the_fingerprint_is_that_of_the_bytes_as_it_is_for_a_local_file(
        self, bucket: Bucket, tmp_path: Path
    ) -> None:
        (tmp_path / "a.csv").write_text("month,n\n0,1\n")
        remote = open_source(bucket.url("shop/sales/2021-01.csv"), folder=Path())
        assert remote.fingerprint() == open_source("a.csv", folder=tmp_path).fingerprint()

    @pytest.mark.parametrize("path", ["shop/sales/2022.csv", "shop/nothing/*.csv", "shop/sales/*.xlsx", "none/a.csv"])
    def test_a_key_that_is_not_there_is_an_error(self, bucket: Bucket, path: str) -> None:
        error = refused(lambda: open_source(bucket.url(path), folder=Path()), SourceNotFound)
        assert error.where == f"s3://{path}"

    def test_a_store_that_does_not_answer_is_an_error(self) -> None:
        url = f"s3://ann:{SECRET}@shop/a.csv?endpoint_override=127.0.0.1:{free_port()}&scheme=http"
        error = refused(lambda: open_source(url, folder=Path()))
        assert error.where == "s3://shop/a.csv"


@pytest.mark.parametrize("url", ["s3:///nothing", "ftp://host/a.csv", "nowhere://"])
def test_a_url_that_names_no_place_is_an_error(url: str) -> None:
    refused(lambda: open_source(url, folder=Path()))
