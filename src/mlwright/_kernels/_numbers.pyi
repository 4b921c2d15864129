from typing import Any

CAPACITY: int
KEPT: int

def summarise(
    values: Any,
    validity: Any | None,
    offset: int,
    length: int,
    letter: str,
    times: int,
    parts: int,
    shift: int,
    keys: Any,
    counts: Any,
    hashes: Any,
    hash_counts: Any,
    /,
) -> tuple[
    tuple[int, float, float, float, float, float, float],
    tuple[int, int, int, int],
    int,
    tuple[bytearray, bytearray],
    tuple[bytearray, bytearray],
    tuple[bytearray, bytearray],
]: ...
