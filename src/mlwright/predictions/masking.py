"""What of an answer is kept: sampling by id, and masking of fields before anything is written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import date
from hashlib import blake2b
from typing import Any, Literal

from mlwright.core.errors import MlwrightError

#: The environment variable with the key of hashed fields.
KEY_VARIABLE = "MLWRIGHT_MASK_KEY"
_SHORTEST_KEY = 16


class MaskKeyMissing(MlwrightError):
    """Fields are to be hashed, and there is no key to do it with."""

    def __init__(self) -> None:
        super().__init__(
            f"fields are to be masked by a hash, which needs a secret key of at least {_SHORTEST_KEY} bytes",
            where=f"environment variable {KEY_VARIABLE}; predictions.mask of the spec",
            fix=f"set {KEY_VARIABLE}, e.g. to what `openssl rand -hex 32` prints, or mask with `drop`",
        )


def sampling(share: float) -> Callable[[str], bool] | None:
    """Whether an id is kept: a `share` (0 to 1) of them, always the same ones; None if all are.

    Examples
    --------
    >>> keeps = sampling(0.25)
    >>> sum(keeps(f"request {i}") for i in range(10_000))
    2514
    """
    if share >= 1:
        return None
    bound = int(share * 2**64)
    return lambda name: int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()) < bound


def text_of(value: Any) -> str:
    """A value of a field as text, the same however it was written: 5 and 5.0, true and `true`.

    Examples
    --------
    >>> [text_of(value) for value in (5.0, True, "a", 0.5)]
    ['5', 'true', 'a', '0.5']
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, date):
        return value.isoformat()
    return repr(value) if isinstance(value, int | float) else json.dumps(value, sort_keys=True)


class Masks:
    """Fields that are dropped or hashed.

    Parameters
    ----------
    fields
        By name, of the input and of the output.

    Raises
    ------
    MaskKeyMissing
        If one is to be hashed and the environment has no key.
    """

    def __init__(self, fields: Mapping[str, Literal["drop", "hash"]]) -> None:
        self.fields = dict(fields)
        self._key = os.environ.get(KEY_VARIABLE, "").encode()
        if "hash" in self.fields.values() and len(self._key) < _SHORTEST_KEY:
            raise MaskKeyMissing

    def hashed(self, value: Any) -> str:
        """What stands for a value: 32 hexadecimal digits, the same for the same value and key."""
        return blake2b(text_of(value).encode("utf-8", "replace"), key=self._key[:64], digest_size=16).hexdigest()

    def applied(self, record: bytes) -> bytes | None:
        """JSON without what is masked; None if it is no JSON object, and so cannot be masked."""
        try:
            tree = json.loads(record)
        except (ValueError, RecursionError):
            return None
        if not isinstance(tree, dict):
            return None
        for name, how in self.fields.items():
            if how == "drop":
                tree.pop(name, None)
            elif tree.get(name) is not None:
                tree[name] = self.hashed(tree[name])
        return json.dumps(tree, ensure_ascii=False).encode("utf-8", "replace")
