"""Progress on stderr: a live line in a terminal, a line per stage elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mlwright.core import Progress, ProgressEvent, silent


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Progress]:
    """An observer that shows what happens while the block runs."""
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        with _live() as observer:
            yield observer
    else:
        yield _plain


def _plain(event: ProgressEvent) -> None:
    if event.kind == "finished":
        best = f", {event.best}" if event.best else ""
        sys.stderr.write(f"{event.stage} done in {event.elapsed_s:.1f} s{best}\n")
    elif event.kind == "told":
        sys.stderr.write(f"{event.detail}\n")
    elif event.kind == "advanced" and event.stage == "search":
        best = f" (best {event.best})" if event.best else ""
        sys.stderr.write(f"  {event.elapsed_s:6.1f} s  {event.detail}{best}\n")
    sys.stderr.flush()


@contextmanager
def _live() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("[bold]{task.description:9}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}", style="dim"),
        TextColumn("{task.fields[best]}", style="cyan"),
    )
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, int] = {}

        def observe(event: ProgressEvent) -> None:
            if event.kind == "told":
                console.print(event.detail, markup=False)
            if event.stage not in tasks:
                tasks[event.stage] = bars.add_task(event.stage, total=None, detail="", best="")
            task = bars.tasks[tasks[event.stage]]
            if event.kind == "advanced":
                in_time = event.stage == "search" and event.total is not None
                detail = f"{event.detail} (of {event.total:.0f} s)" if in_time else event.detail
                bars.update(task.id, detail=detail, best=event.best or "", total=event.total, completed=event.done or 0)
            elif event.kind == "finished":
                bars.update(task.id, total=1, completed=1)
            elif event.kind == "failed":
                bars.update(task.id, detail="[red]failed[/]", total=1, completed=1)
                bars.stop_task(task.id)

        yield observe
