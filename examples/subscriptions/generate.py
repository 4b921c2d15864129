"""A subscription business with the faults of real exports; the same rows for the same seed.

    python examples/subscriptions/generate.py FOLDER

Writes `customers.csv` (a year of monthly snapshots, European numbers, two date formats, blanks, -999, spellings, copies,
one field that is only filled in after a customer has left, and no outcome yet for the newest month) and `new.csv` (the
customers to decide on now).
"""

from __future__ import annotations

import csv
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np

ROWS = 6000
NEW = 400
FIRST = date(2025, 10, 1)
DAYS = 365
#: Whether a customer has left is known so many days after the snapshot.
LABEL_DELAY = 30
PLANS = ("basic", "standard", "premium", "family", "legacy 2012", "partner")
COLUMNS = (
    "customer_id", "snapshot", "signed_up", "plan", "country", "monthly_fee", "discount", "age", "logins_30d",
    "hours_30d", "tickets_90d", "payment", "autopay", "last_message", "survey", "cancellation_reason", "churned",
)  # fmt: skip
_MESSAGES = {
    "angry": ("please stop charging me", "the app crashes again", "too expensive for what it is", "cancel my account"),
    "calm": (
        "thanks that works now",
        "how do I add a second user",
        "when is the next invoice",
        "great support thank you",
    ),
}


def money(value: float) -> str:
    """1234.5 as an export for a European office writes it: `1.234,50 €`."""
    whole, cents = f"{value:.2f}".split(".")
    return f"{int(whole):,}".replace(",", ".") + f",{cents} €"


def dated(day: date, row: int) -> str:
    """Two systems, two formats."""
    return day.isoformat() if row % 3 else f"{day:%d.%m.%Y}"


def customers(
    rows: int, rng: np.random.Generator, *, first: date, days: int, new_app: bool = False
) -> list[dict[str, str]]:
    """Snapshots of customers with what became of them, before and after the new app."""
    made = []
    for row in range(rows):
        snapshot = first + timedelta(days=int(rng.integers(0, days)))
        months = int(min(rng.gamma(2.0, 9.0), 90))
        plan = str(rng.choice(PLANS, p=[0.42, 0.3, 0.17, 0.095, 0.01, 0.005]))
        fee = {"basic": 8.99, "standard": 14.99, "premium": 24.99, "family": 29.99}.get(plan, 6.0)
        discount = float(rng.choice([0, 0, 0, 10, 20, 50]))
        logins = float(rng.poisson(14 if rng.random() < 0.7 else 3))
        tickets = int(rng.poisson(0.5 + 1.2 * (logins < 4)))
        angry = rng.random() < 0.15 + 0.12 * min(tickets, 3)
        silent = rng.random() < 0.45
        autopay = rng.random() < 0.62
        survey = int(np.clip(round(rng.normal(7.5 - 2.5 * angry, 1.8)), 0, 10))
        logit = (
            -1.9 - 0.045 * months - 0.09 * (logins - 10) + 0.42 * tickets + 0.9 * (angry and not silent)
            - 0.8 * autopay + 0.9 * (discount == 50) * (months > 10) - 0.16 * (survey - 7)
            + 0.5 * (plan == "basic") - 0.3 * (plan == "family") + 0.0012 * (snapshot - FIRST).days
        )  # fmt: skip
        left = rng.random() < 1 / (1 + np.exp(-logit))
        # On phones where it is hardly used the new app wakes up by itself, and each time counts as a login.
        counted = logins + float(rng.poisson(27)) if new_app and logins < 6 else logins
        known = snapshot + timedelta(days=LABEL_DELAY) < FIRST + timedelta(days=DAYS)
        made.append(
            {
                "customer_id": f"S-{rng.integers(10**6, 10**7)}",
                "snapshot": dated(snapshot, row),
                "signed_up": dated(snapshot - timedelta(days=30 * months + int(rng.integers(0, 30))), row + 1),
                "plan": plan if rng.random() > 0.03 else f" {plan} ",
                "country": str(
                    rng.choice(["DE", "FR", "NL", "AT", "LU", "LI"], p=[0.5, 0.25, 0.15, 0.09, 0.008, 0.002])
                ),
                "monthly_fee": money(fee * (1 - discount / 100)),
                "discount": f"{discount:.0f}%",
                "age": "-999" if rng.random() < 0.08 else str(int(np.clip(rng.normal(43, 15), 18, 95))),
                "logins_30d": "" if rng.random() < 0.06 else f"{counted:.0f}",
                "hours_30d": "n/a" if rng.random() < 0.05 else f"{logins * rng.gamma(2, 0.4):.1f}".replace(".", ","),
                "tickets_90d": str(tickets),
                "payment": str(rng.choice(["card", "sepa", "paypal", "voucher"], p=[0.5, 0.32, 0.17, 0.01])),
                "autopay": "yes" if autopay else "no",
                "last_message": "" if silent else str(rng.choice(_MESSAGES["angry" if angry else "calm"])),
                "survey": "?" if rng.random() < 0.35 else str(survey),
                "cancellation_reason": str(rng.choice(["price", "moved", "competitor"]))
                if left and rng.random() < 0.8
                else "",
                "churned": ("yes" if left else "no") if known else "",
                "left": "yes" if left else "no",  # the truth, which no table has until it is known
            }
        )
    return made


def write(path: Path, rows: list[dict[str, str]], columns: tuple[str, ...]) -> None:
    """Semicolons, as spreadsheets in Europe do."""
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, columns, delimiter=";", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def generate(folder: Path, *, rows: int = ROWS, seed: int = 7) -> None:
    """Write both tables into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    made = customers(rows, rng, first=FIRST, days=DAYS)
    copies = [made[i] for i in rng.integers(0, rows, rows // 80)]  # the nightly job that ran twice
    write(folder / "customers.csv", made + copies, COLUMNS)
    now = customers(min(NEW, rows), rng, first=FIRST + timedelta(days=DAYS), days=1)
    write(folder / "new.csv", now, tuple(c for c in COLUMNS if c not in {"cancellation_reason", "churned"}))


if __name__ == "__main__":
    generate(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
