"""What was asked to be forgotten, as it is remembered: so that a segment sealed later, anywhere, leaves it out too.

An erasure keeps no ids or values, only salted digests of them; it is about rows from before it was asked for.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlwright.predictions.columns import field_values
from mlwright.predictions.masking import text_of
from mlwright.predictions.places import ERASURES
from mlwright.predictions.store import Store

_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Rows to leave out: those whose field (None is the id) has one of some values.

    Attributes
    ----------
    before_us
        Later rows are not meant: the person may have come back.
    applied
        Whether all files that were sealed when it was asked for are done.
    """

    name: str
    field: str | None
    before_us: int
    salt: str
    digests: frozenset[str]
    applied: bool = False

    @classmethod
    def of(cls, values: Iterable[Any], *, field: str | None, before_us: int) -> Erasure:
        """For these values."""
        salt = secrets.token_hex(8)
        digests = frozenset(_digest(text, salt) for value in values for text in _spellings(value))
        return cls(
            name=f"{ERASURES}/{before_us:020d}-{salt}.json",
            field=field,
            before_us=before_us,
            salt=salt,
            digests=digests,
        )

    def meant(self, table: pa.Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which rows of a table with `time`, and with `id` or the input, it is about; shape (n_rows,)."""
        meant: np.ndarray[Any, np.dtype[np.bool_]] = np.asarray(
            pc.less(table.column("time").cast(pa.int64()), self.before_us)
        )
        if not meant.any():
            return meant
        values = table.column("id").to_pylist() if self.field is None else field_values(table, self.field)
        known: dict[str, bool] = {}
        for row in np.flatnonzero(meant):
            if values[row] is None:
                meant[row] = False
                continue
            text = text_of(values[row])
            if text not in known:
                known[text] = _digest(text, self.salt) in self.digests
            meant[row] = known[text]
        return meant

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format_version": _FORMAT_VERSION,
            "field": self.field,
            "before_us": self.before_us,
            "salt": self.salt,
            "digests": sorted(self.digests),
            "applied": self.applied,
        }


class Erasures:
    """All that was asked to be forgotten in one log."""

    def __init__(self, erasures: Sequence[Erasure]) -> None:
        self._erasures = tuple(erasures)

    @classmethod
    def read(cls, store: Store) -> Erasures:
        return cls([_read(store, name) for name in store.files(ERASURES, ".json")])

    def are_all(self, store: Store) -> bool:
        """Whether no other was asked for meanwhile."""
        return set(store.files(ERASURES, ".json")) <= {erasure.name for erasure in self._erasures}

    def unapplied(self) -> Erasures:
        """Those that sealed files may still have rows of."""
        return Erasures([erasure for erasure in self._erasures if not erasure.applied])

    def fields(self) -> set[str]:
        """The columns of a sealed file that must be read to apply them."""
        return {
            column
            for erasure in self._erasures
            for column in (("id", "time") if erasure.field is None else ("time", "input", "unread"))
        }

    def meant(self, table: pa.Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which rows any of them is about, shape (n_rows,)."""
        meant = np.zeros(table.num_rows, dtype=bool)
        for erasure in self._erasures:
            meant |= erasure.meant(table)
        return meant

    def keep_applied(self, store: Store) -> None:
        """Remember that no file which is sealed now has rows of theirs."""
        for erasure in self._erasures:
            keep(store, replace(erasure, applied=True))

    def left(self, table: pa.Table) -> pa.Table:
        """A table without those rows."""
        meant = self.meant(table)
        return table.filter(pa.array(~meant)) if meant.any() else table


def keep(store: Store, erasure: Erasure) -> None:
    """Remember an erasure."""
    store.write(erasure.name, json.dumps(erasure.state()).encode())


def forget_old(store: Store, before_us: int, *, dry_run: bool) -> int:
    """Remove erasures that are about rows which are gone; returns how many."""
    old = [name for name in store.files(ERASURES, ".json") if _read(store, name).before_us <= before_us]
    for name in [] if dry_run else old:
        store.delete(name)
    return len(old)


def _read(store: Store, name: str) -> Erasure:
    tree = json.loads(store.read(name))
    return Erasure(
        name=name,
        field=tree["field"],
        before_us=tree["before_us"],
        salt=tree["salt"],
        digests=frozenset(tree["digests"]),
        applied=tree["applied"],
    )


def _digest(text: str, salt: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), salt=bytes.fromhex(salt), digest_size=16).hexdigest()


def _spellings(value: Any) -> set[str]:
    """A value as text and, where it looks like a number, as the log would have it: `5.0` is `5`."""
    texts = {text_of(value)}
    if isinstance(value, str):
        try:
            texts.add(text_of(float(value)))
        except ValueError:
            return texts
    return texts
