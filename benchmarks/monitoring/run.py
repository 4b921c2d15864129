"""The figures of the living model: each target beside what was reached, and what others reach on the same data.

    python -m benchmarks.monitoring.run --data ../shared/data [--only windows alarms] [--peer evidently=PYTHON] [--seed 101]
    python -m benchmarks.monitoring.run --show

Each part comes from a module beside this one, which also runs alone. What a part finds is kept as a line of `results.jsonl`, with the
date, the machine and its load, the commit, the command and the seed; `--show` prints the table from the last line of each
part, and a part without one as not run. All of it takes about an hour of one core. The methods were made with small seeds;
the default seed was not looked at before.
"""

from __future__ import annotations

import os

os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})  # read when numpy and LightGBM are loaded

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.monitoring import alarms, expected_loss, irregular, prequential, promotion, windows

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says."""

    data: Path
    seed: int
    quick: bool
    peers: dict[str, str]

    @property
    def part(self) -> int:
        """Days, runs and rows are divided by this."""
        return 10 if self.quick else 1


def of_windows(asked: Asked) -> Iterator[Figure]:
    rows, most = windows.ROWS // asked.part, windows.MOST_ROWS // asked.part
    return windows.figures(asked.peers, rows=rows, most=most)


def of_alarms(asked: Asked) -> Iterator[Figure]:
    return alarms.figures(seed=asked.seed, part=asked.part, only=("quiet", "wobble", "runs"))


def of_shift(asked: Asked) -> Iterator[Figure]:
    return alarms.figures(seed=asked.seed, part=asked.part, only=("shift",))


def of_labels(asked: Asked) -> Iterator[Figure]:
    return alarms.figures(seed=asked.seed, part=asked.part, only=("labels",))


def of_expected_loss(asked: Asked) -> Iterator[Figure]:
    return expected_loss.figures(asked.data, draws=1 if asked.quick else 3, seed=asked.seed)


def of_promotion(asked: Asked) -> Iterator[Figure]:
    return promotion.figures(runs=400 // asked.part, seed=asked.seed)


def of_prequential(asked: Asked) -> Iterator[Figure]:
    return prequential.figures(asked.data)


def of_irregular(asked: Asked) -> Iterator[Figure]:
    return irregular.figures(asked.data, seeds=1 if asked.quick else 3, seed=asked.seed)


#: Name -> what it is about, and what measures it.
PARTS: dict[str, tuple[str, Callable[[Asked], Iterator[Figure]]]] = {
    "windows": ("What a window costs", of_windows),
    "alarms": ("False alarms", of_alarms),
    "shift": ("How soon drift is found", of_shift),
    "labels": ("How soon a loss is found that only labels show", of_labels),
    "expected_loss": ("The loss without labels", of_expected_loss),
    "prequential": ("The loop on streams", of_prequential),
    "promotion": ("Promotions and rollbacks", of_promotion),
    "irregular": ("Irregular input", of_irregular),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A part that was run: a line of the results.

    Attributes
    ----------
    commit
        With a + where the working tree was changed.
    load
        Of the machine over a minute, before the part was run: others slow it down.
    seconds
        Of the processor.
    """

    part: str
    date: str
    machine: str
    load: float
    commit: str
    command: str
    seed: int
    quick: bool
    seconds: float
    figures: tuple[Figure, ...]

    @classmethod
    def of_line(cls, line: str) -> Measured:
        fields: dict[str, Any] = json.loads(line)
        return cls(**{**fields, "figures": tuple(Figure(**one) for one in fields["figures"])})

    def origin(self) -> str:
        return f"{self.date[:10]}, commit {self.commit}, seed {self.seed}, {self.seconds:,.0f} s on {self.machine}"


def measured(part: str, asked: Asked) -> Measured:
    """Run a part; its figures are printed as they come."""
    date, load, begun, found = datetime.now(UTC), os.getloadavg()[0], _spent(), []
    for figure in PARTS[part][1](asked):
        print(figure.line(), flush=True)
        found.append(figure)
    return Measured(
        part=part,
        date=date.isoformat(timespec="seconds"),
        machine=machine(),
        load=round(load, 1),
        commit=commit(),
        command=shlex.join(["python", "-m", "benchmarks.monitoring.run", *sys.argv[1:]]),
        seed=asked.seed,
        quick=asked.quick,
        seconds=round(_spent() - begun, 1),
        figures=tuple(found),
    )


def _spent() -> float:
    """Processor time of this process and its children."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def machine() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores, {models[0] if models else 'processor not known'}"


def commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../../src", ".")
    return (git("rev-parse", "--short", "HEAD") or "not known") + ("+" if changed else "")


def kept(path: Path = RESULTS) -> dict[str, Measured]:
    """The last whole measurement of each part."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return {one.part: one for one in map(Measured.of_line, lines) if not one.quick}


def show(known: dict[str, Measured]) -> None:
    for part, (title, _) in PARTS.items():
        print(f"\n{title} ({part})")
        if part not in known:
            print("not run")
            continue
        print(*(figure.line() for figure in known[part].figures), f"    {known[part].origin()}", sep="\n")
    judged = [figure for one in known.values() for figure in one.figures if figure.good is not None]
    missed = [figure.goal for figure in judged if not figure.good]
    print(f"\n{len(judged) - len(missed)} of {len(judged)} targets met" + "".join(f"\n    missed: {g}" for g in missed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--quick", action="store_true", help="a tenth of the days, runs and rows; does not count later")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help=", ".join(windows.PEERS))
    parser.add_argument("--show", action="store_true", help="only print what was kept")
    options = parser.parse_args()
    if options.show:
        show(kept())
        return
    asked = Asked(data=options.data, seed=options.seed, quick=options.quick, peers=windows.interpreters(options.peer))
    for part, (title, _) in PARTS.items():
        print(f"\n{title} ({part})", flush=True)
        if part not in options.only:
            print("not run")
            continue
        found = measured(part, asked)
        with RESULTS.open("a") as file:
            file.write(json.dumps(asdict(found), default=lambda number: number.item()) + "\n")  # of numpy
        print(f"    {found.origin()}")


if __name__ == "__main__":
    main()
