"""The commands. What they need is imported when they run, so that `--help` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlwright.cli.feasibility import feasibility
from mlwright.cli.keys import keys_app
from mlwright.cli.monitor import monitor_app
from mlwright.cli.operate import operate
from mlwright.cli.predictions import label, predictions_app
from mlwright.cli.quarantine import quarantine_app
from mlwright.cli.registry import promote, registry_app, rollback
from mlwright.cli.serving import serve

app = typer.Typer(
    name="mlwright",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="From a business question and a table to a proven, documented model.\n\n"
    "```\n"
    "mlwright init customers.csv --target churned   # writes the spec\n"
    "mlwright check                                 # is the data fit?\n"
    "mlwright feasibility                           # can it be done?\n"
    "mlwright run                                   # train, prove, report\n"
    "mlwright predict latest new.csv -o scored.parquet\n"
    "```\n\n"
    "Every command prints JSON for machines with `--json`, and a traceback with `--debug`. "
    "Exit codes: 0 done, 1 a check or requirement failed, 2 the call, the spec or the data is wrong.",
)
spec_app = typer.Typer(no_args_is_help=True, help="About the spec: its JSON Schema, the metrics it may name.")
app.add_typer(spec_app, name="spec")
app.add_typer(predictions_app, name="predictions")
app.add_typer(keys_app, name="keys")
app.add_typer(registry_app, name="registry")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(monitor_app, name="monitor")

SpecOption = Annotated[
    Path, typer.Option("--spec", "-s", help="The spec, or the folder that it is in.", show_default="mlwright.yaml")
]
RunArgument = Annotated[str, typer.Argument(help="A run: its id, its folder, or `latest`.", metavar="RUN")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
ResumeOption = Annotated[
    str | None,
    typer.Option("--resume", help="Go on with a run that was begun, with what it has finished.", metavar="RUN"),
]
_SPEC = Path("mlwright.yaml")


def _version(wanted: bool) -> None:
    if wanted:
        from mlwright._version import __version__

        typer.echo(f"mlwright {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Nothing but the options that stand before a command."""


