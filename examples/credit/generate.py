"""A lender's applications: two years of them, what became of each, and the ones to decide on now; made up.

    python examples/credit/generate.py FOLDER

Writes `applications.csv` (whether a loan was defaulted on is known after three months, so the newest applications have no
outcome yet) and `new.csv`. The same rows for the same seed.
"""

from __future__ import annotations

import csv
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np

ROWS = 9000
NEW = 90
FIRST = date(2024, 10, 1)
DAYS = 730
#: Whether a loan is defaulted on is known so many days after the application.
LABEL_DELAY = 90
PURPOSES = ("car", "furniture", "renovation", "debt consolidation", "education", "business")
#: How much more likely a default is, by purpose, on the scale of log odds.
_RISK = dict(zip(PURPOSES, (-0.2, 0.0, -0.3, 0.5, 0.1, 0.4), strict=True))
COLUMNS = (
    "application_id", "applied", "amount", "term_months", "purpose", "monthly_income", "other_debts", "employment",
    "employment_years", "missed_payments", "credit_history_years", "housing", "channel", "age_group", "defaulted",
)  # fmt: skip


def applications(rows: int, rng: np.random.Generator, *, first: date, days: int) -> list[dict[str, str]]:
    """Applications in the order in which they came, with what became of them."""
    made = []
    for day in np.sort(rng.integers(0, days, rows)):
        applied = first + timedelta(days=int(day))
        age = float(np.clip(rng.gamma(9, 4.6), 18, 84))
        employment = str(rng.choice(["employee", "self-employed", "public service", "retired" if age > 60 else "other"],
                                    p=[0.66, 0.14, 0.12, 0.08]))  # fmt: skip
        income = float(np.exp(rng.normal(7.75 + 0.006 * min(age - 18, 30), 0.38)))
        amount = round(float(np.clip(np.exp(rng.normal(8.75, 0.62)), 1000, 50_000)), -2)
        term = int(rng.choice([12, 24, 36, 48, 60, 72], p=[0.1, 0.18, 0.27, 0.2, 0.17, 0.08]))
        debts = float(rng.gamma(1.1, 190)) if rng.random() < 0.6 else 0.0
        history = float(np.clip(rng.normal(0.45 * (age - 18), 4), 0, 50))
        missed = int(rng.poisson(0.18 + 0.5 * (rng.random() < 0.15)))
        years = float(np.clip(rng.gamma(1.6, 0.12 * (age - 16)), 0, 45))
        purpose = str(rng.choice(PURPOSES, p=[0.27, 0.17, 0.18, 0.2, 0.08, 0.1]))
        rate = amount / term / income  # the instalment, as a share of the income
        logit = (
            -3.1 + 5.5 * rate + 0.9 * min(missed, 4) + 1.6 * min(debts / income, 1.0) - 0.03 * history
            - 0.05 * min(years, 12) + 0.45 * (employment == "self-employed") - 0.5 * (employment == "public service")
            + _RISK[purpose] + 0.9 * (missed > 0) * (rate > 0.15) + 0.0002 * (applied - FIRST).days
        )  # fmt: skip
        defaulted = rng.random() < 1 / (1 + np.exp(-logit))
        known = applied + timedelta(days=LABEL_DELAY) < FIRST + timedelta(days=DAYS)
        made.append(
            {
                "application_id": f"L-{rng.integers(10**7, 10**8)}",
                "applied": applied.isoformat(),
                "amount": f"{amount:.0f}",
                "term_months": str(term),
                "purpose": purpose,
                "monthly_income": "" if employment == "self-employed" and rng.random() < 0.3 else f"{income:.0f}",
                "other_debts": f"{debts:.0f}",
                "employment": employment,
                "employment_years": f"{years:.1f}",
                "missed_payments": str(missed),
                "credit_history_years": "" if rng.random() < 0.04 else f"{history:.1f}",
                "housing": str(rng.choice(["rents", "owns", "with family"], p=[0.55, 0.33, 0.12])),
                "channel": str(rng.choice(["branch", "web", "broker"], p=[0.3, 0.5, 0.2])),
                "age_group": "under 40" if age < 40 else "40 and over",
                "defaulted": ("yes" if defaulted else "no") if known else "",
            }
        )
    return made


def write(path: Path, rows: list[dict[str, str]], columns: tuple[str, ...]) -> None:
    """A plain CSV file."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def generate(folder: Path, *, rows: int = ROWS, seed: int = 11) -> None:
    """Write both tables into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    write(folder / "applications.csv", applications(rows, rng, first=FIRST, days=DAYS), COLUMNS)
    now = applications(min(NEW, rows), rng, first=FIRST + timedelta(days=DAYS), days=7)
    write(folder / "new.csv", now, tuple(c for c in COLUMNS if c != "defaulted"))


if __name__ == "__main__":
    generate(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
