"""Time and memory of `mlwright run` on a table, against its budget.

python benchmarks/whole_run.py [--table telco_churn] [--seconds 30] [--data ../shared/data]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", default="telco_churn")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    index = json.loads((arguments.data / "index.json").read_text())
    entry = next(e for e in index["datasets"] if e["name"] == arguments.table)
    with tempfile.TemporaryDirectory() as folder:
        spec = {
            "data": {
                "source": str((arguments.data / entry["file"]).resolve()),
                "target": entry["target"],
                "known_after_decision": entry["leak_columns"],
                **({"positive_class": entry["positive"]} if "positive" in entry else {}),
            },
            "budget": {"seconds": arguments.seconds},
        }
        (Path(folder) / "mlwright.yaml").write_text(json.dumps(spec))
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "mlwright", "run", "--quiet"], cwd=folder, check=True)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    print(f"{arguments.table}: {seconds:.1f} s with a budget of {arguments.seconds:g} s, peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
