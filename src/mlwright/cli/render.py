"""What commands show: tables for people, JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlwright.checks import CheckReport
from mlwright.data import Split
from mlwright.evaluation import DecisionValue, Evaluation
from mlwright.feasibility import Verdict
from mlwright.registry import RegistryVerification
from mlwright.reports import answer, explain_choice
from mlwright.reports import verdict as verdict_words
from mlwright.reports.recommendation import promise_in_words, recommend
from mlwright.reports.words import headline, meaning, number, percent, span
from mlwright.runs import Run
from mlwright.search import Leaderboard, Trials
from mlwright.spec import Spec
from mlwright.statistics import METRICS
from mlwright.translation import Contradiction, Translation
from mlwright.verification import Verification

_STYLES = {"pass": "green", "warn": "yellow", "fail": "bold red"}
_TONES = {"good": "green", "open": "yellow", "bad": "bold red"}
_OUTCOMES = {"met": "green", "not met": "bold red", "undecided": "yellow"}


def console() -> Any:
    """Rich on stdout; as wide as the terminal, or 120 columns where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def show_json(tree: Any) -> None:
    """Print JSON on stdout."""
    sys.stdout.write(json.dumps(tree, indent=1, ensure_ascii=False, default=str) + "\n")


def _table(*columns: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.removeprefix(">"), justify="right" if right else "left", overflow="fold")
    return table


def show_columns(split: Split) -> None:
    """What was decided for each column, and why."""
    from rich.markup import escape

    out, dataset = console(), split.dataset
    out.print(f"[bold]{dataset.description}[/]: {len(dataset):,} rows, {len(dataset.schema)} columns, {dataset.task}")
    for note in dataset.notes:
        out.print(f"  read with {note}")
    if dataset.unlabelled:
        out.print(f"  {dataset.unlabelled:,} rows without a known {dataset.target} left out")
    table = _table("column", "type", "used as", ">missing", "why")
    for column in dataset.schema:
        missing = dataset.table.column(column.name).null_count / max(len(dataset), 1)
        style = "dim" if column.role == "unused" else None
        table.add_row(
            escape(column.name),
            column.type,
            column.role,
            f"{missing:.1%}" if missing else "",
            escape(column.why),
            style=style,
        )
    out.print(table)
    out.print(
        f"[bold]split[/]: {split.plan.kind}, {len(split.train_rows):,} rows for training, "
        f"{len(split.test_rows):,} for the test; {split.plan.reason}\n"
    )


def show_checks(report: CheckReport) -> None:
    """Results with advice, the worst first."""
    from rich.markup import escape

    table = _table("result", "check", "found", "advice")
    for result in report:
        if result.check == "association" and result.status == "pass":
            continue
        style = _STYLES[result.status]
        table.add_row(
            f"[{style}]{result.status}[/]", result.check.replace("_", " "), escape(result.what), escape(result.advice)
        )
    console().print(table)


def show_translation(translation: Translation) -> None:
    """What is asked, and what the run does about it."""
    from rich.markup import escape

    table = _table("asked", "the run does")
    for line in translation.lines:
        table.add_row(escape(line.asked), escape(line.done))
    console().print(table)


def show_contradictions(found: Sequence[Contradiction]) -> None:
    """What cannot all hold, the certain ones first; each with what to do."""
    from rich.markup import escape

    if not found:
        return
    table = _table("contradiction", "what is asked and cannot be", "what to do")
    for one in found:
        kind = f"[{_STYLES['fail']}]certain[/]" if one.certain else f"[{_STYLES['warn']}]look[/]"
        table.add_row(kind, f"{escape(one.what)} [dim]({escape(one.where)})[/]", escape(one.fix))
    console().print(table)


def show_leaderboard(board: Leaderboard) -> None:
    """The candidates, the best first."""
    objective = METRICS[board.objective]
    money = [] if board.value is None else [f">{board.currency} a row"]
    table = _table("candidate", f">{objective.title}", ">95 % range", ">behind", *money, ">share", ">seconds", "status")
    for one in board.standings:
        trial = one.trial
        behind = "" if one.behind is None else "tie" if one.tied else number(one.behind, digits=4)
        table.add_row(
            trial.name,
            number(trial.score, digits=4),
            span(one.interval),
            "best" if one.behind == 0 else behind,
            *(number(one.value) for _ in money),
            percent(one.weight, digits=0) if one.weight else "",
            f"{trial.seconds:.1f}",
            f"{trial.status}{f': {trial.reason}' if trial.reason else ''}",
        )
    together = (number(board.value) for _ in money)
    table.add_row("together", number(board.score, digits=4), span(board.interval), "", *together, "100 %", "", "")
    console().print(table)


def show_choice(board: Leaderboard, trials: Trials) -> None:
    """The leaderboard, and why the choice fell so."""
    from rich.markup import escape

    show_leaderboard(board)
    for line in explain_choice(board, trials):
        console().print(f"  {escape(line)}")


