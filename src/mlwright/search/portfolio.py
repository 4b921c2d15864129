"""What is tried first: the candidates that families recommend, in an order that pays on most tables."""

from __future__ import annotations

from mlwright.models import FAMILIES, Outline, Parameters
from mlwright.search.folds import TrialPlan
from mlwright.spec import Spec
from mlwright.translation import eligible

#: A candidate by its family and its place in the family's own list. What is known without a model comes first, then what
#: is most often best or adds most to what is there. The order rests on several tables (benchmarks/quality).
_ORDER = (
    ("constant", 0),
    ("lightgbm", 0),
    ("linear", 0),
    ("catboost", 0),
    ("lightgbm", 2),
    ("network", 0),
    ("lightgbm_crossed", 0),
    ("lightgbm", 1),
    ("extra_trees", 0),
    ("catboost", 1),
    ("lightgbm", 3),
    ("xgboost", 0),
    ("network", 1),
    ("neighbours", 0),
)
#: Of so many levels in one category, ordered target statistics are the best first guess.
_WIDE = 200
#: With so many classes a network shares what trees would learn for each class anew.
_CLASSES = 8
BASELINES = ("constant", "linear")


def portfolio(outline: Outline, spec: Spec) -> list[TrialPlan]:
    """Every recommended candidate of every family that is installed and eligible, and the baselines."""
    listed = {
        name: list(family.candidates(outline))
        for name, family in FAMILIES.items()
        if family.installed and (eligible(family, spec) or name in BASELINES)
    }
    wanted = [(name, place) for name, place in _order_for(outline) if place < len(listed.get(name, ()))]
    rest = [
        (name, place)
        for place in range(max(map(len, listed.values()), default=0))
        for name, candidates in listed.items()
        if place < len(candidates) and (name, place) not in wanted
    ]
    return [
        TrialPlan(id=trial_id(number, listed[name][place]), family=FAMILIES[name], parameters=listed[name][place])
        for number, (name, place) in enumerate([*wanted, *(one for one in rest if _is_general(one[0], spec))])
    ]


def trial_id(number: int, parameters: Parameters) -> str:
    """`03-lightgbm-small`: unique in a run, and the same in a repeated one."""
    return f"{number:02d}-{str(parameters['name']).replace(' ', '-')}"


def _is_general(family: str, spec: Spec) -> bool:
    """The additive model is weaker by design: it is there for those who ask for it."""
    return family != "additive" or spec.constraints.interpretability == "glass_box"


def _order_for(outline: Outline) -> list[tuple[str, int]]:
    order = list(_ORDER)
    if outline.n_classes > _CLASSES:
        _earlier(order, ("network", 0))
    if outline.most_levels > _WIDE:
        _earlier(order, ("catboost", 0))
    return order


def _earlier(order: list[tuple[str, int]], candidate: tuple[str, int]) -> None:
    order.remove(candidate)
    order.insert(1, candidate)
