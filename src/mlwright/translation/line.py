"""One line of the translation."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlwright.translation.contradiction import Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationLine:
    """What is asked in one place of the spec, and what the run does about it.

    Attributes
    ----------
    topic
        What it is about: `objective`, `decision`, `capacity` …
    asked
        What the spec says, in its own words.
    where
        Its key in the spec, and the line of the file where that is known.
    done
        What the run does, for people, with the numbers.
    numbers
        The numbers in `done`, by name.
    name
        Tells lines of one topic apart: the id of a requirement, a column.
    """

    topic: str
    asked: str
    where: str
    done: str
    numbers: Numbers = field(default_factory=dict)
    name: str = ""

    @property
    def id(self) -> str:
        """Unique among the lines: the topic, and the name where there is one."""
        return f"{self.topic}.{self.name}" if self.name else self.topic


def counted(n: float) -> str:
    """A number of rows: `1,204`."""
    return f"{n:,.0f}"


def amount(value: float) -> str:
    """An amount in four digits: `45`, `-0.6`, `30,739`.

    Examples
    --------
    >>> [amount(value) for value in (45.0, -0.6, 30739.496, 0.181775)]
    ['45', '-0.6', '30,739', '0.1818']
    """
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
