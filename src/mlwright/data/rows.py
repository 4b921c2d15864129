"""Hashes of whole rows: the same rows have the same hash, whatever the order of batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlwright.data.summaries.hashing import HashArray, hash_numbers, hash_text, mixed, text_buffers
from mlwright.data.summaries.table import as_numbers, kind_of, plain

_NULL = np.uint64(0x5851F42D4C957F2D)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def hash_column(values: pa.Array, name: str) -> HashArray:
    """A hash per value; missing values are alike."""
    kind = kind_of(values.type, name)
    hashes = np.full(len(values), _NULL, dtype=np.uint64)
    if kind == "null":
        return hashes
    values = plain(values)
    known = np.asarray(pc.is_valid(values))
    present = values.drop_null()
    if kind == "text":
        encoded = present if pa.types.is_dictionary(present.type) else pc.dictionary_encode(present)
        levels = pc.cast(encoded.dictionary, pa.large_string())
        hashes[known] = hash_text(levels)[np.asarray(encoded.indices)] if len(levels) else _NULL
    else:
        numbers = as_numbers(present, kind)
        hashes[known] = np.where(np.isnan(numbers), _NULL, hash_numbers(numbers))
    return hashes


def hash_rows(table: pa.Table, columns: Sequence[str]) -> HashArray:
    """A hash per row over some columns, shape (n_rows,)."""
    total = np.zeros(table.num_rows, dtype=np.uint64)
    for position, name in enumerate(columns):
        column = table.column(name)
        parts = [hash_column(chunk, name) for chunk in column.chunks]
        whole = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)
        total = mixed(total + whole * _STEP + np.uint64(position + 1))
    return total


def fingerprint_of_rows(batches: Iterable[pa.RecordBatch]) -> str:
    """SHA-256 over names and values in their order; how the rows were cut into batches does not matter."""
    digests: dict[str, list[hashlib._Hash]] = {}
    for batch in batches:
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            # Each of its own digest: one after the other in a common one would tell where the batches were cut.
            marks, lengths, bodies = digests.setdefault(name, [hashlib.sha256() for _ in range(3)])
            kind = kind_of(values.type, name)
            values = plain(values)
            marks.update(np.asarray(pc.is_valid(values)).tobytes())
            present = values.drop_null()
            if kind == "text":
                decoded = present.dictionary_decode() if pa.types.is_dictionary(present.type) else present
                data, offsets = text_buffers(pc.cast(decoded, pa.large_string()))
                lengths.update(np.diff(offsets).astype("<i8").tobytes())
                bodies.update(data.tobytes())
            elif kind != "null":
                bodies.update((as_numbers(present, kind) + 0.0).astype("<f8").tobytes())
    total = hashlib.sha256()
    for name, parts in digests.items():
        total.update(name.encode())
        for digest in parts:
            total.update(digest.digest())
    return total.hexdigest()
