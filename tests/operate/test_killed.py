from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def killed_at(points: int, shop: Path, folder: Path, now: datetime) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "killing.py"), str(shop), str(folder), str(points), now.isoformat()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check(found: dict[str, Any]) -> None:
    unkilled, *killed = found["results"]
    assert unkilled["state"]["aliases"] == [["champion", 2], ["previous", 1]], "the round promotes the challenger"
    assert sum(row[2] for row in unkilled["state"]["offsets"]) == 750
    for one in killed:
        assert one["killed"]
        for name, value in unkilled["state"].items():
            assert one["state"][name] == value, f"{name} differs after a kill at point {one['at']} of {found['points']}"


def test_a_round_that_is_killed_anywhere_comes_to_the_same_as_one_that_is_not(
    turned_shop: Path, later: datetime, tmp_path: Path
) -> None:
    check(killed_at(2, turned_shop, tmp_path, later))


@pytest.mark.slow
def test_a_round_that_is_killed_at_many_points_comes_to_the_same(
    turned_shop: Path, later: datetime, tmp_path: Path
) -> None:
    found = killed_at(24, turned_shop, tmp_path, later)
    assert len(found["results"]) > 20
    check(found)
