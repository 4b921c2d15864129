"""A server: one process that listens and looks after the workers, which answer on the socket that it opened.

All workers accept from one socket, so a worker that dies takes no connection with it but its own. This process loads no
model and nothing heavy.
"""

from __future__ import annotations

import logging
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlwright.core.errors import MlwrightError
from mlwright.serving.access import access_control
from mlwright.serving.closing import NOTICE_S, let_nobody_in
from mlwright.serving.finding import find_package, logging_of
from mlwright.serving.metrics import Metrics
from mlwright.serving.settings import Settings
from mlwright.serving.tls import check_certificate

logger = logging.getLogger(__name__)

#: Threads of numerical libraries would only fight for the cores that the workers share.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
_BACKLOG = 2048
_ENDINGS = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*_ENDINGS, signal.SIGHUP)
#: A worker that lived so long was well; one that could not begin is started again after a pause that doubles.
_WELL_S, _PAUSE_S, _LONGEST_PAUSE_S = 10.0, 1.0, 30.0
#: Beyond the time to drain, until workers are killed.
_PATIENCE_S = 3.0


class PortTaken(MlwrightError):
    """The address cannot be listened on."""


class WorkerFailed(MlwrightError):
    """A worker could not begin; what it said itself stands above."""


def serve(
    what: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    settings: Settings | None = None,
    on_ready: Callable[[str, str], None] = lambda *_: None,
) -> None:
    """Answer over HTTP until SIGTERM or Ctrl-C.

    Parameters
    ----------
    what
        The folder of a package or of a run, the id of a run, or `latest`.
    port
        0 for any that is free.
    workers
        Processes that answer; one for each core is enough.
    settings
        Everything else; its package and name are filled in here.
    on_ready
        Called once all workers answer: with the URL, and a record in JSON that the model answers.

    Raises
    ------
    PackageNotFound, ServiceExposed, KeyFileUnfit, ProxyUnfit, CertificateUnfit, PortTaken, WorkerFailed
        Before anything is answered.
    """
    package, name = find_package(what)
    settings = replace(settings or Settings(package="", name=""), package=str(package))
    access_control(settings.access, host=host)
    check_certificate(settings.tls_cert, settings.tls_key)
    settings = replace(
        settings, name=settings.name or name, log_options={**logging_of(package), **settings.log_options}
    )
    with listening(host, port) as opened, _counting() as counts:
        settings = replace(settings, counts=str(counts))
        scheme = "http" if settings.tls_cert is None else "https"
        address, number = opened.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        Supervisor(settings, opened, workers, Metrics(counts)).run(
            lambda example: on_ready(f"{scheme}://{shown}:{number}", example)
        )


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that clients can connect to already, though nobody answers yet.

    Raises
    ------
    PortTaken
        If the address is not ours or another process has it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _not_ours(host, port, error) from error
    with opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(address)
        except OSError as error:
            raise _not_ours(host, port, error) from error
        opened.listen(_BACKLOG)
        opened.setblocking(False)
        yield opened


def _not_ours(host: str, port: int, error: OSError) -> PortTaken:
    return PortTaken(
        f"the address cannot be listened on: {error.strerror or type(error).__name__}",
        where=f"{host}:{port}",
        fix="choose another --port, or end the process that has it",
    )


@contextmanager
def _counting() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mlwright-serve-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    pipe: int
    begun: float
    said: bytes = b""

    @property
    def ready(self) -> bool:
        """It has said a record that the model answers, on a line."""
        return self.said.endswith(b"\n")


