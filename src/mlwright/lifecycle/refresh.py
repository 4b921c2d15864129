"""Is it time for a challenger although nobody has raised an alarm? Streams that age slowly never do, and lose all the same.

A model learns from having more rows, and forgets by growing old. So a challenger is due when there are clearly more labelled
rows than the champion was made of, or when many windows have passed; what it is worth is for the comparison to say. How often
that may happen is limited, since each challenger costs a search; as long as challengers do better than the champions of their
time, that limit is used. `benchmarks/monitoring/prequential.py` shows what that keeps.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """When a challenger is due without an alarm.

    Attributes
    ----------
    growth
        So many times the rows that the last challenger (or champion) was trained on.
    most_windows
        Or so many windows after it.
    least_windows
        Never sooner than this: at most one search in so many windows. An alarm waits for this, and for nothing else; so does
        the next challenger where challengers have gained.

    Examples
    --------
    >>> Refresh().due(windows=6, rows=1_000, trained_on=950, alarmed=True)
    'alarm'
    >>> Refresh().due(windows=6, rows=1_000, trained_on=950, alarmed=False) is None
    True
    >>> Refresh().due(windows=6, rows=1_000, trained_on=950, alarmed=False, gaining=True)
    'gain'
    """

    growth: float = 1.2
    most_windows: int = 10
    least_windows: int = 5

    def due(self, *, windows: int, rows: int, trained_on: int, alarmed: bool, gaining: bool = False) -> str | None:
        """Why a challenger is due: `alarm`, `gain`, `rows` or `age`; None if none is.

        Parameters
        ----------
        windows
            Since the last challenger was made, or the champion.
        rows
            Labelled rows that there are to learn from.
        trained_on
            Rows that the last one learnt from.
        alarmed
            Whether labels say that the loss has risen.
        gaining
            Whether challengers are expected to gain, by what those before have done.
        """
        if windows < self.least_windows:
            return None
        if alarmed:
            return "alarm"
        if gaining:
            return "gain"
        if rows >= self.growth * trained_on:
            return "rows"
        return "age" if windows >= self.most_windows else None
