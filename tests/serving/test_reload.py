from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.made import made
from tests.serving.servers import Running, eventually, running
from tests.serving.versions import records, turn, two_versions

from mlwright.serving.keys import add_key
from mlwright.serving.loading import load_version
from mlwright.serving.reload import Reloader
from mlwright.serving.service import Service
from mlwright.serving.versions import PackageFolder, Pointer, VersionNotFound, source_at

FIRST, SECOND = 0, 1


class Case:
    """A service that answers with the first of two versions, and what reloads it."""

    def __init__(self, folder: Path, *, pointer: bool = True) -> None:
        self.folder = folder
        self.versions = two_versions(folder)
        self.pointer = folder / "current"
        source = source_at(self.pointer if pointer else folder / "v1")
        self.service = Service(load_version(source.package(), name="model"))
        self.reloader = Reloader(self.service, source, source.mark(), every_s=0.02)

    @property
    def version(self) -> str:
        return json.loads(self.service.current.scorer.answer_json(records()[0]))["version"]  # type: ignore[no-any-return]

    def reloads(self, outcome: str) -> float:
        return self.service.metrics.total().get(f'mlwright_reloads_total{{outcome="{outcome}"}}', 0.0)


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    made_up = Case(tmp_path)
    yield made_up
    made_up.reloader.stop()


