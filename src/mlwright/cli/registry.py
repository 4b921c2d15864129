"""The commands about versions: which there are, which one answers, who decided that. What they need is imported when they run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mlwright.registry import Move, Registry, Version

registry_app = typer.Typer(
    no_args_is_help=True, help="About the versions of the model: list them, look at one, read the audit log."
)

SpecOption = Annotated[
    Path, typer.Option("--spec", "-s", help="The spec, or the folder that it is in.", show_default="mlwright.yaml")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")]
ByOption = Annotated[
    str | None,
    typer.Option("--by", help="Who decides; MLWRIGHT_USER or the user that one is logged in as, if not given."),
]
_SPEC = Path("mlwright.yaml")


@registry_app.command(name="list")
def list_versions(spec: SpecOption = _SPEC, json_output: JsonOption = False) -> None:
    """List the versions: which one answers, where each came from, which may not be promoted.

    Example: `mlwright registry list`
    """
    registry, _ = _opened(spec)
    versions = registry.versions()
    if json_output:
        _print_json({"model": registry.model, "versions": [one.state() for one in versions]})
        return
    typer.echo(f"{registry.model}: {len(versions)} version{'' if len(versions) == 1 else 's'}")
    for one in versions:
        typer.echo(
            f"{one.number:>4}  {', '.join(one.aliases) or '-':22} {one.standing:44} "
            f"{one.package_version}  run {one.lineage.run}"
        )


@registry_app.command()
def show(
    which: Annotated[
        str, typer.Argument(help="A version: its number, an alias, a run, or `latest`.", metavar="VERSION")
    ] = "champion",
    spec: SpecOption = _SPEC,
    json_output: JsonOption = False,
) -> None:
    """Show one version: where it came from, what it is, what was decided about it.

    Example: `mlwright registry show champion`
    """
    registry, _ = _opened(spec)
    version = registry.version(which)
    entries = [one for one in registry.audit() if one.version == version.number]
    if json_output:
        _print_json({**version.state(), "audit": [_entry(one) for one in entries]})
        return
    lineage = version.lineage
    facts = {
        "version": f"{version.number} of {version.model}",
        "aliases": ", ".join(version.aliases) or "none",
        "standing": version.standing,
        "answers carry": version.package_version,
        "package": str(version.package),
        "made": f"{version.created:%Y-%m-%d %H:%M} UTC",
        "run": lineage.run,
        "data": lineage.data,
        "spec": lineage.spec,
        "code": lineage.code + (f", commit {lineage.commit[:12]}" if lineage.commit else ""),
        "parent": f"version {lineage.parent}" if lineage.parent else "none",
        "decision": lineage.decision or "a person's",
        "proof": "none" if version.proof is None else _proof(version),
    }
    for name, value in facts.items():
        typer.echo(f"{name:14} {value}")
    for one in entries:
        typer.echo(_line(one))


@registry_app.command()
def add(
    run: Annotated[str, typer.Argument(help="A run: its id, its folder, or `latest`.", metavar="RUN")] = "latest",
    spec: SpecOption = _SPEC,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Register the model of a run as a version; the same one is registered once, and a damaged copy is brought back.

    Example: `mlwright registry add latest`
    """
    from mlwright.registry import register_run
    from mlwright.runs import RunFolder

    registry, loaded = _opened(spec)
    version = register_run(RunFolder.find(run, start=loaded.folder), registry=registry, who=by)
    if json_output:
        _print_json(version.state())
    else:
        typer.echo(f"{version.in_words} of {version.model}: {version.standing}")


@registry_app.command()
def audit(spec: SpecOption = _SPEC, json_output: JsonOption = False) -> None:
    """Show who did what and when, and check that no entry was changed, taken out or moved.

    Example: `mlwright registry audit`
    """
    from dataclasses import asdict

    from mlwright.registry import RegistryDiffers, verify_audit

    registry, _ = _opened(spec)
    found, entries = verify_audit(registry), registry.audit()
    if json_output:
        _print_json({"entries": [_entry(one) for one in entries], "verification": asdict(found), "holds": found.holds})
    else:
        for one in entries:
            typer.echo(_line(one))
        if found.holds:
            typer.echo(f"{found.entries} entries, none changed, taken out or moved; the last one is {found.head[:12]}")
        for problem in found.problems:
            typer.echo(problem)
    if not found.holds:
        raise RegistryDiffers(found)


def promote(
    which: Annotated[
        str | None,
        typer.Argument(help="A run, or a version; the challenger if not given.", metavar="RUN|VERSION"),
    ] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Say yes to it, as the person named by --by.")] = False,
    reason: Annotated[
        str, typer.Option("--reason", help="Why; needed to approve a version that no proof speaks for.")
    ] = "",
    by: ByOption = None,
    spec: SpecOption = _SPEC,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Make a version champion: services that follow the champion load it within a second.

    Example: `mlwright promote --approve` or `mlwright promote 3 --approve --reason "checked by hand on last week's orders"`
    """
    from mlwright.registry import Approval, whoever
    from mlwright.registry import promote as promoted

    if reason and not approve:
        raise typer.BadParameter("a reason belongs to an approval: add --approve", param_hint="--reason")
    registry, loaded = _opened(spec)
    who = by or whoever()
    move = promoted(
        registry,
        which,
        approval=Approval(by=who, reason=reason) if approve else None,
        policy=loaded.operation.retrain.approve,
        who=who,
        dry_run=dry_run,
    )
    _say(move, json_output, instead="answers instead of")


def rollback(
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    by: ByOption = None,
    spec: SpecOption = _SPEC,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Go back to the champion before; asking twice goes back once.

    Example: `mlwright rollback --reason "complaints since Monday"`
    """
    from mlwright.registry import rollback as rolled_back

    registry, _ = _opened(spec)
    move = rolled_back(registry, reason=reason, who=by, dry_run=dry_run)
    _say(move, json_output, instead="answers again instead of")


def _opened(spec: Path) -> tuple[Registry, Any]:
    from mlwright.registry import Registry
    from mlwright.spec import load_spec

    loaded = load_spec(spec)
    return Registry.of(loaded), loaded


def _say(move: Move, json_output: bool, *, instead: str) -> None:
    from dataclasses import asdict

    if json_output:
        _print_json(asdict(move))
    elif not move.changed:
        typer.echo(f"version {move.champion} of {move.model} answers: {move.why}")
    else:
        would = "would: " if move.dry_run else ""
        other = f" {instead} version {move.before}" if move.before is not None else " answers from now on"
        typer.echo(f"{would}version {move.champion} of {move.model}{other}: {move.why}")


def _print_json(tree: Any) -> None:
    """As `cli.render` does, without what that loads: whoever rolls back is in a hurry."""
    typer.echo(json.dumps(tree, indent=1, ensure_ascii=False, default=str))


def _proof(version: Version) -> str:
    proof = version.proof
    assert proof is not None
    return f"{'holds' if proof.holds else proof.why_not()} (against version {proof.champion}, {proof.rows:,} rows)"


def _entry(one: Any) -> Mapping[str, Any]:
    from dataclasses import asdict

    return asdict(one)


def _line(one: Any) -> str:
    outcome = "" if one.outcome == "done" else f" {one.outcome}"
    why = one.evidence.get("why") or one.evidence.get("reason") or ""
    version = "" if one.version is None else f" version {one.version}"
    return f"{one.entry:>5}  {one.at[:16]}  {one.who}: {one.action}{version}{outcome}{f', {why}' if why else ''}"
