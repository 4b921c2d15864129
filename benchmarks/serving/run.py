"""How many requests a second the service answers, and what one costs, beside other servers of the same kind of model.

    python -m benchmarks.serving.run [--rounds 3] [--seconds 2] [--nice -10] [--json FILE]
        [--peer fastapi=PYTHON] [--peer mlflow=PYTHON] [--peer mlserver=PYTHON] [--peer bentoml=PYTHON]

From the root of the repository. The table is made: 8 numbers and 6 categories, some missing. mlwright answers a LightGBM model
of 300 trees with 31 leaves; the peers a scikit-learn pipeline with such a model, MLServer the model alone, from codes that
its clients make (it takes no texts). A peer lives in an environment of its own, of which PYTHON is the interpreter; one that
is not given is left out. What each needs:

- fastapi: fastapi, uvicorn[standard], scikit-learn, lightgbm, pandas
- mlflow: mlflow, scikit-learn, lightgbm
- mlserver: mlserver, mlserver-lightgbm
- bentoml: bentoml, scikit-learn, lightgbm, pandas

All servers are up at once with one worker each, and are asked in turns. Figures are medians over rounds; ratios are medians
of the ratios of single rounds, with the least and the most of these beside them. Processor time is that of all processes of
a server. The client runs on the same cores, so times are for comparing with each other.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import CalledProcessError

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when LightGBM is loaded

from benchmarks.record import table
from benchmarks.serving.load import Window, asked, generator
from benchmarks.serving.served import LOGGED, OURS, PEERS, ours
from benchmarks.serving.servers import NotServing, Running, Server, priority, running

ONE, MANY = 1, 32
ROWS, STARTS = 20_000, 3
#: Requests a second of ours, at least so many times the peer's.
TARGETS = {"fastapi": 50, "mlflow": 80, "mlserver": 8, "bentoml": 80}


@dataclass(frozen=True, slots=True)
class Measured:
    """One window of one server."""

    round: int
    server: str
    question: str
    connections: int
    window: Window
    cpu_us: float


Figure = Callable[[Measured], float]


def p50(measured: Measured) -> float:
    return measured.window.p50_us


def per_second(measured: Measured) -> float:
    return measured.window.per_second


def cpu(measured: Measured) -> float:
    return measured.cpu_us


class Measurements(list[Measured]):
    """All windows, and what they say together."""

    def of(self, server: str, question: str, connections: int) -> list[Measured]:
        return [m for m in self if (m.server, m.question, m.connections) == (server, question, connections)]

    def median(self, figure: Figure, server: str, question: str, connections: int) -> float:
        return statistics.median(map(figure, self.of(server, question, connections)))

    def ratios(self, figure: Figure, above: tuple[str, str], below: tuple[str, str], connections: int) -> list[float]:
        """Of two servers or questions, in each round."""
        pairs = zip(self.of(*above, connections), self.of(*below, connections), strict=True)
        return [figure(a) / max(figure(b), 1e-9) for a, b in pairs]


def measured(servers: Sequence[Running], rounds: int, seconds: int, nice: int) -> Measurements:
    """All servers, questions and numbers of connections by turns."""
    found = Measurements()
    before = priority(nice)
    for number in range(rounds + 1):  # the first warms up and does not count
        for one in servers:
            for name, question in one.server.questions.items():
                for connections in (ONE, MANY):
                    spent = one.cpu_s()
                    window = asked(one.port, question, connections, seconds if number else 1, before)
                    cpu_us = (one.cpu_s() - spent) / max(window.answered, 1) * 1e6
                    if number:
                        found.append(Measured(number, one.server.name, name, connections, window, cpu_us))
                    one.settle()
    return found


def ready_after(server: Server, folder: Path, nice: int) -> list[float]:
    """Seconds from the start to the first answer, of several starts."""
    taken = []
    for _ in range(STARTS):
        with running(server, folder, nice) as one:
            taken.append(one.ready_s)
    return taken


# ------------------------------------------------------------------------------------------------------------ in words


def figures(found: Measurements) -> Iterator[str]:
    yield f"{'':18}{'asked':18}{'p50 us, 1':>10}{'req/s, 32':>11}{'CPU us, 32':>12}{'failed':>8}"
    for server, question in dict.fromkeys((m.server, m.question) for m in found):
        key = (server, question)
        failed = sum(m.window.failed for m in found if (m.server, m.question) == key)
        yield (
            f"{server:18}{question:18}{found.median(p50, *key, ONE):10,.0f}{found.median(per_second, *key, MANY):11,.0f}"
            f"{found.median(cpu, *key, MANY):12,.0f}{failed:8}"
        )


def line(what: str, values: Sequence[float], target: float, *, most: bool, unit: str = "x") -> str:
    """A median beside its target, and between which values it lies."""
    value = statistics.median(values)
    reached = value <= target if most else value >= target
    spread = f"{min(values):.2f} to {max(values):.2f}" if len(values) > 1 else ""
    bound = f"at {'most' if most else 'least'} {target:g}{unit}"
    return f"{what:66}{value:8.2f}{unit:3} {spread:18} {bound}: {'reached' if reached else 'MISSED'}"


def ratios(found: Measurements) -> Iterator[str]:
    for empty in ("empty", "empty, same body"):
        for server, most in ((OURS, 1.8), (LOGGED, 2.2)):
            above, below = (server, "score"), (server, empty)
            yield line(f"{server}: p50 at 1, score / {empty}", found.ratios(p50, above, below, ONE), 1.6, most=True)
            values = found.ratios(cpu, above, below, MANY)
            yield line(f"{server}: CPU a request at 32, score / {empty}", values, most, most=True)
    for peer in dict.fromkeys(m.server for m in found if m.server in TARGETS):
        for server in (OURS, LOGGED):
            values = found.ratios(per_second, (server, "score"), (peer, "score"), MANY)
            yield line(f"{server}: requests/s at 32 against {peer}", values, TARGETS[peer], most=False)


def outside(servers: Sequence[Running], ready: Sequence[float]) -> Iterator[str]:
    """What is seen of processes from outside, after the load."""
    for one in servers:
        memory = one.memory_mb()
        if one.server.name in {OURS, LOGGED}:
            yield line(f"{one.server.name}: resident memory of a worker", [memory], 120, most=True, unit=" MB")
        else:
            yield f"{one.server.name + ': resident memory, ready':66}{memory:8.2f} MB, {one.ready_s:.1f} s"
    yield line(f"{OURS}: first answer after the start, {STARTS} starts", ready, 1.0, most=True, unit=" s")


def interpreters(given: Sequence[str]) -> dict[str, str]:
    """By peer."""
    found = dict(one.partition("=")[::2] for one in given)
    unknown = found.keys() - PEERS.keys()
    if unknown:
        raise SystemExit(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of a window")
    parser.add_argument("--nice", type=int, default=0, help="of servers and clients; below 0 needs privileges")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help=", ".join(PEERS))
    parser.add_argument("--json", type=Path, help="for all windows")
    arguments = parser.parse_args()
    pythons = interpreters(arguments.peer)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        frame = table(ROWS)
        frame.write_csv(folder / "table.csv")
        servers = ours(folder, frame)
        ready = ready_after(servers[0], folder, arguments.nice)
        up = [stack.enter_context(running(server, folder, arguments.nice)) for server in servers]
        for peer, made in PEERS.items():
            if peer not in pythons:
                print(f"{peer}: left out, no interpreter given")
                continue
            try:
                server = made(folder, pythons[peer], frame)
                up.append(stack.enter_context(running(server, folder, arguments.nice)))
            except (NotServing, CalledProcessError) as error:
                print(f"{peer}: left out, it does not run:\n{error}")
        found = measured(up, arguments.rounds, arguments.seconds, arguments.nice)
        load = " ".join(f"{share:.1f}" for share in os.getloadavg())
        print(f"asked by {generator()}; {arguments.rounds} rounds of {arguments.seconds} s windows; load {load}\n")
        print(*figures(found), "", *ratios(found), "", *outside(up, ready), sep="\n")
        if arguments.json:
            arguments.json.write_text(json.dumps([asdict(one) for one in found], indent=1))


if __name__ == "__main__":
    main()
