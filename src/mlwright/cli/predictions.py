"""The commands about the prediction log. What they need is imported when they run, so that `--help` is quick."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

predictions_app = typer.Typer(
    no_args_is_help=True, help="About the prediction log: look at it, seal it, take rows out."
)

LogArgument = Annotated[
    str, typer.Argument(help="The log: a folder, or an s3://, gs:// or hdfs:// URL.", metavar="LOG")
]
SegmentsOption = Annotated[
    Path | None,
    typer.Option("--segments", help="What is not sealed yet.", show_default="`segments` in a LOG that is a folder"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only count.")]


def label(
    log: LogArgument,
    source: Annotated[str, typer.Argument(help="The labels: a file, a glob or a URL.", metavar="LABELS")],
    id_column: Annotated[str, typer.Option("--id", help="The column with the id of the answer.")] = "id",
    label_column: Annotated[str, typer.Option("--label", help="The column with what turned out to be true.")] = "label",
    time_column: Annotated[
        str | None, typer.Option("--time", help="The column with when it became true; the latest counts.")
    ] = None,
    since: Annotated[datetime | None, typer.Option("--since", help="Look for answers from then on (UTC).")] = None,
    segments: SegmentsOption = None,
    json_output: JsonOption = False,
) -> None:
    """Tell the prediction log what turned out to be true; the same labels may be told again.

    Example: `mlwright label predictions labels.csv --id customer_id --label churned`
    """
    import pyarrow as pa

    from mlwright.data import open_source
    from mlwright.predictions import add_labels

    table = pa.Table.from_batches(open_source(source, folder=Path.cwd()).batches())
    done = add_labels(
        log,
        table,
        id=id_column,
        label=label_column,
        time=time_column,
        since=since,
        segments=_segments(log, segments),
    )
    _show(
        done,
        json_output,
        f"{done.given:,} labels: {done.matched:,} ids answered, {done.unknown:,} unknown; "
        f"{done.added:,} written, {done.repeated:,} known already, {done.changed:,} changed, "
        f"{done.outdated:,} outdated, {done.empty:,} empty",
    )


@predictions_app.command()
def show(
    log: LogArgument,
    start: Annotated[datetime | None, typer.Option("--start", help="From then on (UTC).")] = None,
    end: Annotated[datetime | None, typer.Option("--end", help="Before then (UTC).")] = None,
    version: Annotated[str | None, typer.Option("--version", help="Only answers of this one.")] = None,
    segments: SegmentsOption = None,
    json_output: JsonOption = False,
) -> None:
    """Count what the log has: answers by version, labels, what is not sealed yet.

    Example: `mlwright predictions show predictions --start 2026-01-01`
    """
    from mlwright.predictions import overview

    found = overview(log, start, end, version=version, segments=_segments(log, segments))
    versions = "".join(f"\n  {name}: {count:,}" for name, count in found.versions.items())
    span = (
        f" from {found.first:%Y-%m-%d %H:%M} to {found.last:%Y-%m-%d %H:%M} UTC" if found.first and found.last else ""
    )
    _show(
        found,
        json_output,
        f"{found.answers:,} answers{span}, {found.labelled:,} with a label, {found.unread:,} with fields that did not "
        f"fit; {found.files:,} files, {found.segments:,} segments not sealed yet{versions}",
    )


@predictions_app.command()
def seal(
    log: LogArgument,
    segments: SegmentsOption = None,
    json_output: JsonOption = False,
) -> None:
    """Turn finished segments into Parquet, those too that stopped processes left behind.

    Example: `mlwright predictions seal predictions`
    """
    from mlwright.predictions import seal_segments, segments_folder

    done = seal_segments(segments_folder(log, segments), log)
    _show(
        done,
        json_output,
        f"{done.rows:,} answers of {done.segments:,} segments sealed in {done.files:,} files; "
        f"{done.damaged:,} damaged places, {done.erased:,} erased, {done.open:,} segments still open",
    )


@predictions_app.command()
def erase(
    log: LogArgument,
    ids: Annotated[list[str] | None, typer.Option("--id", help="The id of an answer; may be repeated.")] = None,
    where: Annotated[
        str | None, typer.Option("--where", help="A field of the input and its value: `name=value`.")
    ] = None,
    hashed: Annotated[
        bool, typer.Option("--hashed", help="The field is masked by a hash with the key in MLWRIGHT_MASK_KEY.")
    ] = False,
    segments: SegmentsOption = None,
    json_output: JsonOption = False,
) -> None:
    """Take the answers and labels of one person out of the log, for good.

    Example: `mlwright predictions erase predictions --where customer_id=C00017`
    """
    from datetime import UTC

    from mlwright.monitoring.irregular import Quarantine
    from mlwright.predictions import Masks
    from mlwright.predictions import erase as erased

    field, sign, value = (where or "").partition("=")
    if where is not None and not sign:
        raise typer.BadParameter("write a field and its value as name=value", param_hint="--where")
    done = erased(
        log,
        ids=ids or None,
        where=None if where is None else (field, [value]),
        segments=_segments(log, segments),
        masks=Masks({field: "hash"}) if hashed else None,
        now=datetime.now(tz=UTC),
    )
    held = Quarantine(log).forget()
    kept_back = f"; {held:,} rows of the quarantine" if held else ""
    later = f"; rows in {done.open:,} open segments are left out when they are sealed" if done.open else ""
    _show(
        done,
        json_output,
        f"{done.answers:,} answers and {done.labels:,} labels erased in {done.files:,} files{kept_back}{later}",
    )


@predictions_app.command()
def expire(
    log: LogArgument,
    older_than: Annotated[str, typer.Option("--older-than", help="An age such as 90d or 12h.")],
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Remove answers and labels that are too old, by whole hours and days.

    Example: `mlwright predictions expire predictions --older-than 90d`
    """
    from datetime import UTC

    from mlwright.monitoring.irregular import Quarantine
    from mlwright.predictions import expire as expired
    from mlwright.spec import parse_duration

    try:
        age = parse_duration(older_than)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--older-than") from error
    before = datetime.now(tz=UTC) - age
    done = expired(log, before, dry_run=dry_run)
    if not dry_run:
        Quarantine(log).expire(before)
    _show(
        done,
        json_output,
        f"{done.answers:,} answers and {done.labels:,} labels {'would go' if dry_run else 'removed'}, {done.files:,} files",
    )


def _segments(log: str, named: Path | None) -> Path | None:
    from mlwright.predictions import segments_folder

    return named if named is not None or "://" in log else segments_folder(log)


def _show(result: Any, json_output: bool, said: str) -> None:
    from dataclasses import asdict

    from mlwright.cli.render import show_json

    if json_output:
        show_json(asdict(result))
    else:
        typer.echo(said)
