"""Further candidates once the portfolio is through: variations of what has worked so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlwright.core import named_rng
from mlwright.models import FAMILIES, Outline, Span
from mlwright.search.folds import TrialPlan
from mlwright.search.portfolio import trial_id
from mlwright.search.trials import Trial, ranked
from mlwright.spec import Spec
from mlwright.statistics import Metric
from mlwright.translation import eligible

#: Parents are the best trials of a family; each number moves by so much of its range, each choice flips so often.
_PARENTS = 2
_STEP = 0.2
_FLIP = 0.25
#: Families to vary: the best one twice as often as the second.
_TURNS = (0, 0, 1)


def variation(
    made: Sequence[Trial], outline: Outline, spec: Spec, objective: Metric, *, number: int, seed: int
) -> TrialPlan | None:
    """The next variation; None if nothing that worked has anything to choose.

    It depends on the trials so far and the seed alone, so a search that goes on draws what the stopped one would have.

    References
    ----------
    Bergstra and Bengio (2012), Random search for hyper-parameter optimization, JMLR; here the draws are around the best.
    """
    best_first = ranked((trial for trial in made if trial.usable), objective)
    families = [
        name
        for name in dict.fromkeys(trial.family for trial in best_first)
        if FAMILIES[name].space(outline) and eligible(FAMILIES[name], spec)
    ]
    if not families:
        return None
    rng = named_rng(seed, "variation", number)
    family = FAMILIES[families[min(_TURNS[number % len(_TURNS)], len(families) - 1)]]
    parents = [trial for trial in best_first if trial.family == family.name][:_PARENTS]
    parent = parents[int(rng.integers(len(parents)))]
    drawn: dict[str, str | float | bool] = dict(parent.parameters)
    for name, among in family.space(outline).items():
        drawn[name] = _moved(parent.parameters.get(name), among, rng)
    drawn["name"] = f"{family.name} variation {number + 1}"
    return TrialPlan(id=trial_id(len(made), drawn), family=family, parameters=drawn, last=True)


def _moved(value: object, among: Span | tuple[str | float | bool, ...], rng: np.random.Generator) -> str | float | bool:
    if isinstance(among, tuple):
        if value in among and rng.random() > _FLIP:
            return among[among.index(value)]
        return among[int(rng.integers(len(among)))]
    low, high = (np.log(among.low), np.log(among.high)) if among.log else (among.low, among.high)
    if isinstance(value, int | float) and not isinstance(value, bool):
        middle = np.log(max(float(value), among.low)) if among.log else float(value)
        at = float(np.clip(middle + _STEP * (high - low) * rng.normal(), low, high))
    else:
        at = float(rng.uniform(low, high))
    drawn = float(np.exp(at)) if among.log else at
    return round(drawn) if among.whole else float(f"{drawn:.4g}")
