"""`mlwright feasibility`: a thin edge over `mlwright.judge`, which says before the search what the data can give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlwright.core import MlwrightError

if TYPE_CHECKING:
    from mlwright.reports import Answer


class NotFeasible(MlwrightError):
    """Something that must hold is out of reach, as far as a forecast can say."""

    exit_code = 1

    def __init__(self, answer: Answer, *, where: str) -> None:
        super().__init__(answer.sentence, where=where, fix=answer.advice or "ask for less, or bring other columns")


def feasibility(
    spec: Annotated[
        Path, typer.Option("--spec", "-s", help="The spec, or the folder that it is in.", show_default="mlwright.yaml")
    ] = Path("mlwright.yaml"),
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where the page goes.", show_default="feasibility.html beside the spec"),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Say before any search whether it can be done: how likely each requirement is met, what limits it, what it would take.

    Example: `mlwright feasibility`

    Nothing is searched, and no test row is scored. Writes one page with one picture. Exit code 1 if something that must
    hold is out of reach.
    """
    from mlwright.cli.progress import shown_progress
    from mlwright.cli.render import show_json, show_verdict
    from mlwright.core import write_text
    from mlwright.reports import answer, feasibility_page
    from mlwright.spec import load_spec
    from mlwright.workflow import judge

    loaded = load_spec(spec)
    with shown_progress(quiet=quiet or json_output) as progress:
        split, _, verdict = judge(loaded, progress=progress)
    page = out if out is not None else loaded.folder / "feasibility.html"
    write_text(page, feasibility_page(verdict, loaded, split))
    found = answer(verdict, loaded, split)
    if json_output:
        show_json({"answer": found._asdict(), "page": str(page), **verdict.state()})
    else:
        show_verdict(verdict, loaded, split, page)
    if verdict.outcome == "infeasible":
        raise NotFeasible(found, where=f"{verdict.n_rows:,} training rows, {verdict.n_columns} columns")
