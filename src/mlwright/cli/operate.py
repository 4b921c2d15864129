"""`mlwright operate`: the process that looks after a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mlwright.operate import OperatorStatus, Round
    from mlwright.spec import Spec


def operate(
    spec: Annotated[
        Path, typer.Option("--spec", "-s", help="The spec, or the folder that it is in.", show_default="mlwright.yaml")
    ] = Path("mlwright.yaml"),
    once: Annotated[bool, typer.Option("--once", help="One round, for cron.")] = False,
    every: Annotated[str, typer.Option("--every", help="Between two rounds: 60s, 15min, 1h.")] = "60s",
    status: Annotated[
        bool, typer.Option("--status", help="Only say whether a process looks after the model, and what it does.")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, a line for each round.")
    ] = False,
) -> None:
    """Look after the model that answers: read what is new, judge it, tell people, decide, act, prove, promote, roll back.

    Example: `mlwright operate --every 5min`

    What it may do by itself is in the spec (`operation.act`, `operation.retrain.approve`); by default it recommends. One
    process looks after a model at a time. It can be killed at any point: the next one goes on where it was. SIGTERM ends it
    after the step that runs. With `--once`, exit code 1 if a step failed; with `--status`, if no process runs.
    """
    from mlwright.operate import StepsFailed
    from mlwright.operate import operate as operated
    from mlwright.spec import load_spec, parse_duration

    loaded = load_spec(spec)
    if status:
        _status(loaded, json_output)
        return
    try:
        every_s = parse_duration(every).total_seconds()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--every") from error

    def told(made: Round) -> None:
        _tell(made, json_output)

    last = operated(loaded, every_s=max(every_s, 1.0), once=once, told=told)
    if once and last.troubles:
        raise StepsFailed(last.troubles)


def _tell(made: Round, json_output: bool) -> None:
    import json
    import sys

    if json_output:
        tree = {
            "round": made.number,
            "at": made.at.isoformat(),
            "done": {name: list(told) for name, told in made.done.items()},
            "troubles": made.troubles,
            "complete": made.complete,
        }
        sys.stdout.write(json.dumps(tree, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    stamp = f"{made.at:%Y-%m-%d %H:%M:%S}"
    for step, lines in made.done.items():
        for line in lines:
            typer.echo(f"{stamp}  {step:18} {line}")
    for step, why in made.troubles.items():
        typer.echo(f"{stamp}  {step:18} could not be done: {why}", err=True)
    if not made.done and not made.troubles and made.number == 1:
        typer.echo(f"{stamp}  nothing new")


def _status(spec: Spec, json_output: bool) -> None:
    from mlwright.operate import Project, operator_status
    from mlwright.operate.looking import status_state

    with Project.open(spec, patience_s=10.0) as project:
        found = operator_status(project.store, project.model)
    running = found is not None and found.running
    if json_output:
        from mlwright.cli.render import show_json

        show_json({"running": False} if found is None else status_state(found))
    else:
        typer.echo(_in_words(found))
    if not running:
        raise typer.Exit(1)


def _in_words(found: OperatorStatus | None) -> str:
    if found is None:
        return "no process has looked after this model yet; start one: mlwright operate"
    last = (
        "no round is finished yet"
        if found.last_round is None
        else f"last round {found.last_round:%Y-%m-%d %H:%M:%S} UTC"
    )
    state = (
        f"running: process {found.process} on {found.host}, since {found.started:%Y-%m-%d %H:%M:%S} UTC; "
        f"{found.step} since {found.step_since:%H:%M:%S}"
        if found.running
        else f"not running; the last one was process {found.process} on {found.host}, and it was {found.step!r} when it was "
        f"last heard of, {found.beat:%Y-%m-%d %H:%M:%S} UTC"
    )
    troubles = "".join(f"\n  {step}: {why}" for step, why in found.troubles.items())
    return f"{state}\n{found.rounds} rounds, {last}{troubles}"
