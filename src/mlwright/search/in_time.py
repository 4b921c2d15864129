"""Waiting for somebody else's code, but not for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
#: Whoever is asked when the time is up already still gets so many seconds.
_LEAST_S = 0.05


class TookTooLong(Exception):
    """It did not come back in its time."""


def in_time(seconds: float, work: Callable[..., Result], *arguments: object) -> Result:
    """What `work` gives, if it does so within so many seconds; what it raises is raised here.

    A thread cannot be stopped from outside: one that does not come back is left to itself, and does not keep the process
    from ending.

    Raises
    ------
    TookTooLong
        If it has not come back by then.

    Examples
    --------
    >>> in_time(5.0, max, 2, 3)
    3
    """
    answers: list[Result] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work(*arguments))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="mlwright-in-time", daemon=True)
    thread.start()
    thread.join(max(seconds, _LEAST_S))
    if thread.is_alive():
        raise TookTooLong("it was not done when its time was up, and was left to itself")
    if raised:
        raise raised[0]
    return answers[0]
