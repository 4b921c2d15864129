from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from tests.alerts.webhook import Webhook
from tests.operate.shop import OPENED, answer_days, copied, dated, last_day, spec_of, visits

from mlwright.cli.main import _code
from mlwright.operate import OperatedAlready, OperatorLock, Project, Round, look, monitoring_page, operate
from mlwright.registry import Registry
from mlwright.spec import Spec, load_spec

_LABELS = {"operation": {"label_delay": "1d"}}


def once(spec: Spec, now: datetime) -> Round:
    return operate(spec, once=True, clock=lambda: now)


class Said(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def mlwright(capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: str, folder: Path) -> Said:
        capsys.readouterr()
        code = _code([*arguments, "--spec", str(folder / "mlwright.yaml")], debug=False)
        return Said(code, *capsys.readouterr())

    return run


def day(number: int, **more: float) -> datetime:
    return OPENED + timedelta(days=number, **more)


def answered(folder: Path, days: Sequence[int], *, rows: int = 250, older: float = 0.0) -> None:
    for number in days:
        answer_days(folder, visits(rows, 100 + number, start=day(number), days=0.2, older=older))


def test_a_drift_is_found_told_shown_and_not_told_again(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    with Webhook() as webhook:
        spec = spec_of(folder, **_LABELS, alerts={"channels": {"team": {"url": webhook.url, "level": "info"}}})
        answered(folder, range(3))
        quiet = once(spec, day(3, minutes=21))
        assert quiet.done["read"] == ("750 new answers", "750 new labels")
        assert not quiet.troubles
        assert webhook.got == []
        answered(folder, range(3, 5), older=15)
        moved = once(spec, day(5, minutes=21))
        assert [one["key"] for one in webhook.got if one["key"].startswith("drift")] == ["drift/overall"]
        assert "`age` is higher" in webhook.got[0]["text"]
        before = len(webhook.got)
        again = once(spec, day(5, minutes=22))
        assert len(webhook.got) == before
        assert "read" not in again.done
        assert moved.done["tell"]
    with Project.open(spec) as project:
        found = look(project, now=day(5, minutes=30))
        page = monitoring_page(found, project)
    assert sum(one.rows for one in found.periods) == 1250
    assert "`age`" not in page
    assert "<code>age</code> is higher" in page
    assert page.count("<svg") >= 3
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_challenger_that_is_better_is_promoted_once_and_the_page_tells_why(better_shop: Path, tmp_path: Path) -> None:
    folder = copied(better_shop, tmp_path / "shop")
    spec, later = load_spec(folder / "mlwright.yaml"), dated(last_day(better_shop))
    first = once(spec, later)
    assert any("took the place" in line for line in first.done["live"])
    assert len(first.done["live"]) == 1, "what is found about the version before is no reason to change the new one"
    once(spec, later + timedelta(minutes=1))
    with Project.open(spec) as project:
        found = look(project, now=later + timedelta(minutes=2))
        page = monitoring_page(found, project)
    assert found.champion is not None
    assert found.champion.number == 2
    assert found.challenger is None
    assert [entry.action for entry in found.audit].count("promote") == 2  # the first version, and this one
    assert "Is version 2 better than version 1?" in page
    assert "Promoted: version 2 answers instead of version 1" in page


def test_a_version_that_comes_back_is_watched_anew(worse_shop: Path, tmp_path: Path) -> None:
    folder = copied(worse_shop, tmp_path / "shop")
    spec, later = load_spec(folder / "mlwright.yaml"), dated(last_day(worse_shop))
    back = once(spec, later)
    assert back.done["live"][0].startswith("Went back from version 2 to version 1")
    assert [line for line in back.done["tell what changed"] if "loss" in line] == []
    again = once(spec, later + timedelta(minutes=1))
    assert set(again.done) <= {"send"}, "neither its old loss, nor the silence while another version answered"


def test_two_never_look_after_one_model(shop: Path, tmp_path: Path, mlwright: Command) -> None:
    spec = spec_of(copied(shop, tmp_path / "shop"))
    with Project.open(spec) as project, OperatorLock(project.store, project.model).held():
        with pytest.raises(OperatedAlready):
            once(spec, day(1))
        shown = mlwright("monitor", "--json", folder=spec.folder)
        assert json.loads(shown.out)["notes"] == [
            "`mlwright operate` looks after this model: shown is what it has found"
        ]
        refused = mlwright("operate", "--once", folder=spec.folder)
        assert refused.code == 2
        assert "another process operates 'shop'" in refused.err


def test_sigterm_ends_the_process_after_its_step_and_status_says_what_it_did(
    shop: Path, tmp_path: Path, mlwright: Command
) -> None:
    folder = copied(shop, tmp_path / "shop")
    spec_of(folder)
    answered(folder, [0], rows=60)
    process = subprocess.Popen(
        [sys.executable, "-m", "mlwright", "operate", "--every", "1s", "--json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["done"]["read"][0] == "60 new answers"
        status = mlwright("operate", "--status", "--json", folder=folder)
        assert status.code == 0
        assert json.loads(status.out)["process"] == process.pid
        os.kill(process.pid, signal.SIGTERM)
        _, problems = process.communicate(timeout=60)
        assert process.returncode == 0, problems
    finally:
        process.kill()
        process.communicate()
    status = mlwright("operate", "--status", folder=folder)
    assert status.code == 1
    assert "not running" in status.out
    assert "'ended'" in status.out


def test_a_full_disk_is_told_and_what_could_not_be_written_is_written_later(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    spec = spec_of(folder)
    once(spec, day(0))
    answered(folder, [0])
    with sqlite3.connect(folder / "mlwright.db") as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]

    def is_full(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(Engine, "connect", is_full)
    try:
        full = once(spec, day(1, minutes=21))
    finally:
        event.remove(Engine, "connect", is_full)
    assert full.troubles["read"].startswith("the disk is full")
    after = once(spec, day(1, minutes=22))
    assert not after.troubles
    with Project.open(spec) as project:
        assert sum(one.rows for one in look(project, now=day(1, minutes=23)).periods) == 250


def test_a_log_that_is_gone_is_told_and_the_other_steps_go_on(shop: Path, tmp_path: Path, mlwright: Command) -> None:
    folder = copied(shop, tmp_path / "shop")
    spec = spec_of(folder)
    answered(folder, [0], rows=60)
    once(spec, day(1, minutes=21))
    shutil.move(folder / "predictions", tmp_path / "elsewhere")
    gone = once(spec, day(1, minutes=22))
    assert "read" in gone.troubles
    assert "send" not in gone.troubles
    failed = mlwright("operate", "--once", "--json", folder=folder)
    assert failed.code == 1
    assert json.loads(failed.out)["troubles"]["read"] == "there is no prediction log"
    seen = mlwright("monitor", folder=folder)
    assert (seen.code, "what is new could not be read: there is no prediction log" in seen.out) == (0, True)
    shutil.move(tmp_path / "elsewhere", folder / "predictions")
    assert not once(spec, day(1, minutes=23)).troubles


def test_a_channel_that_hangs_holds_neither_the_loop_nor_the_end_of_it(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    with Webhook(hangs=True) as stuck:
        channel = {"url": stuck.url, "level": "info", "timeout": "1s"}
        spec = spec_of(folder, **_LABELS, alerts={"channels": {"team": channel}})
        answered(folder, range(3))
        answered(folder, range(3, 5), older=15)
        begun = time.monotonic()
        made = once(spec, day(5, minutes=21))
        assert time.monotonic() - begun < 60
    assert any("no answer within 1 s" in line for line in made.done["send"])
    assert not made.troubles


def test_commands_say_what_is_wrong_with_a_call(shop: Path, tmp_path: Path, mlwright: Command) -> None:
    folder = copied(shop, tmp_path / "shop")
    spec_of(folder)
    assert mlwright("monitor", "ack", "drift/overall", folder=folder).code == 2
    assert mlwright("monitor", "silence", "drift/*", "--for", "soon", folder=folder).code == 2
    assert mlwright("monitor", "silence", "drift/*", "--for", "8h", folder=folder).code == 0
    assert mlwright("monitor", "unsilence", "drift/*", folder=folder).code == 0
    assert mlwright("monitor", "unsilence", "drift/*", folder=folder).code == 2
    nobody = mlwright("operate", "--status", folder=folder)
    assert (nobody.code, "no process has looked after this model yet" in nobody.out) == (1, True)
    assert json.loads(mlwright("operate", "--status", "--json", folder=folder).out) == {"running": False}
    assert mlwright("operate", "--every", "often", folder=folder).code == 2


def test_monitor_ends_with_1_while_a_page_is_open_and_nobody_has_said_that_he_looks_after_it(
    off_shop: Path, tmp_path: Path, mlwright: Command
) -> None:
    folder = copied(off_shop, tmp_path / "shop")
    once(load_spec(folder / "mlwright.yaml"), dated(last_day(folder)))
    first = mlwright("monitor", "--no-fold", "--out", str(tmp_path / "page.html"), folder=folder)
    assert first.code == 1
    assert "shop: Look at it now. The loss per row has risen" in " ".join(first.out.split())
    assert "The loss per row has risen" in (tmp_path / "page.html").read_text()
    said = json.loads(mlwright("monitor", "--no-fold", "--json", folder=folder).out)
    assert (said["champion"], said["challenger"]) == (1, 2)
    for alert in said["alerts"]:
        assert mlwright("monitor", "ack", alert["key"], "--by", "ann", folder=folder).code == 0
    looked_after = mlwright("monitor", "--no-fold", folder=folder)
    assert looked_after.code == 0
    assert "ann looks after it" in looked_after.out


def test_a_person_says_yes_to_what_was_recommended(off_shop: Path, tmp_path: Path, mlwright: Command) -> None:
    folder = copied(off_shop, tmp_path / "shop")
    spec = spec_of(folder, operation={"label_delay": "1d", "retrain": {"tolerance": 0.05}})
    now = dated(last_day(folder))
    once(spec, now)
    shown = mlwright("monitor", "--no-fold", folder=folder)
    assert "mlwright monitor accept recalibrate" in shown.out
    unknown = mlwright("monitor", "accept", "reweight", folder=folder)
    assert unknown.code != 0
    assert "no decision 'reweight' waits for a yes" in unknown.err
    with Project.open(spec) as project, OperatorLock(project.store, project.model).held():
        later = mlwright("monitor", "accept", folder=folder)
        assert "`mlwright operate` does it" in later.out
    once(spec, now + timedelta(hours=1))
    assert Registry.of(spec).version("challenger").number == 2
    assert mlwright("monitor", "accept", folder=folder).code != 0


def test_what_a_person_accepts_is_carried_out_at_once_in_his_name(
    off_shop: Path, tmp_path: Path, mlwright: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(off_shop, tmp_path / "shop")
    spec = spec_of(folder, operation={"label_delay": "1d", "retrain": {"tolerance": 0.05}})
    once(spec, dated(last_day(folder)))
    monkeypatch.setenv("MLWRIGHT_USER", "ann")
    said = mlwright("monitor", "accept", "recalibrate", folder=folder)
    assert (said.code, "version 2 was made" in said.out) == (0, True)
    registry = Registry.of(spec)
    assert registry.version("challenger").number == 2
    assert registry.version("champion").number == 1
    assert [one.who for one in registry.audit()][-2:] == ["ann", "ann"]
