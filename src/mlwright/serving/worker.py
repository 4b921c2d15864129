"""One process that answers: `python -m mlwright.serving.worker SOCKET PIPE`, with its settings as JSON on stdin.

`server.py` starts it. When it is ready it says on the pipe a record that it answers; it ends, in good order, on SIGTERM or when the other end of the
pipe is gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from mlwright.core.errors import MlwrightError
from mlwright.serving.access import access_control
from mlwright.serving.app import Application
from mlwright.serving.closing import LAST_ARRIVALS_S, NOTICE_S
from mlwright.serving.connection import Connection, close_late
from mlwright.serving.examples import example_record
from mlwright.serving.http import encode_json
from mlwright.serving.kept import KeptVersions
from mlwright.serving.lightness import give_memory_back, keep_out_what_only_training_needs
from mlwright.serving.loading import begun_version
from mlwright.serving.metrics import Metrics
from mlwright.serving.reload import Reloader
from mlwright.serving.service import Service
from mlwright.serving.settings import Settings
from mlwright.serving.versions import source_at

#: Longer than load balancers keep idle connections (60 s and less), so that they close them and not we.
_KEEP_ALIVE_S = 75
#: A second is enough between looks at connections.
_LOOKS = 10


def made_service(settings: Settings) -> Service:
    """The service that the settings describe, with its model loaded and its log open."""
    source = source_at(Path(settings.package))
    mark = source.mark()
    kept = None if settings.counts is None else KeptVersions(Path(settings.counts) / "versions")
    served, failure = begun_version(source, kept, name=settings.name, strict=settings.strict)
    log = None
    if settings.log is not None:
        from mlwright.predictions import PredictionLog
        from mlwright.spec import PredictionLogging

        log = PredictionLog.open(
            settings.log,
            PredictionLogging(**settings.log_options),
            worker=str(os.getpid()),
            input_schema=served.schema,
            output_schema=served.answer_schema,
        )
    metrics = Metrics(None if settings.counts is None else Path(settings.counts))
    service = Service(served, limits=settings.limits, log=log, metrics=metrics, access=access_control(settings.access))
    service.reloader = Reloader(
        service, source, mark, strict=settings.strict, every_s=settings.reload_every_s, kept=kept
    )
    if failure is not None:
        service.reloader.failed(failure)
    return service


class Server(uvicorn.Server):
    """uvicorn's, but it ends in good order and with code 0."""

    def __init__(self, app: Application, pipe: int, settings: Settings) -> None:
        limits = app.service.limits
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=round(limits.drain_seconds),
        )
        super().__init__(config)
        self._service, self._pipe = app.service, pipe

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are ours: uvicorn would raise them again at the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._drain)
        if self._service.reloader is not None:
            loop.add_signal_handler(signal.SIGHUP, self._service.reloader.tell)
        loop.add_reader(self._pipe, self._drain)  # nobody writes: it is readable when the other end is gone
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._service.reloader is not None:
            self._service.reloader.start(asyncio.get_running_loop())
        example = encode_json(example_record(self._service.current.scorer.model))
        socket.socket(fileno=os.dup(self._pipe)).sendall(example + b"\n")

    async def on_tick(self, counter: int) -> bool:
        if counter % _LOOKS == 0:
            close_late(self.server_state.connections, self._service.limits.seconds)
        return await super().on_tick(counter)

    def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._pipe)
        if not self._service.draining:
            self._service.draining = True
            loop.call_later(NOTICE_S + LAST_ARRIVALS_S, self._end)

    def _end(self) -> None:
        self.should_exit = True


def main() -> int:
    """Answer until told to end."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    keep_out_what_only_training_needs()
    listening, pipe = (int(argument) for argument in sys.argv[1:3])
    settings = Settings.of_json(sys.stdin.buffer.read())
    try:
        app = Application(made_service(settings), settings.protocols)
    except MlwrightError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    give_memory_back()
    Server(app, pipe, settings).run(sockets=[socket.socket(fileno=listening)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
