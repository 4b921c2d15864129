"""The tables of the monitor in the project's database; others (runs, versions) may live in the same one."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

#: Raised when a table changes; a database of a later version is not touched.
SCHEMA_VERSION = 1

metadata = MetaData()

#: Facts about the database itself: `schema` and `lock`, whose row a writing transaction holds.
facts = Table("mlwright_facts", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

#: What windows count, by version.
shapes = Table(
    "mlwright_shapes",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("state", Text, nullable=False),
)

#: Windows; each moment of a slice is in one row only, of whichever grain. Times are microseconds since 1970.
windows = Table(
    "mlwright_windows",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("slice", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("end", BigInteger, nullable=False),
    Column("grain", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("sample", LargeBinary),
)

#: What of a source was read: a row for each file, or part of one. `seq` is the order in which they were read.
offsets = Table(
    "mlwright_offsets",
    metadata,
    Column("source", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
)
Index("mlwright_offsets_seq", offsets.c.seq)

#: Detectors, and the moment up to which they have seen windows.
detectors = Table(
    "mlwright_detectors",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("slice", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

#: What was found, one row for each trouble: it is open until `closed` says when it was over.
findings = Table(
    "mlwright_findings",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("opened", BigInteger, primary_key=True, autoincrement=False),
    Column("seen", BigInteger, nullable=False),
    Column("closed", BigInteger),
    Column("times", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("slice", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("state", Text, nullable=False),
)
