"""Errors for people: what went wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class MlwrightError(Exception):
    """Something that the user can mend; prints as three lines.

    Parameters
    ----------
    what
        One sentence, without the values of any row.
    where
        The file, key, column or command that it is about.
    fix
        What to do next.
    """

    #: What a command that ends with this error returns: 2 the call or its input is wrong, 1 a check failed.
    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, *, where: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}\n  where  {self.where}\n  fix    {self.fix}"


class DiskFull(MlwrightError):
    """A file could not be written whole; nothing half-written is left behind."""

    def __init__(self, path: str) -> None:
        super().__init__(
            "the disk is full; nothing half-written was left behind",
            where=path,
            fix="free some space and run the same command again (a run goes on with --resume)",
        )


def quoted(names: Iterable[object], *, most: int = 5) -> str:
    """Names for a message: `'a', 'b' and 3 more`.

    Examples
    --------
    >>> quoted(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    listed = [repr(str(name)) for name in names]
    if len(listed) <= most:
        return ", ".join(listed)
    return f"{', '.join(listed[:most])} and {len(listed) - most} more"


def closest(name: str, available: Iterable[str]) -> str:
    """Advice for a name that does not exist: the nearest ones, or the list.

    Examples
    --------
    >>> closest("churnd", ["churn", "age"])
    "did you mean 'churn'?"
    """
    options = list(available)
    if not options:
        return "there is none to choose from"
    near = get_close_matches(name, options, n=2) or [o for o in options if o.casefold() == name.casefold()]
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"choose from {quoted(options, most=12)}"
