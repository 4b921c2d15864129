"""The spec: the business question as data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError

from mlwright.spec.kinds import Task
from mlwright.spec.places import Places, SpecInvalid, problems_of
from mlwright.spec.sections import (
    Alerts,
    Budget,
    Constraints,
    Data,
    Decision,
    Operation,
    PredictionLogging,
    Project,
    RegistryPlace,
    Requirement,
    Section,
    Split,
)

FORMAT_VERSION = 1


class Spec(Section):
    """What is decided, what errors cost, what must hold: the contents of `mlwright.yaml`.

    Read one with `load_spec`, or make one with `Spec.of`, which tells every problem in plain words.

    Examples
    --------
    >>> spec = Spec.of({"data": {"source": "customers.csv", "target": "churned"}})
    >>> spec.data.target
    'churned'
    """

    mlwright: Literal[1] = 1
    """The version of this format."""
    project: Project = Project()
    """What this is about."""
    data: Data
    """Where the rows are and what the columns are for."""
    task: Literal["auto"] | Task = "auto"
    """The kind of problem; `auto` finds out from the target."""
    decision: Decision = Decision()
    """What is decided, and what right and wrong decisions are worth."""
    requirements: tuple[Requirement, ...] = Field(default=(), strict=False)
    """What must hold for the model to be of use."""
    constraints: Constraints = Constraints()
    """What must hold for the model itself."""
    budget: Budget = Budget()
    """What the search may spend."""
    split: Split = Split()
    """How rows are kept apart for the final test."""
    operation: Operation = Operation()
    """What happens once the model answers."""
    predictions: PredictionLogging = PredictionLogging()
    """What is kept of each answer."""
    registry: RegistryPlace = RegistryPlace()
    """Where the versions of the model are kept."""
    alerts: Alerts = Alerts()
    """Who is told what the monitor found."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of everything that is drawn at random."""

    _places: Places = PrivateAttr(default_factory=Places)
    _folder: Path | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, tree: dict[str, Any], *, places: Places | None = None) -> Spec:
        """Check and freeze a spec given as nested dictionaries.

        Raises
        ------
        SpecInvalid
            With every problem that was found, each with its place and what to do.
        """
        places = places or Places()
        try:
            spec = cls.model_validate(tree)
        except ValidationError as error:
            raise SpecInvalid(problems_of(error, cls, tree, places)) from error
        spec._places = places
        return spec

    @property
    def folder(self) -> Path:
        """What relative paths start from: the folder of the file, else the current one."""
        if self._folder is not None:
            return self._folder
        return self._places.path.resolve().parent if self._places.path else Path.cwd()

    @property
    def path(self) -> Path | None:
        """The file it was read from."""
        return self._places.path

    def where(self, *keys: str | int) -> str:
        """Where a key stands, for an error message: `churn.yaml, line 12, data.target`."""
        return self._places.describe(keys)

    def but(self, **sections: Any) -> Spec:
        """The same spec with other sections; it keeps its file and its places."""
        changed = self.model_copy(update=sections)
        changed._places, changed._folder = self._places, self._folder
        return changed

    def at(self, folder: Path) -> Spec:
        """The same spec with relative paths starting from another folder."""
        moved = self.but()
        moved._folder = folder
        return moved
