from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from tests.models.made import made
from tests.models.problems import TASKS

from mlwright.core import MlwrightError, fingerprint_of_file
from mlwright.core.files import NotReadable
from mlwright.models import DecisionRule, Model, PackageDamaged, PackageTooNew, add_document, manifest_of, size_in_bytes
from mlwright.models.package import LibraryMissing
from mlwright.spec import Task


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of the binary model; treat it as read-only."""
    folder: Path = tmp_path_factory.mktemp("packages") / "model"
    made("binary").model.save(folder)
    add_document(folder, "model_card.md", "# A card\n")
    return folder


@pytest.fixture
def package(saved: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


CONTENTS = [
    "documents/model_card.md",
    "encoders.json",
    "golden.arrow",
    "manifest.json",
    "members/00/linear.json",
    "members/01/boosting.json",
    "members/01/lightgbm.txt",
    "model.json",
    "reference.json",
    "schema.json",
]


def rewritten(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Change a JSON file of the package."""
    path = folder / name
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def resealed(folder: Path) -> None:
    """Give every file the checksum that it has now, as somebody would who changes a package on purpose."""
    manifest = manifest_of(folder)
    for name in manifest["files"]:
        path = folder / name
        manifest["files"][name] = {"sha256": fingerprint_of_file(path), "bytes": path.stat().st_size}
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("task", TASKS)
def test_what_is_saved_and_loaded_answers_the_same(task: Task, tmp_path: Path) -> None:
    model, frame, _ = made(task)
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert again.predict(frame).prediction.tobytes() == model.predict(frame).prediction.tobytes()
    assert again.predict(frame).to_table() == model.predict(frame).to_table()
    for name in ("task", "classes", "target", "schema", "calibration", "rule", "spread", "facts", "weights"):
        assert getattr(again, name) == getattr(model, name), name
    assert {view: e.state() for view, e in again.encoders.items()} == {
        view: e.state() for view, e in model.encoders.items()
    }
    assert again.reference.state() == model.reference.state()
    assert again.importances() == pytest.approx(model.importances())


def test_it_is_data_and_not_code(saved: Path) -> None:
    assert files(saved) == CONTENTS
    assert {path.suffix for path in saved.rglob("*") if path.is_file()} == {".json", ".arrow", ".txt", ".md"}
    for name in files(saved):
        content = (saved / name).read_bytes()
        assert not content.startswith(b"\x80")  # how a pickle begins
        assert content.startswith(b"ARROW1") or content.decode("utf-8")


def test_saving_twice_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    made("binary").model.save(tmp_path / "again")
    for name in set(CONTENTS) - {"documents/model_card.md", "manifest.json"}:
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes(), name


def test_a_package_of_format_1_answers_and_decides_by_its_threshold() -> None:
    model = Model.load(Path(__file__).parent / "old" / "format_1")
    answer = model.predict(made("binary").frame)
    assert model.rule == DecisionRule(threshold=0.4)
    assert answer.decision is not None
    assert answer.decision.tolist() == (answer.prediction >= 0.4).tolist()
    assert 0 < answer.decision.sum() < len(answer)


def test_a_package_of_format_2_answers_and_decides_row_by_row() -> None:
    model = Model.load(Path(__file__).parent / "old" / "format_2")
    answer = model.predict(pl.DataFrame({"x": [0.5, 0.5], "amount": [20.0, 90.0]}))
    assert model.rule.limit is None
    assert model.offset is None
    assert answer.decision is not None
    assert answer.decision.tolist() == [0, 1]


def test_a_package_takes_the_place_of_the_one_before(package: Path) -> None:
    model, frame, _ = made("multiclass")
    model.save(package)
    assert Model.load(package).predict(frame).prediction.tobytes() == model.predict(frame).prediction.tobytes()
    assert "documents/model_card.md" not in files(package)


@pytest.mark.parametrize("name", [name for name in CONTENTS if name != "manifest.json"])
@pytest.mark.parametrize("position", [0.0, 0.4, 0.999])
def test_a_byte_flipped_in_any_file_is_found(package: Path, name: str, position: float) -> None:
    path = package / name
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(PackageDamaged, match=f"{name} was changed"):
        Model.load(package)


