from typing import Any, Literal, final

@final
class Curves:
    n_features: int
    def __new__(
        cls,
        n_features: int,
        features: Any,
        categorical: Any,
        ends: Any,
        intercept: Any,
        points: Any,
        cells: Any,
        missing: Any,
        answer: Literal["values", "sigmoid", "softmax"] = "values",
    ) -> Curves: ...
    def one(self, row: Any) -> tuple[float, ...]: ...
