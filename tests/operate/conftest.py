"""Shops whose model was really trained, and what becomes of one of them; each made once, copied for each test."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.operate.shop import OPENED, answer_days, copied, dated, in_another_unit, last_day, open_shop, spec_of, visits

from mlwright.operate import operate
from mlwright.spec import load_spec

ALONE = {
    "label_delay": "1d",
    "act": {"reweight": "automatic", "recalibrate": "automatic"},
    "retrain": {"approve": "automatic", "tolerance": 0.05},
}


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 answers; nothing was asked yet. Treat it as read-only."""
    return open_shop(tmp_path_factory.mktemp("shop") / "shop")


@pytest.fixture(scope="session")
def off_shop(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Customers buy less, and nobody has looked yet: the next round finds it and makes a challenger. On one day before, ages came
    in another unit for half of the visits. Read-only."""
    folder = copied(shop, tmp_path_factory.mktemp("off") / "shop")
    channels = {"team": {"url": "http://127.0.0.1:9/hook", "level": "info"}}
    spec_of(folder, operation=ALONE, alerts={"channels": channels})
    for day in range(5):
        keener = 0.0 if day < 2 else -1.5
        frame = visits(400, 50 + day, start=OPENED + timedelta(days=day), days=0.08, keener=keener)
        answer_days(folder, in_another_unit(frame) if day == 1 else frame)
    return folder


@pytest.fixture(scope="session")
def better_shop(off_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The challenger was made, and days have come that prove it: the next round promotes it. Read-only."""
    folder = copied(off_shop, tmp_path_factory.mktemp("better") / "shop")
    looked_at(folder)
    for day in range(5, 10):
        answer_days(folder, visits(400, 50 + day, start=OPENED + timedelta(days=day), days=0.08, keener=-1.5))
    return folder


@pytest.fixture(scope="session")
def worse_shop(better_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The challenger has become champion, and customers buy more than ever: the next round goes back. Read-only."""
    folder = copied(better_shop, tmp_path_factory.mktemp("worse") / "shop")
    looked_at(folder)
    for day in range(10, 14):
        answer_days(folder, visits(400, 50 + day, start=OPENED + timedelta(days=day), days=0.08, keener=1.5))
    return folder


def looked_at(folder: Path) -> None:
    """A round, once the last day is over."""
    now = dated(last_day(folder))
    made = operate(load_spec(folder / "mlwright.yaml"), once=True, clock=lambda: now)
    assert not made.troubles, made.troubles
