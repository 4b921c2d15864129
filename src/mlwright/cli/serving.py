"""`mlwright serve`: a thin edge over `mlwright.serving.serve`, which loads no library before its workers do."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class OnFull(StrEnum):
    """What becomes of an answer that the prediction log cannot keep."""

    refuse = "refuse"
    go_on = "go_on"


def serve(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A run (its id, its folder, or `latest`), a package or the URL of one, or a pointer to one; if not given, "
            "the model that SageMaker or Vertex AI brings, or else the latest run.",
            metavar="RUN|PACKAGE|POINTER",
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", help="The address to listen on; this machine only, if not given.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", "-p", min=0, max=65_535, help="0 for any that is free; MLWRIGHT_PORT or 8000 if not given."
        ),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="Under which clients ask for the model; that of its project if not given.")
    ] = "",
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="Processes that answer.")] = 1,
    log: Annotated[
        str | None,
        typer.Option("--log", help="Keep every answer: the prediction log, a folder or a URL.", metavar="LOG"),
    ] = None,
    segments: Annotated[
        Path | None, typer.Option("--segments", help="With a LOG that is a URL: where what is not sealed yet is.")
    ] = None,
    log_on_full: Annotated[
        OnFull | None,
        typer.Option(
            "--log-on-full",
            help="When an answer cannot be kept: refuse it with 503, or give it; as the spec says, else refuse.",
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="The file of API keys (see `mlwright keys`); without it none is asked for."),
    ] = None,
    proxy_header: Annotated[
        str | None, typer.Option("--proxy-header", help="A header that a proxy sets for those it lets in.")
    ] = None,
    proxy_from: Annotated[
        list[str] | None, typer.Option("--proxy-from", help="The proxy's address or network; may be given again.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="For HTTPS: the certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="For HTTPS: its private key, PEM.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse levels never seen and numbers out of range.")
    ] = False,
    max_body_mb: Annotated[float, typer.Option("--max-body-mb", min=0.001, help="Of a request.")] = 10.0,
    max_rows: Annotated[int, typer.Option("--max-rows", min=1, help="Of a request.")] = 10_000,
    max_seconds: Annotated[float, typer.Option("--max-seconds", min=0.1, help="Until a request is whole.")] = 30.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing when it is ready.")] = False,
) -> None:
    """Answer over HTTP with the model of a run, until Ctrl-C or SIGTERM.

    Example: `mlwright serve latest --port 8000 --workers 2 --log predictions`
    """
    import os
    from shlex import quote

    from mlwright.serving.access import AccessSettings
    from mlwright.serving.platforms import fetched, placement
    from mlwright.serving.server import serve as served
    from mlwright.serving.settings import Limits, Settings

    place = placement(os.environ, model=model, host=host, port=port)
    limits = Limits(body_bytes=round(max_body_mb * 1e6), rows=max_rows, seconds=max_seconds)
    access = AccessSettings(
        keys=None if keys is None else str(keys.absolute()),
        proxy_header=proxy_header,
        proxy_from=tuple(proxy_from or ()),
        anybody=place.anybody,
    )
    given = {"on_full": log_on_full, "segments": segments}
    settings = Settings(
        package="",
        name=name,
        strict=strict,
        log=log,
        log_options={name: str(value) for name, value in given.items() if value is not None},
        limits=limits,
        access=access,
        tls_cert=None if tls_cert is None else str(tls_cert.absolute()),
        tls_key=None if tls_key is None else str(tls_key.absolute()),
    )

    def ready(url: str, example: str) -> None:
        if not quiet:
            typer.echo(f"{url} answers; its page is {url}/docs")
            typer.echo(f"curl {url}/predict -H 'Content-Type: application/json' -d {quote(example.strip())}")

    with fetched(place.model) as found:
        served(found, host=place.host, port=place.port, workers=workers, settings=settings, on_ready=ready)
