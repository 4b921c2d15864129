"""The page on feasibility: can it be done, how well at best, and what would it take; one screen and one picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlwright._version import __version__
from mlwright.data import Split
from mlwright.feasibility import Verdict
from mlwright.reports import verdict as words
from mlwright.reports.learning_curve import learning_curve_chart
from mlwright.reports.templating import rendered
from mlwright.spec import Spec
from mlwright.statistics import METRICS


def feasibility_page(verdict: Verdict, spec: Spec, split: Split) -> str:
    """The page as HTML: one file that loads nothing."""
    return rendered(
        "feasibility.html.j2",
        {
            "spec": spec,
            "split": split,
            "version": __version__,
            "promised": verdict_view(verdict, spec, split),
        },
    )


def verdict_view(verdict: Verdict, spec: Spec, split: Split, *, came_out: float | None = None) -> Mapping[str, Any]:
    """What the part about the verdict shows, on this page and in the report.

    Parameters
    ----------
    came_out
        The score on the test rows by the verdict's metric, once there is one.
    """
    return {
        "verdict": verdict,
        "answer": words.answer(verdict, spec, split),
        "asked": words.asked(verdict, spec, split),
        "expectation": words.expectation(verdict),
        "costs": words.cost_lines(verdict),
        "ceiling": words.ceiling_in_words(verdict),
        "findings": words.finding_lines(verdict),
        "look_at": words.rows_to_look_at(verdict, split),
        "certainty": words.certainty(),
        "curve": learning_curve_chart(verdict, came_out=came_out),
        "metric": METRICS[verdict.metric].title,
    }
