"""How long it takes until mlwright is there: `import mlwright` and `mlwright --help`, beside an empty Python.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import mlwright": [sys.executable, "-c", "import mlwright"],
    "mlwright --help": [sys.executable, "-m", "mlwright", "--help"],
}


def main(rounds: int = 11) -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):  # interleaved, so that a busy moment hits all of them
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    empty = statistics.median(times["python -c pass"])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(
            f"{name:18} median {median:.3f} s  (least {min(taken):.3f}, most {max(taken):.3f}, {median / empty:.1f} x empty)"
        )


if __name__ == "__main__":
    main()
