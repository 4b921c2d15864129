"""Write the breast cancer table that comes with scikit-learn as a CSV file: `write_table.py FOLDER`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    bunch = load_breast_cancer()
    with (folder / "tumours.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*(name.replace(" ", "_") for name in bunch.feature_names), "diagnosis"])
        for values, kind in zip(bunch.data, bunch.target, strict=True):
            writer.writerow([*map(float, values), bunch.target_names[kind]])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
