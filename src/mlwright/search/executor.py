"""Who runs the fits: threads of this process, or whatever a team puts in their place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Executor(Protocol):
    """Runs a function on several items at once.

    The functions that the search hands over read the folds in memory and may be called in any order and at any time; an
    executor that sends them elsewhere has to send along what they hold (cloudpickle does).
    """

    @property
    def workers(self) -> int:
        """How many items are worked on at once; the budget is planned with it."""
        ...

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """What the function gives for each item, in the order of the items, whichever was done first.

        What it raises for an item is raised in that item's place.
        """
        ...


class Threads:
    """Threads of this process: the libraries let go of the interpreter while they fit.

    Parameters
    ----------
    workers
        Threads; never more than the machine has processors.

    Examples
    --------
    >>> list(Threads(2).map(abs, [-3, 2, -1]))
    [3, 2, 1]
    """

    def __init__(self, workers: int) -> None:
        self.workers = max(min(workers, os.cpu_count() or 1), 1)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        with ThreadPoolExecutor(max_workers=self.workers, thread_name_prefix="mlwright-fit") as pool:
            yield from pool.map(function, items)