@app.command()
def init(
    source: Annotated[str, typer.Argument(help="A file, a glob, an s3:// URL, or a database URL with --query.")],
    target: Annotated[str, typer.Option("--target", "-t", help="The column to predict.")],
    query: Annotated[str | None, typer.Option("--query", help="The SELECT to ask a database.")] = None,
    task: Annotated[str, typer.Option("--task", help="auto, binary, multiclass or regression.")] = "auto",
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the spec.")] = _SPEC,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a spec that is there.")] = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Look at a table and write a commented spec for it.

    Example: `mlwright init customers.csv --target churned`
    """
    import json

    from mlwright.cli.progress import shown_progress
    from mlwright.cli.render import console, show_json
    from mlwright.core import write_text
    from mlwright.proposal import SpecExists, propose
    from mlwright.spec import Query, json_schema, write_draft

    if out.exists() and not force:
        raise SpecExists("there is a spec already", where=str(out), fix="name another file with -o, or add --force")
    folder = out.resolve().parent
    where = Query(url=source, query=query) if query is not None else source
    with shown_progress(quiet=quiet or json_output) as progress:
        draft = propose(where, target, folder=folder, task=task, progress=progress)
    write_text(out, write_draft(draft))
    write_text(folder / "mlwright.schema.json", json.dumps(json_schema(), indent=1) + "\n")
    if json_output:
        show_json({"spec": str(out), "task": draft.task, "rows": draft.rows, "set_aside": list(draft.suspects)})
        return
    say = console()
    say.print(f"wrote [bold]{out}[/]: a {draft.task} task on {draft.rows:,} rows, {len(draft.columns)} columns")
    if draft.suspects:
        say.print(f"[yellow]set aside, since they give the target away:[/] {', '.join(draft.suspects)}")
    say.print("read it, then: mlwright check, mlwright run")


@app.command()
def check(spec: SpecOption = _SPEC, json_output: JsonOption = False, quiet: QuietOption = False) -> None:
    """Say what each column is, whether the data is fit, what the run will do about what is asked, and what cannot be.

    Example: `mlwright check`
    """
    from datetime import UTC, datetime

    from mlwright.cli.progress import shown_progress
    from mlwright.cli.render import show_checks, show_columns, show_contradictions, show_json, show_translation
    from mlwright.spec import load_spec
    from mlwright.translation import find_contradictions, raise_if_certain, translate
    from mlwright.workflow import check as checked

    loaded = load_spec(spec)
    with shown_progress(quiet=quiet or json_output) as progress:
        split, report = checked(loaded, progress=progress)
    tree = {"schema": split.dataset.schema.state()["columns"], "split": split.plan.kind, **report.state()}
    if not json_output:
        show_columns(split)
        show_checks(report)
    elif report.failed():
        show_json(tree)
    report.raise_if_failed()
    translation = translate(loaded, split, checks=report)
    found = find_contradictions(loaded, split, today=datetime.now(tz=UTC).date())
    if json_output:
        lines = translation.state()["lines"]
        show_json({**tree, "translation": lines, "contradictions": [one.state() for one in found]})
    else:
        show_translation(translation)
        show_contradictions(found)
    raise_if_certain(found)


app.command()(feasibility)


@app.command()
def train(
    spec: SpecOption = _SPEC, resume: ResumeOption = None, json_output: JsonOption = False, quiet: QuietOption = False
) -> None:
    """Check the data, search within the budget, and fit the model; no test row is scored.

    Example: `mlwright train` or, after it was stopped, `mlwright train --resume latest`
    """
    from mlwright.cli.progress import shown_progress
    from mlwright.workflow import train as trained

    with shown_progress(quiet=quiet or json_output) as progress:
        made = trained(spec, resume=_resumed(resume), progress=progress)
    _show(made, json_output)


@app.command()
def evaluate(run: RunArgument = "latest", json_output: JsonOption = False, quiet: QuietOption = False) -> None:
    """Score the test rows and judge the requirements.

    Example: `mlwright evaluate latest`
    """
    from mlwright.cli.progress import shown_progress
    from mlwright.runs import RunFolder
    from mlwright.workflow import evaluate_run, open_run

    with shown_progress(quiet=quiet or json_output) as progress:
        made = evaluate_run(open_run(RunFolder.find(run), progress=progress), progress=progress)
    _show(made, json_output)
    assert made.evaluation is not None
    made.evaluation.raise_if_not_met()


@app.command()
def report(run: RunArgument = "latest", json_output: JsonOption = False, quiet: QuietOption = False) -> None:
    """Write the report and the model card of a run.

    Example: `mlwright report latest`
    """
    from mlwright.cli.progress import shown_progress
    from mlwright.cli.render import show_json
    from mlwright.runs import RunFolder
    from mlwright.workflow import open_run, report_run

    with shown_progress(quiet=quiet or json_output) as progress:
        path = report_run(open_run(RunFolder.find(run), progress=progress))
    if json_output:
        show_json({"report": str(path), "model_card": str(path.parent / "model_card.md")})
    else:
        typer.echo(path)


@app.command(name="run")
def run_all(
    spec: SpecOption = _SPEC, resume: ResumeOption = None, json_output: JsonOption = False, quiet: QuietOption = False
) -> None:
    """Check, train, evaluate, report and register: everything from the spec to the proven model.

    Example: `mlwright run`

    The model becomes a version of the project's model; the first one of which every `must` is met becomes champion
    (`mlwright registry list`).
    """
    from mlwright.cli.progress import shown_progress
    from mlwright.registry import register_run
    from mlwright.workflow import evaluate_run, report_run
    from mlwright.workflow import train as trained

    with shown_progress(quiet=quiet or json_output) as progress:
        made = evaluate_run(trained(spec, resume=_resumed(resume), progress=progress), progress=progress)
        report_run(made)
    _show(made, json_output)
    version = register_run(made)
    if not json_output:
        typer.echo(f"model   {version.in_words} of {version.model}: {version.standing}")
    assert made.evaluation is not None
    made.evaluation.raise_if_not_met()


@app.command()
def predict(
    run: RunArgument,
    source: Annotated[str, typer.Argument(help="The rows to answer: a file, a glob or a URL.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Parquet, CSV, JSON lines or Arrow, by its suffix.")],
    keep_columns: Annotated[bool, typer.Option("--keep-columns", help="Copy the columns of the source along.")] = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Answer a table with the model of a run, batch by batch.

    Example: `mlwright predict latest new.csv -o scored.parquet`
    """
    from mlwright.batch import predict_table
    from mlwright.cli.progress import shown_progress
    from mlwright.cli.render import show_json
    from mlwright.data import open_source
    from mlwright.models import Model
    from mlwright.runs import RunFolder

    model = Model.load(_package(run, RunFolder))
    with shown_progress(quiet=quiet or json_output) as progress:
        rows = predict_table(
            model, open_source(source, folder=Path.cwd()), out, keep_columns=keep_columns, progress=progress
        )
    if json_output:
        show_json({"rows": rows, "out": str(out)})
    else:
        typer.echo(f"{rows:,} rows answered in {out}")


