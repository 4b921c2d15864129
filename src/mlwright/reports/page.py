"""The report: one self-contained HTML page, its first screen for a manager, the rest for everybody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from mlwright._version import __version__
from mlwright.checks import CheckResult
from mlwright.evaluation import Evaluation, main_metric
from mlwright.models import FAMILIES, manifest_of, weights_of
from mlwright.reports import charts, words
from mlwright.reports.choice import explain_choice
from mlwright.reports.fairness import fairness_view
from mlwright.reports.feasibility_page import verdict_view
from mlwright.reports.profile import profile
from mlwright.reports.recommendation import kept_promises, promise_in_words, recommend
from mlwright.reports.templating import rendered
from mlwright.runs import Run
from mlwright.statistics import METRICS

#: Longer tables make a page that no browser opens with pleasure; the files beside it have all.
_MOST_LINES = 500


def report_page(run: Run) -> str:
    """The page as HTML."""
    return rendered("report.html.j2", _view(run))


def _view(run: Run) -> Mapping[str, Any]:
    evaluation = run.evaluation
    state = run.folder.state
    board = run.leaderboard()
    return {
        "run": run,
        "spec": run.spec,
        "model": run.model,
        "evaluation": evaluation,
        "evidence": list(run.evidence()),
        "headline": words.headline(run),
        "recommended": recommend(run),
        "kept": [] if evaluation is None else kept_promises(run, evaluation),
        "promise_kept": "" if evaluation is None else promise_in_words(run, evaluation),
        "promised": _promised(run),
        "not_judged": state["stages"].get("feasibility", {}).get("left_out"),
        "meaning": [] if evaluation is None else words.meaning(evaluation, run.model, run.spec),
        "acting": words.acting(run.model),
        "main": None if evaluation is None else words.main_score(evaluation),
        "open_points": words.open_points(run),
        "limits": words.limits(run),
        "profile": profile(run.dataset.schema, run.folder.summary(), first=run.model.importances(), most=_MOST_LINES),
        "n_columns": len(run.dataset.schema),
        "most_lines": _MOST_LINES,
        "checks": [r for r in run.checks if not _of_one_association(r)],
        "associations": [r for r in run.checks if _of_one_association(r)][:12],
        "objective": METRICS[run.trials.objective],
        "board": board,
        "promise": run.promise(),
        "translation": run.translation(),
        "contradictions": run.contradictions,
        "fairness": fairness_view(run),
        "why": explain_choice(board, run.trials),
        "families": {member.family: FAMILIES[member.family] for member in run.model.members},
        "members": _members(run),
        "charts": {} if evaluation is None else _charts(run, evaluation),
        "manifest": manifest_of(run.folder.model_path),
        "created": state["created"].replace("T", " ").removesuffix("+00:00"),
        "slice_title": METRICS[main_metric(run.dataset.task, with_cost=run.spec.decision.error_cost is not None)].title,
        "version": __version__,
    }


def _promised(run: Run) -> Mapping[str, Any] | None:
    """What was said before the search, with what came out."""
    verdict, evaluation = run.verdict, run.evaluation
    if verdict is None:
        return None
    scores = () if evaluation is None else evaluation.scores
    came_out = next((one.value for one in scores if one.metric == verdict.metric), None)
    return verdict_view(verdict, run.spec, run.split, came_out=came_out)


def _of_one_association(result: CheckResult) -> bool:
    """Those have a table of their own; what is said of all columns together stands among the checks."""
    return result.check == "association" and result.column is not None


def _members(run: Run) -> list[tuple[str, float, int]]:
    """Each trial of the ensemble with its weight and the number of fits."""
    fits = Counter(member.trial for member in run.model.members)
    weights = weights_of(run.model.members)
    return [(trial, weights[trial], fits[trial]) for trial in sorted(weights, key=lambda trial: -weights[trial])]


def _charts(run: Run, evaluation: Evaluation) -> dict[str, str]:
    drawn: dict[str, str] = {}
    main = words.main_score(evaluation)
    bars: list[dict[str, Any]] = [
        {
            "who": "model",
            "score": main.value,
            "model": True,
            "low": main.interval.low if main.interval else None,
            "high": main.interval.high if main.interval else None,
        }
    ]
    titles = {"linear": "linear model", "constant": "no model", "mean": "predicting the mean"}
    bars += [
        {"who": titles.get(b.baseline, b.baseline), "score": b.value, "model": False, "low": None, "high": None}
        for b in reversed(main.baselines)
        if b.value is not None
    ]
    drawn["scores"] = charts.score_chart(bars, main.title)
    curves = evaluation.curves
    if curves.roc:
        drawn["roc"] = charts.roc_chart(curves)
        drawn["precision_recall"] = charts.precision_recall_chart(curves)
        drawn["lift"] = charts.lift_chart(curves)
        drawn["calibration"] = charts.calibration_chart(curves)
    if curves.profit is not None:
        drawn["profit"] = charts.profit_chart(curves.profit)
    if curves.scatter:
        drawn["scatter"] = charts.scatter_chart(curves, run.model.target)
    if any(one.loss_increase > 0 for one in evaluation.importances):
        drawn["importance"] = charts.importance_chart(evaluation.importances)
    return drawn
