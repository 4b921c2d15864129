"""`mlwright monitor`: how things are with the model that answers, and what people say back to its alerts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mlwright.operate import Look, Project

SpecOption = Annotated[
    Path, typer.Option("--spec", "-s", help="The spec, or the folder that it is in.", show_default="mlwright.yaml")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
KeyArgument = Annotated[str, typer.Argument(help="The key of an alert, as `mlwright monitor` shows it.", metavar="KEY")]
ByOption = Annotated[
    str | None,
    typer.Option("--by", help="Who says so; MLWRIGHT_USER or the user that one is logged in as, if not given."),
]
NoteOption = Annotated[str | None, typer.Option("--note", help="What others should know.")]
_SPEC = Path("mlwright.yaml")
_STYLES = {"page": "bold red", "warn": "yellow", "info": "cyan"}

monitor_app = typer.Typer(
    invoke_without_command=True,
    help="Say how things are with the model that answers: what was found, what it costs, which alerts are open.\n\n"
    "Example: `mlwright monitor --out monitor.html`\n\n"
    "What is new in the prediction log is read and judged first, unless `--no-fold` is given or `mlwright operate` does "
    "that already. Nothing is sent, and no version is changed. Exit code 1 if an alert of level page is open.",
)


@monitor_app.callback()
def monitor(
    context: typer.Context,
    spec: SpecOption = _SPEC,
    fold: Annotated[bool, typer.Option("--fold/--no-fold", help="Read and judge first what is new.")] = True,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the page of what happened here.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Look at the model that answers."""
    if context.invoked_subcommand is not None:
        return
    from mlwright.core import write_text
    from mlwright.operate import look, monitoring_page

    with _opened(spec) as project:
        now = _now(project)
        notes = _judged(project, now) if fold else []
        found = look(project, now=now)
        if out is not None:
            write_text(out, monitoring_page(found, project))
    if json_output:
        from mlwright.cli.render import show_json

        show_json({**found.state(), "notes": notes, "page": None if out is None else str(out)})
    else:
        _show(found, notes, out)
    if any(one.level == "page" and one.state == "open" for one in found.alerts):
        raise typer.Exit(1)


@monitor_app.command()
def ack(
    key: KeyArgument,
    by: ByOption = None,
    note: NoteOption = None,
    spec: SpecOption = _SPEC,
    json_output: JsonOption = False,
) -> None:
    """Say that you look after an alert: it is not escalated, and told again only if it gets worse.

    Example: `mlwright monitor ack drift/overall --note "the new campaign"`
    """
    from mlwright.alerts import acknowledge
    from mlwright.registry.store import whoever

    with _opened(spec) as project:
        now, who = _now(project), by or whoever()
        done = project.store.transaction(
            lambda connection: acknowledge(connection, key, model=project.model, who=who, now=now, note=note)
        )
    if json_output:
        from mlwright.cli.render import show_json

        show_json(done.as_json())
    else:
        typer.echo(f"{done.acknowledged_by} looks after {done.key}: {done.finding.what}")


@monitor_app.command()
def accept(
    decision: Annotated[
        str | None,
        typer.Argument(help="What was recommended: `retrain`, `recalibrate`, `reweight`, or the id of a decision."),
    ] = None,
    spec: SpecOption = _SPEC,
    json_output: JsonOption = False,
) -> None:
    """Say yes to what was recommended: it is carried out now, or by `mlwright operate` where that runs.

    Example: `mlwright monitor accept retrain`

    A version that is made by it is a challenger: it answers only after it was proved better, and promoted.
    """
    from dataclasses import replace

    from mlwright.cli.progress import shown_progress
    from mlwright.lifecycle import accept as accepted
    from mlwright.lifecycle import waiting_for_yes
    from mlwright.operate import OperatedAlready, OperatorLock
    from mlwright.operate.living import living
    from mlwright.registry import whoever

    with _opened(spec) as project:
        alive = replace(living(project), who=whoever())
        chosen = waiting_for_yes(alive.store, decision, project.model)
        made, failed, by = None, "", "now"
        try:
            with OperatorLock(project.store, project.model).held(), shown_progress(quiet=json_output) as progress:
                done = accepted(alive, chosen.id, now=_now(project), progress=progress)
                made, failed = done.made, done.failed
        except OperatedAlready:
            alive.store.start(chosen)  # what was begun is gone on with by the next round
            by = "mlwright operate"
    if json_output:
        from mlwright.cli.render import show_json

        number = None if made is None else made.number
        show_json({"decision": chosen.state(), "version": number, "failed": failed or None, "by": by})
    elif by != "now":
        typer.echo(f"{chosen.title}: `mlwright operate` does it within the hour")
    elif made is not None:
        typer.echo(f"{made.in_words} was made; it is compared with the champion from now on")
    elif not failed:
        typer.echo(f"{chosen.title}: noted")
    if failed:
        from mlwright.lifecycle import NothingToDo

        raise NothingToDo(failed, where=f"decision {chosen.id}", fix="see what is wrong now: mlwright monitor")


