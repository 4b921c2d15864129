from typing import Any

def count_codes(
    codes: Any, validity: Any | None, offset: int, length: int, letter: str, n_levels: int, /
) -> bytearray: ...
def group(
    offsets: Any, data: Any | None, validity: Any | None, offset: int, length: int, wide: bool, /
) -> tuple[bytearray, bytearray]: ...
def describe(
    offsets: Any, data: Any | None, offset: int, length: int, wide: bool, at: Any, counts: Any, /
) -> tuple[
    tuple[int, float, float, float, float, float, float],
    bytearray,
    tuple[bytearray, bytearray],
]: ...