@app.command(name="explain-choice")
def explain_choice(run: RunArgument = "latest", json_output: JsonOption = False, quiet: QuietOption = False) -> None:
    """Say why this model and not the others: the leaderboard, ties, and what each member adds.

    Example: `mlwright explain-choice latest`
    """
    from mlwright.cli.progress import shown_progress
    from mlwright.cli.render import show_choice, show_json
    from mlwright.reports import explain_choice as explained
    from mlwright.runs import RunFolder
    from mlwright.workflow import open_run

    with shown_progress(quiet=quiet or json_output) as progress:
        made = open_run(RunFolder.find(run), progress=progress)
        board = made.leaderboard()
    if json_output:
        show_json({**board.state(), "why": explained(board, made.trials)})
    else:
        show_choice(board, made.trials)


@app.command()
def verify(run: RunArgument = "latest", json_output: JsonOption = False, quiet: QuietOption = False) -> None:
    """Compute every number of a run again and compare it with the evidence; check the audit log of its project.

    Example: `mlwright verify latest`
    """
    from dataclasses import asdict

    from mlwright.cli.progress import shown_progress
    from mlwright.cli.render import show_audit, show_json, show_verification
    from mlwright.registry import RegistryDiffers, verify_project
    from mlwright.runs import RunFolder
    from mlwright.verification import EvidenceDiffers
    from mlwright.verification import verify as verified

    folder = RunFolder.find(run)
    with shown_progress(quiet=quiet or json_output) as progress:
        found = verified(folder, progress=progress)
    audit = verify_project(folder.path.parent.parent)
    if json_output:
        show_json({**asdict(found), "registry": None if audit is None else asdict(audit)})
    else:
        show_verification(found)
        if audit is not None:
            show_audit(audit)
    if not found.holds:
        raise EvidenceDiffers(found)
    if audit is not None and not audit.holds:
        raise RegistryDiffers(audit)


app.command()(label)
app.command()(serve)
app.command()(operate)
app.command()(promote)
app.command()(rollback)


@spec_app.command(name="schema")
def spec_schema() -> None:
    """Print the JSON Schema of `mlwright.yaml`, for editors.

    Example: `mlwright spec schema > mlwright.schema.json`
    """
    from mlwright.cli.render import show_json
    from mlwright.spec import json_schema

    show_json(json_schema())


@spec_app.command(name="metrics")
def spec_metrics(json_output: JsonOption = False) -> None:
    """List the metrics that a requirement may name.

    Example: `mlwright spec metrics`
    """
    from mlwright.cli.render import console, show_json
    from mlwright.statistics import DECISION_METRICS, METRICS

    listed: list[dict[str, Any]] = [
        {
            "name": m.name,
            "title": m.title,
            "tasks": list(m.tasks),
            "better": "higher" if m.higher_is_better else "lower",
        }
        for m in METRICS.values()
    ]
    listed += [
        {"name": m.name, "title": m.described, "tasks": ["binary"], "better": "higher"}
        for m in DECISION_METRICS.values()
    ]
    if json_output:
        show_json(listed)
        return
    for one in listed:
        console().print(f"{one['name']:20} {one['title']:38} {one['better']} is better   {', '.join(one['tasks'])}")


def _resumed(name: str | None) -> Any:
    from mlwright.runs import RunFolder

    return None if name is None else RunFolder.find(name)


def _package(run: str, folders: Any) -> Path:
    """The package of a run, or a package itself."""
    if (Path(run) / "manifest.json").is_file():
        return Path(run)
    path: Path = folders.find(run).model_path
    return path


def _show(made: Any, json_output: bool) -> None:
    from mlwright.cli.render import show_json, show_run

    if not json_output:
        show_run(made)
        return
    evaluation = made.evaluation
    show_json(
        {
            "run": made.id,
            "folder": str(made.folder.path),
            "report": str(made.folder.report_path) if made.folder.report_path.is_file() else None,
            "members": [{"trial": m.trial, "weight": m.weight} for m in made.model.members],
            "evaluation": None if evaluation is None else evaluation.state(),
        }
    )
