"""The model card: the page on one version, in Markdown, with the metadata head that model hubs read.

References
----------
Mitchell et al. (2019), Model cards for model reporting, FAccT.
"""

from __future__ import annotations

from mlwright._version import __version__
from mlwright.reports import words
from mlwright.reports.templating import rendered
from mlwright.runs import Run


def model_card(run: Run) -> str:
    """The card as Markdown."""
    evaluation = run.evaluation
    return rendered(
        "model_card.md.j2",
        {
            "run": run,
            "spec": run.spec,
            "model": run.model,
            "evaluation": evaluation,
            "headline": words.headline(run),
            "meaning": [] if evaluation is None else words.meaning(evaluation, run.model, run.spec),
            "acting": words.acting(run.model),
            "limits": words.limits(run),
            "open_points": words.open_points(run),
            "version": __version__,
        },
    )
