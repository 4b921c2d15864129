"""Three rounds that fold, judge, tell and decide, make a challenger, promote it, and go back, each killed wherever it can matter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.operate.shop import dated, last_day

HERE = Path(__file__).parent
#: What each round has come to: the versions by their names, and what the decision of the first became.
ROUNDS = {
    "off_shop": [["challenger", 2], ["champion", 1]],
    "better_shop": [["champion", 2], ["previous", 1]],
    "worse_shop": [["champion", 1]],
}


def killed(shop: Path, folder: Path, most: int, *, broken: bool = False) -> dict[str, Any]:
    now = dated(last_day(shop)).isoformat()
    command = [sys.executable, str(HERE / "killing.py"), str(shop), str(folder), str(most), now]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1"}
    done = subprocess.run(
        [*command, *(["broken"] if broken else [])], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def differences(found: dict[str, Any]) -> list[str]:
    """Where a round that was killed has come to something else."""
    told = []
    for one in found["results"]:
        assert one["killed"] or one["at"] == found["points"][-1]
        told += [
            f"{name} differs after a kill at point {one['at']}: {one['state'][name]} instead of {value}"
            for name, value in found["unkilled"].items()
            if one["state"][name] != value
        ]
    return told


def check(found: dict[str, Any], name: str) -> None:
    state = found["unkilled"]
    assert [one for one in state["aliases"] if one[0] in {"challenger", "champion", "previous"}] == ROUNDS[name]
    assert [outcome for _, outcome in state["decisions"]] == ["done: version 2"]
    assert {kind for kind, *_ in state["comparisons"]} == ({"proof", "watch"} if name != "off_shop" else {"proof"})
    assert len(state["quarantine"]) == 1
    assert differences(found) == []


def test_a_round_that_is_killed_comes_to_the_same_as_one_that_is_not(off_shop: Path, tmp_path: Path) -> None:
    """One of the rounds, at two of its points; the next test kills all of them at all points."""
    found = killed(off_shop, tmp_path, 2)
    assert len(found["points"]) > 20
    check(found, "off_shop")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ROUNDS)
def test_a_round_that_is_killed_wherever_the_disk_changes_comes_to_the_same(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    found = killed(request.getfixturevalue(name), tmp_path, 10_000)
    assert len(found["results"]) == len(found["points"])
    check(found, name)


@pytest.mark.exhaustive
def test_a_loop_that_keeps_each_statement_by_itself_would_be_found_out(off_shop: Path, tmp_path: Path) -> None:
    assert differences(killed(off_shop, tmp_path, 24, broken=True)) != []
