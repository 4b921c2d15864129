from typing import Any, final

@final
class Forest:
    def __init__(
        self,
        *,
        n_features: int,
        ranked: Any,
        thresholds: Any,
        levelled: Any,
        row_of_level: Any,
        answers: Any,
        questions: Any,
        lefts: Any,
        values: Any,
        roots: Any,
        sum_of_tree: Any,
        start: Any,
        shares: Any,
        reading: int,
        single: bool,
        link: int,
        divisor: float,
        n_rows: float,
    ) -> None: ...
    @property
    def n_answers(self) -> int: ...
    @property
    def n_sums(self) -> int: ...
    def one(self, row: Any) -> tuple[float, ...]: ...
    def many(self, values: Any, n_rows: int, out: Any, raw: bool) -> None: ...
