"""The main job on two made-up businesses, as their teams would do it; prints where the reports are.

    python examples/subscriptions/demo.py [FOLDER]

Needs no network and nothing but this repository. Each step is the command that one would type.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from generate import generate  # noqa: E402 - it lies beside this file
from half_a_year import live  # noqa: E402 - likewise

from mlwright.runs import all_runs  # noqa: E402 - so that what is beside this file is found first


def command(*arguments: str, folder: Path, may_fail: bool = False) -> None:
    """Run one mlwright command in the project's folder, showing it as typed."""
    print(f"\n\033[1m$ mlwright {' '.join(arguments)}\033[0m", flush=True)
    result = subprocess.run([sys.executable, "-m", "mlwright", *arguments], cwd=folder, check=False)
    if result.returncode and not (may_fail and result.returncode == 1):
        sys.exit(result.returncode)


def main(folder: Path) -> None:
    project = folder / "subscriptions"
    shutil.rmtree(project, ignore_errors=True)
    generate(project)
    print(f"A subscription business exported its customers to {project / 'customers.csv'}.")

    print("\nFirst, mlwright looks at the table and writes a spec. One column gives the answer away: it is set aside.")
    command("init", "customers.csv", "--target", "churned", "--out", "first-look.yaml", "--quiet", folder=project)

    print("\nThe team has written down what it decides, what errors cost and what must hold:")
    shutil.copy(HERE / "mlwright.yaml", project / "mlwright.yaml")
    print((project / "mlwright.yaml").read_text(encoding="utf-8"))
    command("run", folder=project)
    command("predict", "latest", "new.csv", "--out", "offers.csv", folder=project)
    command("verify", "latest", "--quiet", folder=project)

    print("\nA lender asks first whether it can be done at all; each loan has another amount at stake:")
    credit = folder / "credit"
    shutil.rmtree(credit, ignore_errors=True)
    subprocess.run([sys.executable, str(HERE.parent / "credit" / "generate.py"), str(credit)], check=True)
    shutil.copy(HERE.parent / "credit" / "mlwright.yaml", credit / "mlwright.yaml")
    command("feasibility", "--quiet", folder=credit, may_fail=True)
    command("run", "--quiet", folder=credit, may_fail=True)

    print("\nThe same commands on a table that comes with scikit-learn:")
    bundled = folder / "breast_cancer"
    shutil.rmtree(bundled, ignore_errors=True)
    subprocess.run([sys.executable, str(HERE.parent / "breast_cancer" / "write_table.py"), str(bundled)], check=True)
    command("init", "tumours.csv", "--target", "diagnosis", "--quiet", folder=bundled)
    command("run", "--quiet", folder=bundled)

    print(
        "\nBack at the subscriptions half a year goes by. Each week a thousand customers are answered, and a month later it is"
    )
    print(
        "known who has left. After two months the business brings out a new app, and nobody tells the model. The loop, week by"
    )
    print("week (its dates lie ahead of the computer's clock):\n")
    live(project)
    command("monitor", "--no-fold", "--out", "monitor.html", folder=project, may_fail=True)
    command("registry", "list", folder=project)
    command("registry", "audit", folder=project)

    print("\nThe reports, one page each:")
    for place in (all_runs(project)[0], all_runs(credit)[-1], all_runs(bundled)[-1]):
        print(f"  {place.report_path}")
    print(f"What happened to the subscription business, found, proved and mended:\n  {project / 'monitor.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo").resolve())