def show_run(run: Run) -> None:
    """The verdict, the requirements, the scores, and where the report is."""
    from rich.markup import escape

    out = console()
    if run.evaluation is None:
        show_leaderboard(run.leaderboard())
        out.print(f"run [bold]{run.id}[/]; score it with `mlwright evaluate {run.id}`")
        return
    top = headline(run)
    style = _TONES[top.tone]
    out.print(f"[bold {style}]{top.verdict}.[/] {top.reason}")
    found = recommend(run)
    steps = " ".join(one for one in (found.acts if found.tone != "bad" else "", *found.steps) if one)
    out.print(f"[bold]What to do: {found.verdict[:1].lower()}{found.verdict[1:]}.[/] {escape(steps)}")
    gain = [] if found.gain is None else [found.gain.sentence()]
    promise = promise_in_words(run, run.evaluation)
    for line in [*gain, *meaning(run.evaluation, run.model, run.spec), *([promise] if promise else [])]:
        out.print(f"  {escape(line)}")
    show_evaluation(run.evaluation)
    _where("report", run.folder.report_path)
    out.print(f"run     {run.id}")


def show_evaluation(evaluation: Evaluation) -> None:
    """Requirements and scores."""
    from rich.markup import escape

    out = console()
    if evaluation.requirements:
        table = _table("id", "asked", "outcome", ">score", ">range", ">rows")
        for r in evaluation.requirements:
            style = _OUTCOMES[r.outcome]
            table.add_row(
                r.id, escape(r.sentence()), f"[{style}]{r.outcome}[/]", number(r.value), span(r.interval), f"{r.n:,}"
            )
        out.print(table)
    for one in evaluation.judged_constraints:
        out.print(f"[{_OUTCOMES[one.outcome]}]{one.outcome}[/]  {escape(one.asked)}: {escape(one.reason)}")
    names = [b.baseline for b in evaluation.scores[0].baselines]
    table = _table(f"on {evaluation.n:,} test rows", ">model", ">95 % range", *(f">{name}" for name in names))
    for score in evaluation.scores:
        beside = {b.baseline: b.value for b in score.baselines}
        table.add_row(
            score.title, number(score.value), span(score.interval), *(number(beside.get(name)) for name in names)
        )
    out.print(table)
    if evaluation.value is not None:
        out.print(_value_table(evaluation.value))


def _value_table(value: DecisionValue) -> Any:
    table = _table("way to decide", f">{value.currency} a row", ">95 % range", ">the model gains", ">95 % range")
    table.add_row("the model", number(value.per_row), span(value.interval), "", "")
    for one in value.alternatives:
        gain = span(one.gain_interval, signed=True)
        table.add_row(one.title, number(one.per_row), "", number(one.gain), gain)
    return table


def _where(what: str, path: Path) -> None:
    if path.is_file():
        console().print(f"{what}  {path}", soft_wrap=True)


def show_verdict(verdict: Verdict, spec: Spec, split: Split, page: Path) -> None:
    """Can it be done? One screen: the answer, each requirement, what it costs, and how sure that is."""
    from rich.markup import escape

    out = console()
    top = answer(verdict, spec, split)
    style = _TONES[top.tone]
    out.print(f"[bold {style}]{top.short}.[/] {escape(top.sentence)}")
    if top.advice:
        out.print(f"[bold]What to do:[/] {escape(top.advice)}")
    asked = verdict_words.asked(verdict, spec, split)
    if asked:
        table = _table("asked", "chance", "to expect (9 in 10)", "surest bound", "what limits it")
        for one in asked:
            what = f"[bold]{escape(one.id)}[/] {escape(one.asked)} [dim]({one.priority})[/]"
            table.add_row(what, f"[{_TONES[one.tone]}]{one.chance}[/]", one.expected, one.nearest, escape(one.limit))
        out.print(table)
        for one in asked:
            if one.outcome != "feasible" and one.takes:
                out.print(f"  {escape(one.id)}, what it would take: {escape(one.takes)}.")
    for line in (
        verdict_words.expectation(verdict),
        *verdict_words.cost_lines(verdict),
        verdict_words.ceiling_in_words(verdict),
        *verdict_words.finding_lines(verdict),
    ):
        if line:
            out.print(f"  {escape(line)}")
    out.print(f"[dim]{escape(verdict_words.certainty())}[/]")
    _where("page", page)


def show_verification(found: Verification) -> None:
    """How many numbers came out again, and which did not."""
    out = console()
    if found.holds:
        out.print(
            f"[green]All {found.computed} numbers of run {found.run} come out again;[/] "
            f"{found.measured} times and sizes can only be measured again."
        )
        return
    table = _table("id", ">stored", ">computed")
    for one in found.differences[:50]:
        table.add_row(one.id, str(one.stored), str(one.computed))
    out.print(table)


def show_audit(found: RegistryVerification) -> None:
    """Whether the audit log of the project holds."""
    from rich.markup import escape

    if found.holds:
        console().print(
            f"[green]All {found.entries} entries of the audit log of {escape(found.model)} hold,[/] and so do its packages."
        )
    for problem in found.problems:
        console().print(problem, markup=False)