@monitor_app.command()
def silence(
    key: Annotated[str, typer.Argument(help="A key, or a pattern such as `drift/*`.", metavar="KEY")],
    time: Annotated[str, typer.Option("--for", help="For how long: 8h, 2d, 1w.")] = "8h",
    by: ByOption = None,
    note: NoteOption = None,
    spec: SpecOption = _SPEC,
    json_output: JsonOption = False,
) -> None:
    """Send nothing about an alert for a while; what is still open at the end is sent then.

    Example: `mlwright monitor silence "drift/*" --for 2d`
    """
    from mlwright.alerts import silence as silenced
    from mlwright.registry.store import whoever
    from mlwright.spec import parse_duration

    try:
        length = parse_duration(time)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error
    with _opened(spec) as project:
        until, who = _now(project) + length, by or whoever()
        project.store.transaction(
            lambda connection: silenced(connection, key, model=project.model, until=until, who=who, note=note)
        )
    if json_output:
        from mlwright.cli.render import show_json

        show_json({"key": key, "until": until.isoformat(), "who": who, "note": note})
    else:
        typer.echo(f"{key}: nothing is sent until {until:%Y-%m-%d %H:%M} UTC")


@monitor_app.command()
def unsilence(
    key: Annotated[str, typer.Argument(help="As it was silenced.", metavar="KEY")],
    spec: SpecOption = _SPEC,
    json_output: JsonOption = False,
) -> None:
    """Send what was silenced again.

    Example: `mlwright monitor unsilence "drift/*"`
    """
    from mlwright.alerts import AlertUnknown
    from mlwright.alerts import unsilence as unsilenced

    with _opened(spec) as project:
        gone = project.store.transaction(lambda connection: unsilenced(connection, key, model=project.model))
        if not gone:
            raise AlertUnknown(
                f"{key!r} is not silenced", where=f"the alerts of {project.model!r}", fix="look: mlwright monitor"
            )
    if json_output:
        from mlwright.cli.render import show_json

        show_json({"key": key, "silenced": False})
    else:
        typer.echo(f"{key}: alerts are sent again")


def _opened(spec: Path) -> Any:
    from mlwright.operate import Project
    from mlwright.spec import load_spec

    return Project.open(load_spec(spec), patience_s=10.0)


def _now(project: Project) -> Any:
    """Not earlier than what was written down last: the clock may have been set back."""
    from mlwright.operate import SteadyClock
    from mlwright.operate.heartbeat import last_seen

    return SteadyClock(mark=last_seen(project.store, project.model))()


def _judged(project: Project, now: Any) -> list[str]:
    """Read and judge what is new, if nobody else does; what went wrong is told and does not hide the rest."""
    from mlwright.core import MlwrightError
    from mlwright.operate import OperatedAlready, OperatorLock
    from mlwright.operate.watching import alerted, fold, judged

    try:
        with OperatorLock(project.store, project.model).held():
            return [*fold(project, now), *judged(project, now), *alerted(project, now)]
    except OperatedAlready:
        return ["`mlwright operate` looks after this model: shown is what it has found"]
    except MlwrightError as error:
        return [f"what is new could not be read: {error.what}"]


def _show(found: Look, notes: list[str], out: Path | None) -> None:
    from rich.markup import escape

    from mlwright.alerts import cost_in_words, since_in_words
    from mlwright.cli.render import console
    from mlwright.operate.page import headline

    say, top = console(), headline(found)
    style = {"good": "green", "open": "yellow", "bad": "bold red"}[top.tone]
    say.print(f"[bold]{escape(found.model)}[/]: [{style}]{escape(top.verdict)}.[/] {escape(top.reason)}")
    if top.advice:
        say.print(f"  what to do: {escape(top.advice)}")
    if found.champion is not None:
        beside = "" if found.challenger is None else f"; version {found.challenger.number} is compared with it"
        rows, labelled = (sum(getattr(one, name) for one in found.periods) for name in ("rows", "labelled"))
        say.print(
            f"version {found.champion.number} answers{beside}; {rows:,} answers in {len(found.periods)} windows, "
            f"{labelled:,} with a label"
        )
    for one in found.findings:
        say.print(f"\n[{_STYLES[one.level]}]{one.level}[/] {escape(one.what)}")
        say.print(f"  since {since_in_words(one)}; cost: {escape(cost_in_words(one))}")
        if one.advice:
            say.print(f"  what to do: {escape(one.advice)}")
        alert = next((other for other in found.open_alerts if other.key == one.key), None)
        by = f"; {alert.acknowledged_by} looks after it" if alert is not None and alert.acknowledged_by else ""
        say.print(f"  [dim]key {escape(one.key)}{escape(by)}[/]")
    for played in found.played:
        if played.outcome is None:
            comparison = played.comparison
            say.print(
                f"\nversion {comparison.new} beside version {comparison.old} on {comparison.rows:,} rows: gain "
                f"{comparison.gain:.4g} a row, E value {comparison.e_value:.3g} (20 decides)"
            )
    for note in notes:
        say.print(f"[dim]{escape(note)}[/]")
    if found.waiting:
        say.print(f"{found.waiting} messages wait to be sent: mlwright operate sends them")
    if out is not None:
        say.print(f"page    {escape(str(out))}")
