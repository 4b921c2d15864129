"""Shops whose model was really trained; made once, copied for each test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.operate.shop import open_shop, turned


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 answers; nothing was asked yet. Treat it as read-only."""
    return open_shop(tmp_path_factory.mktemp("shop") / "shop")


@pytest.fixture(scope="session")
def turned_shop(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world has turned, three days were answered by version 1, and version 2 is compared with it. Treat it as read-only."""
    operation = {"label_delay": "1d", "retrain": {"approve": "automatic"}}
    channels = {"team": {"url": "http://127.0.0.1:9/hook", "level": "info"}}
    return turned(shop, tmp_path_factory.mktemp("turned") / "shop", operation=operation, alerts={"channels": channels})


@pytest.fixture(scope="session")
def later(turned_shop: Path) -> datetime:
    """When the days that `turned_shop` has answered are over."""
    hours = sorted((turned_shop / "predictions" / "answers").rglob("hour=*"))
    last = hours[-1].parent.name.removeprefix("date=")
    return datetime.fromisoformat(last).replace(tzinfo=UTC) + timedelta(days=1, minutes=21)
