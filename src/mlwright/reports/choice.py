"""Why this model and not the others, in words."""

from __future__ import annotations

from collections import Counter

from mlwright.models import FAMILIES
from mlwright.reports.words import number, percent, span
from mlwright.search import Leaderboard, Standing, Trials
from mlwright.statistics import METRICS

_DIGITS = 4


def explain_choice(board: Leaderboard, trials: Trials) -> list[str]:
    """Sentences for a person who asks why these candidates answer, and with these weights."""
    title = METRICS[board.objective].title
    return [
        _what_was_tried(board, trials),
        *_what_was_known(board),
        _who_answers(board, title),
        *(_what_it_adds(one, title) for one in board.members),
        *_who_is_near(board, title),
        *_how_sure(board, title),
    ]


def _what_was_tried(board: Leaderboard, trials: Trials) -> str:
    families = dict.fromkeys(one.trial.family for one in board.standings)
    counts = Counter(str(one.trial.status) for one in board.standings)
    asides = {
        "abandoned": "given up after the first folds, far behind",
        "cut": "cut short by the budget",
        "failed": "failed",
        "left out": "left out, for the reason beside it",
    }
    told = [f"{counts[status]} {why}" for status, why in asides.items() if counts[status]]
    tried = f"{len(board.standings)} candidates of {len(families)} families on {trials.n_folds} folds"
    return f"{tried}{': ' + ', '.join(told) if told else ''}. The search ended since {trials.stopped}."


def _what_was_known(board: Leaderboard) -> list[str]:
    """Which candidates came from earlier runs, and whether they were worth it."""
    known = [one for one in board.standings if one.trial.origin and one.trial.status != "left out"]
    if not known:
        return []
    told = ", ".join(f"{one.trial.name} ({one.trial.origin})" for one in sorted(known, key=lambda one: one.trial.id))
    kept = ", ".join(one.trial.name for one in known if one.weight > 0)
    answer = f"of them answer here as well: {kept}" if kept else "none of them answers here"
    return [f"Tried early, since earlier runs of this project chose them: {told}; {answer}."]


def _who_answers(board: Leaderboard, title: str) -> str:
    listed = ", ".join(f"{one.trial.name} {percent(one.weight, digits=0)}" for one in board.members)
    whole = f"{title} {number(board.score, digits=_DIGITS)}, 95 % range {span(board.interval)}"
    if len(board.members) == 1:
        return f"{board.members[0].trial.name} answers alone: nothing that was added to it made it better ({whole})."
    return f"Together they are better than each alone ({whole}): {listed}."


def _what_it_adds(one: Standing, title: str) -> str:
    family = FAMILIES[one.trial.family]
    alone = f"alone it has {number(one.trial.score, digits=_DIGITS)}"
    if one.adds is None:
        adds = ""
    elif one.adds > 0:
        adds = f"; without it the {title} would be worse by {number(one.adds, digits=_DIGITS)}"
    else:
        adds = "; others would do as well in its place"
    return f"{one.trial.name}: {alone}{adds}. {family.sentence}"


def _who_is_near(board: Leaderboard, title: str) -> list[str]:
    scored = [one for one in board.standings if one.behind is not None]
    if len(scored) < 2:
        return []
    best, others = scored[0], scored[1:]
    tied = [one.trial.name for one in others if one.tied]
    behind = [one for one in others if not one.tied]
    lines = []
    if tied:
        lines.append(f"A tie with the best single candidate, {best.trial.name}: {', '.join(tied)}.")
    if behind:
        told = ", ".join(f"{one.trial.name} (by {number(one.behind, digits=_DIGITS)})" for one in behind)
        lines.append(f"Clearly behind it in {title}: {told}.")
    return lines


def _how_sure(board: Leaderboard, title: str) -> list[str]:
    lines = []
    if board.detectable is not None:
        smallest = number(board.detectable, digits=_DIGITS)
        lines.append(f"These {board.n:,} rows tell two such candidates apart from a difference of about {smallest} on.")
    if board.honest_score is not None:
        honest = number(board.honest_score, digits=_DIGITS)
        lines.append(
            f"The best of many is best by luck as well: on rows that the choice did not see, {title} is {honest}."
        )
    return lines
