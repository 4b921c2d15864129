from typing import Any

def count(
    values: Any,
    validity: Any | None,
    offset: int,
    length: int,
    letter: str,
    times: int,
    parts: int,
    by_bits: bool,
    low: float,
    inverse: float,
    cells: int,
    centre: float,
    /,
) -> tuple[bytearray, tuple[int, int, float, float, float, float]]: ...
