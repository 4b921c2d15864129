"""Arrays of numbers inside JSON: their bytes, compressed, as base64; exact, also where a number is infinite."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def array_state(array: NDArray[Any]) -> dict[str, Any]:
    """Shape, type and bytes of an array of numbers; `array_of_state` reads them back.

    Examples
    --------
    >>> array_of_state(array_state(np.array([1.5, -np.inf])))
    array([ 1.5, -inf])
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    text = base64.b64encode(zlib.compress(little.tobytes(), 6)).decode("ascii")
    return {"type": little.dtype.str, "shape": list(array.shape), "bytes": text}


def array_of_state(state: Mapping[str, Any]) -> NDArray[Any]:
    """What `array_state` was given."""
    flat = np.frombuffer(zlib.decompress(base64.b64decode(state["bytes"])), dtype=np.dtype(state["type"]))
    return flat.reshape(state["shape"]).copy()
