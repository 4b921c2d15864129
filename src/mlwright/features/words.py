"""The step for texts: which words they have, and how many."""

from __future__ import annotations

import re
from array import array
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from mlwright.data.dataset import FloatArray
from mlwright.features.rowcode import RowCode
from mlwright.features.steps import ArrowColumn, OfOneColumn

if TYPE_CHECKING:
    import polars as pl

_WORD = r"[\p{L}\p{N}]{2,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words(OfOneColumn):
    """Which of the telling words a text has, weighted by how rare they are, and its length in words.

    Missing is an empty text.

    References
    ----------
    Spärck Jones (1972), A statistical interpretation of term specificity; weights as in scikit-learn's
    `TfidfTransformer`.
    """

    kind: ClassVar[str] = "words"
    column: str
    words: tuple[str, ...]
    weights: tuple[float, ...]

    def names(self) -> list[str]:
        return [f"{self.column} length", *(f"{self.column} has {word!r}" for word in self.words)]

    def transform(self, values: ArrowColumn) -> FloatArray:
        import polars as pl

        tokens = words_of(values)
        matrix = np.zeros((len(tokens), len(self.words) + 1))
        matrix[:, 0] = np.log1p(tokens.list.len().to_numpy())
        frame = pl.DataFrame({"row": np.arange(len(tokens), dtype=np.int64), "word": tokens}).explode("word")
        found = frame.drop_nulls().join(
            pl.DataFrame(
                {"word": list(self.words), "number": range(len(self.words))}, schema_overrides={"word": pl.String}
            ),
            on="word",
        )
        row, number = found["row"].to_numpy(), found["number"].to_numpy().astype(np.int64)
        np.add.at(matrix, (row, number + 1), np.array(self.weights)[number] if len(number) else 0.0)
        length = np.sqrt((matrix[:, 1:] ** 2).sum(axis=1, keepdims=True))
        matrix[:, 1:] = np.divide(matrix[:, 1:], length, out=np.zeros_like(matrix[:, 1:]), where=length > 0)
        return matrix

    def generate(self, code: RowCode, at: int) -> None:
        column = {
            word: (number + 1, weight)
            for number, (word, weight) in enumerate(zip(self.words, self.weights, strict=True))
        }

        def features(text: str | None) -> array[float]:
            found = words_of_one(text)
            row = np.zeros(len(self.words) + 1)
            row[0] = np.log1p(float(len(found)))
            for word in found:
                if word in column:
                    number, weight = column[word]
                    row[number] += weight
            length = np.sqrt((row[1:] ** 2).sum())
            if length > 0:
                row[1:] /= length
            return array("d", row.tobytes())

        code.line(f"row[{at}:{at + len(self.words) + 1}] = {code.constant(features)}({code.level(self.column)})")

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        return cls(column=state["column"], words=tuple(state["words"]), weights=tuple(state["weights"]))


def words_of(values: ArrowColumn) -> pl.Series:
    """The words of each text in lower case, as a list column; none where it is missing."""
    import polars as pl

    series = pl.from_arrow(values)
    assert isinstance(series, pl.Series)
    return series.cast(pl.String).fill_null("").str.to_lowercase().str.extract_all(_WORD)


_PLAIN_WORDS = re.compile("[a-z0-9]{2,}")


def words_of_one(text: str | None) -> list[str]:
    """The words of one text, as `words_of` finds them."""
    if text is None:
        return []
    if text.isascii():
        return _PLAIN_WORDS.findall(text.lower())
    # Polars and Python need not know the same letters: what is none in ASCII is asked of the one that the encoder asks.
    return list(words_of(pa.array([text], pa.string()))[0])