class Supervisor:
    """Starts workers, starts those again that die, and ends them."""

    def __init__(self, settings: Settings, opened: socket.socket, workers: int, metrics: Metrics) -> None:
        self._settings, self._opened, self._wanted = settings, opened, workers
        self._metrics = metrics
        self._restarts = metrics.slot("mlwright_worker_restarts_total")
        self._workers: list[_Worker] = []
        self._due: list[float] = []
        self._pause = 0.0
        self._selector = selectors.DefaultSelector()

    def run(self, on_ready: Callable[[str], None]) -> None:
        """Until a signal ends it.

        Raises
        ------
        WorkerFailed
            If one of the first workers cannot begin.
        """
        with self._signals() as signals:
            try:
                for _ in range(self._wanted):
                    self._start()
                if self._all_ready(signals):
                    on_ready(self._workers[0].said.decode())
                    self._look_after(signals)
            finally:
                self._end()

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """A pipe from which the numbers of signals can be read."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        woken = signal.set_wakeup_fd(writing)
        self._selector.register(reading, selectors.EVENT_READ)
        try:
            yield reading
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            os.close(reading)
            os.close(writing)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        descriptors = (self._opened.fileno(), theirs.fileno())
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "mlwright.serving.worker", *map(str, descriptors)],
            stdin=subprocess.PIPE,
            pass_fds=descriptors,
            env={**os.environ, **_ONE_THREAD},
            process_group=0,  # Ctrl-C in a terminal is for this process, which tells them
        )
        theirs.close()
        assert process.stdin is not None
        process.stdin.write(self._settings.to_json())
        process.stdin.close()
        pipe = ours.detach()
        self._selector.register(pipe, selectors.EVENT_READ)
        self._workers.append(_Worker(process, pipe, time.monotonic()))

    def _all_ready(self, signals: int) -> bool:
        """Wait for the first workers; False if the end came before."""
        while not all(worker.ready for worker in self._workers):
            if self._wait(signals, None):
                return False
            if len(self._workers) < self._wanted:
                raise WorkerFailed(
                    "the service could not begin; what the worker said stands above",
                    where=self._settings.package,
                    fix="see what it said",
                )
        return True

    def _look_after(self, signals: int) -> None:
        while not self._wait(signals, self._seconds_until_due()):
            dead = self._wanted - len(self._workers) - len(self._due)
            now = time.monotonic()
            self._due += [now + self._pause] * dead
            for _ in [moment for moment in self._due if moment <= now]:
                self._metrics.add(self._restarts)
                self._start()
            self._due = [moment for moment in self._due if moment > now]

    def _seconds_until_due(self) -> float | None:
        return max(0.0, min(self._due) - time.monotonic()) if self._due else None

    def _wait(self, signals: int, seconds: float | None) -> bool:
        """Until something happens; True if it is a signal to end."""
        ended = False
        for key, _ in self._selector.select(seconds):
            if key.fd == signals:
                came = os.read(signals, 64)
                ended = any(number in _ENDINGS for number in came)
                if signal.SIGHUP in came:
                    self._tell_to_reload()
            else:
                self._hear(next(worker for worker in self._workers if worker.pipe == key.fd))
        return ended

    def _tell_to_reload(self) -> None:
        """All but those that are still beginning: they load what is there now anyway, and would not know the signal yet."""
        for worker in self._workers:
            if worker.ready:
                worker.process.send_signal(signal.SIGHUP)

    def _hear(self, worker: _Worker) -> None:
        """A worker is ready, or gone."""
        try:
            said = os.read(worker.pipe, 65_536)
        except ConnectionResetError:
            said = b""
        if said:
            worker.said += said
            return
        self._forget(worker)
        lived = time.monotonic() - worker.begun
        if lived > _WELL_S:
            self._pause = 0.0
        elif worker.ready:
            self._pause = _PAUSE_S  # it could begin, so the next one can: who kills it is not kept away by waiting
        else:
            self._pause = min(max(_PAUSE_S, 2 * self._pause), _LONGEST_PAUSE_S)
        logger.warning("worker %d ended with code %s", worker.process.pid, worker.process.wait())

    def _forget(self, worker: _Worker) -> None:
        self._selector.unregister(worker.pipe)
        os.close(worker.pipe)
        self._workers.remove(worker)

    def _end(self) -> None:
        """Let the workers finish what they have begun; kill those that do not."""
        for worker in self._workers:
            worker.process.send_signal(signal.SIGTERM)
        if any(worker.ready for worker in self._workers):
            time.sleep(NOTICE_S)
            let_nobody_in(self._opened)
        self._opened.close()  # once the workers have closed theirs, connecting is refused
        until = time.monotonic() + self._settings.limits.drain_seconds + _PATIENCE_S
        for worker in list(self._workers):
            try:
                worker.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("worker %d did not end in time and is killed", worker.process.pid)
                worker.process.kill()
                worker.process.wait()
            self._forget(worker)
