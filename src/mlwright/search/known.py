"""What earlier runs of the same project have found: tried early, so that a new run begins where they ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlwright.models import FAMILIES, Outline, Parameters
from mlwright.search.folds import TrialPlan
from mlwright.search.trials import TrialStore
from mlwright.spec import Spec
from mlwright.translation import eligible

#: So many candidates of the portfolio keep their places before what is known: what all others are measured by.
_YARDSTICKS = 3
_NOTE = "known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A candidate that an earlier run chose as a member.

    Attributes
    ----------
    origin
        Where it is from, to be read: `catboost variation 7 of run 20261121-071512-3f2a`.
    """

    family: str
    parameters: Mapping[str, Any]
    origin: str


def noted_known(store: TrialStore, known: Sequence[Known]) -> list[Known]:
    """What this search was given when it began, so that a search that goes on depends on the same; noted if it begins now."""
    noted = store.noted(_NOTE)
    if noted is not None:
        return [Known(**entry) for entry in noted["candidates"]]
    store.note(_NOTE, {"candidates": [asdict(one) for one in known]})
    return list(known)


def with_known(planned: Sequence[TrialPlan], known: Sequence[Known], outline: Outline, spec: Spec) -> list[TrialPlan]:
    """The portfolio with what is known right after its first candidates, each once.

    What is in the portfolio itself is only brought forward: it keeps its id, and learns at the rate that the portfolio says.
    """
    listed = list(planned)
    forward: list[TrialPlan] = []
    for one in known:
        if one.family not in FAMILIES or any(_same(one, other) for other in [*listed[:_YARDSTICKS], *forward]):
            continue
        own = next((other for other in listed if _same(one, other)), None)
        if own is not None:
            listed.remove(own)
            forward.append(_with_origin(own, one.origin))
        elif _of_use(one, outline, spec):
            forward.append(_planned(one, sum(other.id.startswith("k") for other in forward)))
    return [*listed[:_YARDSTICKS], *forward, *listed[_YARDSTICKS:]]


def _planned(known: Known, number: int) -> TrialPlan:
    """Under a name of its own: variations of this search may be called what those of the earlier one were."""
    family = FAMILIES[known.family]
    name = f"{family.name} known {number + 1}"
    return TrialPlan(
        id=f"k{number}-{family.name}", family=family, parameters={**known.parameters, "name": name}, origin=known.origin
    )


def _with_origin(plan: TrialPlan, origin: str) -> TrialPlan:
    return TrialPlan(id=plan.id, family=plan.family, parameters=plan.parameters, origin=origin)


def _of_use(known: Known, outline: Outline, spec: Spec) -> bool:
    """Whether the family can be tried on these rows, and keeps what the spec demands."""
    family = FAMILIES[known.family]
    return family.installed and eligible(family, spec) and bool(family.candidates(outline))


def _same(known: Known, plan: TrialPlan) -> bool:
    """But for the name and the learning rate, which depends on the budget."""
    return known.family == plan.family.name and _kernel(known.parameters) == _kernel(plan.parameters)


def _kernel(parameters: Parameters) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if key not in {"name", "learning_rate"}}