def write_over(path: Path) -> None:
    """Change a byte in the middle, in place; nothing else about the file changes."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_link_that_is_turned_brings_the_other_version(case: Case) -> None:
    case.reloader.start()
    assert case.version == case.versions[FIRST]
    turn(case.pointer, "v2")
    eventually(lambda: case.version == case.versions[SECOND])
    turn(case.pointer, "v1")
    eventually(lambda: case.version == case.versions[FIRST])
    assert case.reloads("swapped") == 2
    assert case.reloads("failed") == 0


def test_a_file_with_the_path_of_a_package_is_a_pointer_too(case: Case) -> None:
    file = case.folder / "pointer"
    file.write_text("v1\n")
    source = source_at(file)
    reloader = Reloader(case.service, source, source.mark(), every_s=0.02)
    reloader.start()
    file.write_text(f"  {case.folder / 'v2'}\n")
    eventually(lambda: case.version == case.versions[SECOND])
    reloader.stop()


def test_a_package_that_is_replaced_in_its_place_is_loaded(tmp_path: Path) -> None:
    case = Case(tmp_path, pointer=False)
    case.reloader.start()
    made_model = made("binary").model
    replace(made_model, rule=replace(made_model.rule, threshold=0.41)).save(tmp_path / "v1")
    eventually(lambda: case.version == case.versions[SECOND])
    case.reloader.stop()


def test_what_did_not_change_is_not_loaded_again(case: Case) -> None:
    case.reloader.start()
    before = case.service.current
    write = case.folder / "v2" / "manifest.json"
    write.touch()  # another package than the one that answers
    case.reloader.tell()
    eventually(lambda: case.reloads("unchanged") == 1)
    assert case.service.current is before
    assert case.reloads("swapped") == case.reloads("failed") == 0


@pytest.mark.parametrize("harm", ["a byte", "a file is gone", "manifest", "folder is gone", "pointer is gone"])
def test_a_version_that_cannot_be_loaded_leaves_the_old_one_and_says_why(
    harm: str, case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    case.reloader.start()
    package = case.folder / "v1"
    if harm == "a byte":
        write_over(package / "model.json")
    elif harm == "a file is gone":
        (package / "golden.arrow").unlink()
    elif harm == "manifest":
        (package / "manifest.json").write_text("{")
    elif harm == "folder is gone":
        shutil.rmtree(package)
    else:
        case.pointer.unlink()
    eventually(lambda: case.reloads("failed") >= 1)
    assert case.version == case.versions[FIRST]
    failure = case.reloader.failure
    assert failure is not None
    assert failure.version == case.versions[FIRST]
    assert failure.why
    assert str(case.folder) not in failure.why
    assert str(case.folder) in caplog.text
    turn(case.pointer, "v2")
    eventually(lambda: case.version == case.versions[SECOND])
    assert case.reloader.failure is None


def test_a_package_whose_files_are_still_arriving_is_loaded_once_they_are_there(case: Case) -> None:
    case.reloader.start()
    late = case.folder / "v3"
    shutil.copytree(case.folder / "v2", late, ignore=shutil.ignore_patterns("members"))
    turn(case.pointer, "v3")
    eventually(lambda: case.reloads("failed") >= 1)
    shutil.copytree(case.folder / "v2" / "members", late / "members")
    eventually(lambda: case.version == case.versions[SECOND])


def test_a_model_of_another_question_does_not_take_the_place(case: Case) -> None:
    made("regression").model.save(case.folder / "other")
    turn(case.pointer, "other")
    done = case.reloader.load()
    assert done.outcome == "failed"
    assert "another question" in done.why
    assert case.version == case.versions[FIRST]


def test_requests_in_hand_keep_the_model_that_they_began_with(case: Case) -> None:
    held = case.service.current
    case.reloader.load("v2")
    assert json.loads(held.scorer.answer_json(records()[0]))["version"] == case.versions[FIRST]
    assert case.version == case.versions[SECOND]


def test_a_version_named_by_an_admin_turns_the_pointer_and_a_bad_one_does_not(case: Case) -> None:
    done = case.reloader.load("v2")
    assert (done.outcome, done.before, done.version) == ("swapped", *case.versions)
    assert case.pointer.is_symlink()
    assert case.pointer.resolve().name == "v2"
    write_over(case.folder / "v1" / "model.json")
    assert case.reloader.load("v1").outcome == "failed"
    assert case.pointer.resolve().name == "v2"
    file = case.folder / "pointer"
    file.write_text("v1")
    Pointer(file).point_to(case.folder / "v2")
    assert Pointer(file).package() == case.folder.resolve() / "v2"


def test_several_who_ask_at_once_wait_for_each_other(case: Case) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(case.reloader.load, ["v2", "v1"] * 4))
    assert {one.outcome for one in done} <= {"swapped", "unchanged"}
    assert case.version == case.versions[case.pointer.resolve().name == "v2"]


def test_warming_answers_count_for_nobody(case: Case) -> None:
    served = load_version(case.folder / "v2", name="model")
    counted = served.scorer.irregularities
    assert not any(counted.by_column(kind) for kind in ("missing", "unseen"))


@given(name=st.text(max_size=30) | st.from_regex(r"[./\w-]{1,30}"))
def test_no_name_leads_out_of_the_folder_of_the_pointer(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "beside"
    (folder / "v1").mkdir(parents=True, exist_ok=True)
    (folder / "v1" / "manifest.json").touch()
    (folder.parent / "manifest.json").touch()
    try:
        found = Pointer(folder / "current").named(name)
    except VersionNotFound:
        return
    assert found == folder.resolve() / "v1"


def test_a_package_that_was_served_itself_names_no_other(tmp_path: Path) -> None:
    two_versions(tmp_path)
    with pytest.raises(VersionNotFound, match="pointer"):
        PackageFolder(tmp_path / "v1").named("v2")


# -------------------------------------------------------------------------------------------------------- a real server


class Reloaded:
    """A server of two workers, its versions and keys."""

    def __init__(self, server: Running, folder: Path, versions: list[str], *, score: str, admin: str) -> None:
        self.server, self.folder, self.versions = server, folder, versions
        self._admin, self._score = {"x-api-key": admin}, {"x-api-key": score, "content-type": "application/json"}

    def admin(self, body: bytes = b"", method: str = "POST") -> tuple[int, dict[str, object]]:
        reply = self.server.client.request(method, "/admin/reload", content=body, headers=self._admin)
        return reply.status_code, reply.json()

    def all_answer_with(self, version: str) -> bool:
        """Whether each of some new connections, which both workers take, does."""
        return all(self.answered_by() == version for _ in range(20))

    def answered_by(self) -> str:
        reply = httpx.post(f"{self.server.url}/predict", content=records()[0], headers=self._score, timeout=30)
        version: str = reply.json()["version"]
        return version


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reloaded]:
    folder = tmp_path_factory.mktemp("reloaded")
    versions = two_versions(folder)
    score, admin = add_key(folder / "keys", "shop"), add_key(folder / "keys", "ops", scope="admin")
    with running(folder / "current", "--workers", "2", "--keys", str(folder / "keys")) as server:
        yield Reloaded(server, folder, versions, score=score, admin=admin)


def test_an_admin_call_reaches_all_workers(reloaded: Reloaded) -> None:
    for name, version in (("v2", reloaded.versions[SECOND]), ("v1", reloaded.versions[FIRST])):
        status, said = reloaded.admin(json.dumps({"package": name}).encode())
        assert status == 200
        assert said["version"] == version
        eventually(lambda version=version: reloaded.all_answer_with(version))


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"[]", 400), (b'{"package": 3}', 400), (b'{"packages": "v1"}', 400)]
)
def test_an_admin_call_that_cannot_be_read_changes_nothing(body: bytes, status: int, reloaded: Reloaded) -> None:
    assert reloaded.admin(body)[0] == status


def test_a_damaged_version_is_refused_by_the_admin_call_and_told_by_readyz(reloaded: Reloaded) -> None:
    shutil.copytree(reloaded.folder / "v2", reloaded.folder / "broken")
    write_over(reloaded.folder / "broken" / "members" / "00" / next(_files(reloaded.folder / "broken/members/00")))
    status, said = reloaded.admin(b'{"package": "broken"}')
    assert status == 422
    assert "goes on answering" in msgspec.json.encode(said).decode()
    turn(reloaded.folder / "current", "broken")
    ready = reloaded.server.client.get("/readyz")
    eventually(lambda: "reload" in reloaded.server.client.get("/readyz").json())
    ready = reloaded.server.client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["reload"]["outcome"] == "failed"
    assert str(reloaded.folder) not in ready.text
    eventually(lambda: reloaded.server.counts()['mlwright_reloads_total{outcome="failed"}'] >= 2)
    assert "a new version was not loaded" in "".join(reloaded.server.said)
    turn(reloaded.folder / "current", "v1")
    eventually(lambda: reloaded.admin(method="GET")[1]["failure"] is None)


def test_sighup_loads_again_in_every_worker(reloaded: Reloaded) -> None:
    def attempts() -> float:
        return sum(n for name, n in reloaded.server.counts().items() if name.startswith("mlwright_reloads_total"))

    before = attempts()
    os.kill(reloaded.server.process.pid, signal.SIGHUP)
    eventually(lambda: attempts() >= before + 2)
    assert reloaded.server.process.poll() is None
    assert len(reloaded.server.workers()) == 2


def _files(folder: Path) -> Iterator[str]:
    return (path.name for path in sorted(folder.iterdir()) if path.is_file())