def test_a_byte_flipped_in_the_manifest_is_found_or_changes_no_answer(saved: Path, package: Path) -> None:
    frame = made("binary").frame
    expected = made("binary").model.predict(frame).prediction.tobytes()
    content = (saved / "manifest.json").read_bytes()
    found = 0
    for position in range(0, len(content), 7):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        (package / "manifest.json").write_bytes(flipped)
        try:
            again = Model.load(package)
        except MlwrightError:
            found += 1
        else:
            assert again.predict(frame).prediction.tobytes() == expected
    assert found > 0.7 * len(content) / 7


@pytest.mark.parametrize("name", [name for name in CONTENTS if name != "manifest.json"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_a_file_cut_short_is_found(package: Path, name: str, kept: float) -> None:
    path = package / name
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(PackageDamaged, match=f"{name} is cut short"):
        Model.load(package)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_that_is_gone_is_missed(package: Path, name: str) -> None:
    (package / name).unlink()
    with pytest.raises(NotReadable if name == "manifest.json" else PackageDamaged, match="missing"):
        Model.load(package)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_manifest_cut_short_is_found(package: Path, kept: float) -> None:
    path = package / "manifest.json"
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(NotReadable, match="not JSON"):
        Model.load(package)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "a list": lambda m: [m],
    "no version": lambda m: {k: v for k, v in m.items() if k != "format_version"},
    "a version in words": lambda m: {**m, "format_version": "1"},
    "a version before the first": lambda m: {**m, "format_version": 0},
    "no files": lambda m: {k: v for k, v in m.items() if k != "files"},
    "files as a list": lambda m: {**m, "files": list(m["files"])},
    "no checksums": lambda m: {**m, "files": dict.fromkeys(m["files"])},
    "an empty list of files": lambda m: {**m, "files": {}},
    "a file less": lambda m: {**m, "files": {k: v for k, v in m["files"].items() if k != "encoders.json"}},
    "a file more": lambda m: {**m, "files": {**m["files"], "run_me.py": {"sha256": "0" * 64, "bytes": 1}}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_manifest_that_says_something_else_is_refused(package: Path, change: str) -> None:
    rewritten(package, "manifest.json", CHANGES[change])
    with pytest.raises(PackageDamaged):
        Model.load(package)


def test_a_package_of_a_later_format_asks_for_a_newer_version(package: Path) -> None:
    rewritten(package, "manifest.json", lambda m: {**m, "format_version": 4})
    with pytest.raises(PackageTooNew, match="format 4") as caught:
        Model.load(package)
    assert caught.value.fix == "install a newer mlwright"


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageDamaged, match="no package here"):
        Model.load(tmp_path / "nowhere")
    (tmp_path / "file").write_text("a file")
    with pytest.raises(PackageDamaged, match="no package here"):
        Model.load(tmp_path / "file")
    with pytest.raises(NotReadable, match="missing"):
        Model.load(tmp_path)


@pytest.mark.parametrize(
    "name", ["encoders.json", "model.json", "members/00/linear.json", "members/01/lightgbm.txt", "golden.arrow"]
)
def test_a_model_that_answers_otherwise_than_when_it_was_saved_is_refused_though_all_checksums_fit(
    package: Path, name: str
) -> None:
    if name.endswith(".json"):
        rewritten(package, name, _other_numbers)
    elif name.endswith(".txt"):
        # As long as it was: LightGBM ends the process where the lengths of its trees do not fit.
        text, number = re.subn(
            r"(?<=leaf_value=)(-?\d)", lambda m: "9".rjust(len(m[0]), "-"), (package / name).read_text()
        )
        assert number == 20
        (package / name).write_text(text)
    else:
        _other_answers(package / name)
    resealed(package)
    with pytest.raises(PackageDamaged, match="golden rows"):
        Model.load(package)


def _other_numbers(tree: Any) -> Any:
    """All fractions a little larger."""
    if isinstance(tree, dict):
        return {key: _other_numbers(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_other_numbers(value) for value in tree]
    return tree * 1.01 if isinstance(tree, float) else tree


def _other_answers(path: Path) -> None:
    with pa.ipc.open_file(path.read_bytes()) as reader:
        table = reader.read_all()
    answers = np.array(table.column("__answer__").combine_chunks().flatten())
    answers[-1] += 1e-4
    position = table.column_names.index("__answer__")
    table = table.set_column(position, "__answer__", pa.FixedSizeListArray.from_arrays(pa.array(answers), 1))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.json", "{}"),
        ("model.json", "[]"),
        ("schema.json", "{}"),
        ("encoders.json", "{}"),
        ("encoders.json", '[{"view": "dense", "steps": [{"kind": "run", "column": "age"}]}]'),
        ("reference.json", "[]"),
        ("golden.arrow", "not an Arrow file"),
        ("members/00/linear.json", "{}"),
        ("members/01/lightgbm.txt", "tree\nversion=v4\n"),
    ],
)
def test_files_that_fit_their_checksums_but_make_no_model_are_refused(package: Path, name: str, content: str) -> None:
    (package / name).write_text(content)
    resealed(package)
    with pytest.raises(MlwrightError) as caught:
        Model.load(package)
    assert isinstance(caught.value, PackageDamaged)


def test_a_member_that_the_manifest_and_the_folder_lack_is_missed(package: Path) -> None:
    shutil.rmtree(package / "members" / "01")
    rewritten(
        package,
        "manifest.json",
        lambda m: {**m, "files": {k: v for k, v in m["files"].items() if "members/01" not in k}},
    )
    with pytest.raises(MlwrightError):
        Model.load(package)


def test_a_family_that_is_not_known_here_is_refused(package: Path) -> None:
    rewritten(package, "model.json", lambda m: {**m, "members": [{**one, "family": "oracle"} for one in m["members"]]})
    resealed(package)
    with pytest.raises(PackageDamaged):
        Model.load(package)


def test_a_document_is_added_and_verified_and_the_rest_is_as_it_was(saved: Path, package: Path) -> None:
    before = manifest_of(saved)
    add_document(package, "model_card.md", "# Another card\n")
    add_document(package, "datasheet.md", "# Data\n")
    after = manifest_of(package)
    assert set(after["files"]) - set(before["files"]) == {"documents/datasheet.md"}
    for name in set(before["files"]) - {"documents/model_card.md"}:
        assert after["files"][name] == before["files"][name]
    Model.load(package)
    (package / "documents" / "datasheet.md").write_text("# Lies\n")
    with pytest.raises(PackageDamaged, match="datasheet"):
        Model.load(package)


def test_adding_a_document_does_not_make_a_damaged_package_look_whole(package: Path) -> None:
    path = package / "members" / "00" / "linear.json"
    path.write_text(path.read_text().replace("1", "2", 1))
    add_document(package, "model_card.md", "# Another card\n")
    with pytest.raises(PackageDamaged, match=r"linear\.json"):
        Model.load(package)


def test_its_size_is_that_of_its_files(saved: Path) -> None:
    on_disk = sum(path.stat().st_size for path in saved.rglob("*") if path.is_file())
    assert size_in_bytes(saved) == pytest.approx(on_disk, rel=0.01)


# ------------------------------------------------------------------------------------------------------ golden rows


@pytest.mark.parametrize("task", TASKS)
def test_golden_rows_are_nobodys_rows(task: Task, tmp_path: Path) -> None:
    model, _, split = made(task)
    model.save(tmp_path / "model")
    with pa.ipc.open_file((tmp_path / "model" / "golden.arrow").read_bytes()) as reader:
        golden = reader.read_all()
    assert golden.num_rows == 100
    assert golden.column_names == [*model.features, "__answer__"]
    rows = {tuple(row.values()) for row in golden.drop_columns(["__answer__"]).to_pylist()}
    real = {tuple(row.values()) for row in split.dataset.table.select(model.features).to_pylist()}
    assert len(real) > 100
    assert not rows & real


def test_golden_rows_have_missing_values_and_a_level_never_seen_and_no_text_of_a_person(tmp_path: Path) -> None:
    model, frame, _ = made("binary")
    model.save(tmp_path / "model")
    with pa.ipc.open_file((tmp_path / "model" / "golden.arrow").read_bytes()) as reader:
        golden = reader.read_all()
    for name in model.features:
        assert 0 < golden.column(name).null_count < 40
    assert "a level never seen" in golden.column("city").to_pylist()
    assert model.schema["review"].type == "text"
    texts = set(golden.column("review").to_pylist()) - {None}
    assert len(texts) > 50
    assert not texts & set(frame["review"])
    assert not any(row in (tmp_path / "model" / "encoders.json").read_text() for row in frame["review"])


def test_a_library_that_is_not_installed_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(LibraryMissing, match="pip install lightgbm"):
        Model.load(saved)
