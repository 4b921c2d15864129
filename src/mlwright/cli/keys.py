"""The commands about API keys. What they need is imported when they run, so that `--help` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

keys_app = typer.Typer(
    no_args_is_help=True, help="About the API keys of `mlwright serve`: add one, list them, revoke one."
)

FileOption = Annotated[Path, typer.Option("--file", "-f", help="The file of keys, which has their hashes only.")]
NameArgument = Annotated[str, typer.Argument(help="Who uses the key.", metavar="NAME")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
_FILE = Path("mlwright.keys")


@keys_app.command()
def add(
    name: NameArgument,
    file: FileOption = _FILE,
    admin: Annotated[
        bool, typer.Option("--admin", help="For admin calls (another version), and not for answers.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Make a key and print it, once: the file keeps only its hash. Services that run know it within a second.

    Example: `mlwright keys add shop`
    """
    from mlwright.cli.render import show_json
    from mlwright.serving.keys import add_key

    key = add_key(file, name, scope="admin" if admin else "score")
    if json_output:
        show_json({"name": name, "scope": "admin" if admin else "score", "file": str(file), "key": key})
        return
    typer.echo(key)
    typer.echo(f"keep it: {file} cannot give it back; send it as the header `Authorization: Bearer KEY`", err=True)


@keys_app.command(name="list")
def list_keys(file: FileOption = _FILE, json_output: JsonOption = False) -> None:
    """Say whose keys there are, and what each is for.

    Example: `mlwright keys list`
    """
    from mlwright.cli.render import show_json
    from mlwright.serving.keys import read_keys

    keys = read_keys(file)
    if json_output:
        show_json([{"name": k.name, "scope": k.scope, "id": k.id, "created": k.created.isoformat()} for k in keys])
        return
    for key in keys:
        typer.echo(f"{key.name:24} {key.scope:6} mlw_{key.id}_…  {key.created:%Y-%m-%d %H:%M} UTC")


@keys_app.command()
def revoke(
    name: NameArgument,
    file: FileOption = _FILE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether there is such a key.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Take a key out; services that run refuse it within a second.

    Example: `mlwright keys revoke shop`
    """
    from mlwright.cli.render import show_json
    from mlwright.serving.keys import find_key, revoke_key

    key = find_key(file, name) if dry_run else revoke_key(file, name)
    if json_output:
        show_json({"name": key.name, "scope": key.scope, "id": key.id, "revoked": not dry_run})
    else:
        typer.echo(f"{'would revoke' if dry_run else 'revoked'} {key.name} ({key.scope}, mlw_{key.id}_…)")
