"""The commands about rows that are kept back. What they need is imported when they run, so that `--help` is quick."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlwright.cli.predictions import JsonOption, LogArgument

if TYPE_CHECKING:
    from mlwright.models import Model
    from mlwright.monitoring.irregular import Entry, Repair
    from mlwright.monitoring.irregular.quarantine import Answer

quarantine_app = typer.Typer(
    no_args_is_help=True, help="About rows with irregular input that are kept back: look at them, let them go on."
)

EntryOption = Annotated[list[str] | None, typer.Option("--entry", help="The id of an entry; may be repeated.")]


@quarantine_app.command()
def show(
    log: LogArgument,
    entry: Annotated[str | None, typer.Option("--entry", help="Show the rows of this entry.")] = None,
    json_output: JsonOption = False,
) -> None:
    """List what is kept back, why, and which rule would repair it.

    Example: `mlwright quarantine show predictions`
    """
    from mlwright.cli.render import show_json
    from mlwright.monitoring.irregular import Quarantine

    quarantine = Quarantine(log)
    held, replayed = quarantine.held(), quarantine.replayed()
    if entry is not None:
        rows = quarantine.rows_of(_entry(entry, [*held, *replayed], log))
        for row in rows.to_pylist():
            typer.echo(json.dumps(row, default=str, ensure_ascii=False))
        return
    if json_output:
        show_json({"held": [one.state() for one in held], "replayed": [one.state() for one in replayed]})
        return
    for one in held:
        typer.echo(f"{one.id}  {one.rows:,} rows of {one.source}, kept back {one.when:%Y-%m-%d %H:%M}")
        for reason in one.reasons:
            rule = "no rule is known" if reason.repair is None else f"rule: {reason.repair.words()}"
            typer.echo(f"    {reason.kind}: {reason.sentence}")
            typer.echo(f"    {rule}")
    typer.echo(f"{sum(one.rows for one in held):,} rows kept back, {sum(one.rows for one in replayed):,} went on")


@quarantine_app.command()
def replay(
    log: LogArgument,
    run: Annotated[
        str, typer.Option("--run", help="The run or package that answers: an id, a folder, or `latest`.")
    ] = "latest",
    spec: Annotated[
        Path, typer.Option("--spec", "-s", help="The spec whose accepted rules run.", show_default="mlwright.yaml")
    ] = Path("mlwright.yaml"),
    entry: EntryOption = None,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", help="A kind, or kind:column, whose rule is accepted this once; may be repeated."),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", help="A rule as JSON for its columns, this once; may be repeated."),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Repair the rows whose rules are accepted, answer them and let them go on; each row once, however often it is begun.

    Example: `mlwright quarantine replay predictions --accept unit_change:temperature`
    """
    from mlwright.cli.render import show_json
    from mlwright.models import Model
    from mlwright.monitoring.irregular import Quarantine
    from mlwright.spec import load_spec

    model = Model.load(_package(run))
    policy: dict[str, Any] = {str(kind): choice for kind, choice in load_spec(spec).operation.repair.items()}
    for one in accept or []:
        kind, _, column = one.partition(":")
        _accept(policy, kind, column)
    done = Quarantine(log).replay(
        model.schema, policy, answer=_answering(model), only=entry, rules=[_rule(text) for text in rule or []]
    )
    if json_output:
        state = {"rows": done.rows, "entries": [one.id for one in done.entries]}
        show_json({**state, "waiting": [one.id for one in done.waiting]})
        return
    waiting = sum(one.rows for one in done.waiting)
    typer.echo(f"{done.rows:,} rows of {len(done.entries):,} entries went on; {waiting:,} rows wait for a decision")


def _accept(policy: dict[str, Any], kind: str, column: str) -> None:
    from mlwright.monitoring.irregular import KINDS

    if kind not in KINDS or not KINDS[kind].held:
        names = ", ".join(name for name, one in KINDS.items() if one.held)
        raise typer.BadParameter(f"choose from {names}", param_hint="--accept")
    said = policy.get(kind)
    by_column = dict(said) if isinstance(said, dict) else {}
    policy[kind] = {**by_column, column: "accept"} if column else "accept"


def _rule(text: str) -> Repair:
    from mlwright.monitoring.irregular import repair_of_state

    try:
        state = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter("write a rule as JSON", param_hint="--rule") from error
    if not isinstance(state, dict):
        raise typer.BadParameter("write a rule as a JSON object", param_hint="--rule")
    return repair_of_state(state)


def _answering(model: Model) -> Answer:
    """What answers repaired rows: the columns that the log has of an answer."""

    def answer(batch: Any) -> Any:
        answers = model.predict(batch.typed).to_table()
        return answers.rename_columns([f"output.{name}" for name in answers.column_names])

    return answer


def _package(run: str) -> Path:
    from mlwright.runs import RunFolder

    return Path(run) if (Path(run) / "manifest.json").is_file() else RunFolder.find(run).model_path


def _entry(name: str, known: list[Entry], log: str) -> Entry:
    from mlwright.monitoring.irregular.quarantine import EntryNotFound

    for one in known:
        if one.id == name:
            return one
    raise EntryNotFound(name, [one.id for one in known], where=log)
