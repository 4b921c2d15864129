"""A contradiction: what is asked and cannot be, with the numbers that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from mlwright.core import MlwrightError

#: Numbers that show a contradiction, by what they are.
Numbers = Mapping[str, float | int | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Something that is asked and cannot be, or hardly.

    Attributes
    ----------
    what
        One sentence for people, with the numbers.
    where
        The key of the spec that it is about.
    numbers
        The numbers behind it, by name.
    fix
        What to do.
    certain
        Whether it holds whatever a model may do, about something that must be: then the run stops. Else it is a warning, as
        for a requirement that only should be met.
    measured
        Which of the numbers are times that were measured on this machine; they come out otherwise another time.
    """

    what: str
    where: str
    numbers: Numbers = field(default_factory=dict)
    fix: str
    certain: bool
    measured: tuple[str, ...] = ()

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "measured": list(self.measured)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Contradiction:
        """The contradiction that had this state."""
        return cls(**{**state, "measured": tuple(state["measured"])})


class ContradictionFound(MlwrightError):
    """What is asked cannot all hold; carries every certain contradiction, told one after the other."""

    exit_code: ClassVar[int] = 2

    def __init__(self, found: Sequence[Contradiction]) -> None:
        first = found[0]
        super().__init__(first.what, where=first.where, fix=first.fix)
        self.contradictions = tuple(found)

    def __str__(self) -> str:
        return "\n".join(f"{c.what}\n  where  {c.where}\n  fix    {c.fix}" for c in self.contradictions)


def raise_if_certain(found: Sequence[Contradiction]) -> None:
    """Stop if a contradiction holds whatever a model may do.

    Raises
    ------
    ContradictionFound
        With every certain contradiction; exit code 2.
    """
    if certain := [one for one in found if one.certain]:
        raise ContradictionFound(certain)
