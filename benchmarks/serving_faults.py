"""What clients notice while versions are swapped and workers are killed.

    python benchmarks/serving_faults.py [--seconds 60] [--connections 32] [--kills 10] [--workers 2]

A real `mlwright serve` on loopback, with the prediction log, answers a LightGBM model of 300 trees.

- reloads: connections ask without a pause, half of the time undisturbed and half of it while another version takes its
  place every second, by turns; every request that fails counts, and the times of those that do not.
- kills: while connections ask, a worker is killed with SIGKILL, again and again. Clients note the ids of answers that they
  have whole; afterwards each has to be in the log.

The clients run on the same cores as the server, so times are for comparing with each other.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.request import urlopen

import msgspec
import numpy as np

from mlwright.data import read
from mlwright.models import DecisionRule
from mlwright.predictions import read_window
from mlwright.spec import Spec

ROWS, TURNS = 20_000, 6


@dataclass(slots=True)
class Seen:
    """What the clients saw."""

    seconds: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    refused: int = 0
    broken: int = 0

    def quantile_ms(self, share: float) -> float:
        return float(np.quantile(self.seconds, share)) * 1000 if self.seconds else float("nan")


def made_packages(folder: Path) -> list[bytes]:
    """Two versions of a model and a link `current` to the first; returns records to ask."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from benchmarks.record import model_of, table

    frame = table(ROWS)
    model = model_of(read(Spec.of({"data": {"source": "-", "target": "y"}}), frame), ("lightgbm",))
    model.save(folder / "v1")
    replace(model, rule=DecisionRule(threshold=0.41)).save(folder / "v2")
    (folder / "current").symlink_to("v1")
    return [msgspec.json.encode(record) for record in frame.drop("y")[:500].to_dicts()]


@contextmanager
def served(folder: Path, workers: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The server's process and port."""
    command = [sys.executable, "-m", "mlwright", "serve", str(folder / "current"), "--port", "0"]
    command += ["--workers", str(workers), "--log", str(folder / "log")]
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+:(\d+)", process.stdout.readline())
        assert found is not None, (folder / "said.txt").read_text()
        yield process, int(found[1])
    finally:
        process.terminate()
        print(f"the server ended with code {process.wait(60)}")


async def client(port: int, bodies: list[bytes], name: str, seen: Seen, until: float) -> None:
    """Ask without a pause; on a connection that breaks, begin another."""
    number = 0
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            seen.broken += 1
            await asyncio.sleep(0.01)
            continue
        try:
            while time.monotonic() < until:
                number += 1
                body = bodies[number % len(bodies)]
                begun = time.perf_counter()
                writer.write(
                    b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-request-id: %s-%d\r\n"
                    b"content-length: %d\r\n\r\n%s" % (name.encode(), number, len(body), body)
                )
                status = await answer(reader)
                if status == 200:
                    seen.seconds.append(time.perf_counter() - begun)
                    seen.ids.append(f"{name}-{number}")
                else:
                    seen.refused += 1
        except (OSError, asyncio.IncompleteReadError):
            seen.broken += 1
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> int:
    """The status of an answer, once all of it is here."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None
    await reader.readexactly(int(length[1]))
    return int(head[9:12])


async def load(port: int, bodies: list[bytes], name: str, connections: int, seconds: float, seen: Seen) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(*(client(port, bodies, f"{name}-{i}", seen, until) for i in range(connections)))


async def turned(folder: Path, seconds: float) -> None:
    """Another version every second."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(min(1.0, max(0.0, until - time.monotonic())))
        now = (folder / "current").readlink().name
        aside = folder / ".turning"
        aside.symlink_to("v2" if now == "v1" else "v1")
        aside.replace(folder / "current")


async def reloads(folder: Path, port: int, bodies: list[bytes], seconds: float, connections: int) -> dict[str, Seen]:
    seen = {"undisturbed": Seen(), "a reload every second": Seen()}
    part = seconds / TURNS
    for turn in range(TURNS):
        await load(port, bodies, f"a{turn}", connections, part, seen["undisturbed"])
        disturbed = load(port, bodies, f"b{turn}", connections, part, seen["a reload every second"])
        await asyncio.gather(disturbed, turned(folder, part))
    return seen


async def kills(process: subprocess.Popen[str], port: int, bodies: list[bytes], times: int, connections: int) -> Seen:
    """Kill a worker whenever all of them have answered for two seconds."""
    seen, workers = Seen(), len(workers_of(process))
    asking = asyncio.create_task(load(port, bodies, "k", connections, float("inf"), seen))
    for _ in range(times):
        await asyncio.sleep(2.0)
        while len(workers_of(process)) < workers:
            await asyncio.sleep(0.05)
        os.kill(workers_of(process)[0], signal.SIGKILL)
    await asyncio.sleep(2.0)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    return seen


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def memory_mb(process: subprocess.Popen[str]) -> list[float]:
    """Of each worker, resident."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in workers_of(process)]
    return [round(n * os.sysconf("SC_PAGE_SIZE") / 1e6, 1) for n in pages]


def counted(port: int, series: str) -> float:
    text = urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(series))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="with reloads, and as long without")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bodies = made_packages(folder)
        with served(folder, arguments.workers) as (process, port):
            asyncio.run(load(port, bodies, "w", arguments.connections, 1.0, Seen()))
            before = memory_mb(process)
            seen = asyncio.run(reloads(folder, port, bodies, arguments.seconds, arguments.connections))
            swaps = counted(port, 'mlwright_reloads_total{outcome="swapped"}')
            failed = counted(port, 'mlwright_reloads_total{outcome="failed"}')
            print(f"{'':24}{'answers':>10}{'failed':>8}{'p50 ms':>9}{'p99 ms':>9}{'p99.9 ms':>10}{'most ms':>9}")
            for title, one in seen.items():
                quantiles = [one.quantile_ms(share) for share in (0.5, 0.99, 0.999, 1.0)]
                print(f"{title:24}{len(one.ids):10,}{one.refused + one.broken:8}", end="")
                print("".join(f"{q:{width}.2f}" for q, width in zip(quantiles, (9, 9, 10, 9), strict=True)))
            quiet, disturbed = seen.values()
            print(f"p99 with reloads / without: {disturbed.quantile_ms(0.99) / quiet.quantile_ms(0.99):.2f}")
            print(f"versions swapped in {arguments.workers} workers: {swaps:.0f}, failed: {failed:.0f}")
            print(f"resident MB of the workers before and after: {before} {memory_mb(process)}")
            killed = asyncio.run(kills(process, port, bodies, arguments.kills, arguments.connections))
        log = read_window(folder / "log", segments=folder / "log" / "segments", columns=["id"])
        kept = set(log.read_all().column("id").to_pylist())
        acknowledged = [*quiet.ids, *disturbed.ids, *killed.ids]
        print(f"workers killed: {arguments.kills}; answers meanwhile: {len(killed.ids):,}", end="")
        print(f", connections broken: {killed.broken}, refused: {killed.refused}")
        print(f"acknowledged: {len(acknowledged):,}; missing from the log: {len(set(acknowledged) - kept)}")


if __name__ == "__main__":
    main()
