"""A service that was started with `champion` answers with whoever is champion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlwright.registry import Approval, Registry, promote, rollback
from mlwright.serving.finding import PackageNotFound, find_package, logging_of
from mlwright.serving.loading import load_version
from mlwright.serving.reload import Reloader
from mlwright.serving.service import Service
from mlwright.serving.versions import RegistryAlias, VersionNotFound, source_at

ANN = Approval(by="ann", reason="looked at 50 rows by hand")


@pytest.fixture
def folder(two: Registry) -> Path:
    return two.shelf.parents[1]


def test_the_alias_is_found_by_name_under_the_name_of_the_project(two: Registry, folder: Path) -> None:
    path, name = find_package("champion", start=folder)
    assert (path, name) == (two.shelf / "champion.json", "sales")
    assert source_at(path).package() == two.version(1).package


def test_it_logs_as_the_spec_of_the_project_says(two: Registry, folder: Path) -> None:
    with (folder / "mlwright.yaml").open("a") as spec:
        spec.write("\npredictions: {share: 0.5}\n")
    assert logging_of(two.shelf / "champion.json", start=folder) == {"share": 0.5}
    assert logging_of(two.shelf / "champion.json", start=folder / "runs") == {}


def test_without_a_challenger_or_a_spec_the_error_says_what_to_do(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(PackageNotFound, match="there is no challenger yet"):
        find_package("challenger", start=folder)
    with pytest.raises(PackageNotFound, match="no spec here"):
        find_package("champion", start=tmp_path_factory.mktemp("empty"))


def test_a_running_service_follows_promotions_and_rollbacks(two: Registry) -> None:
    source = source_at(two.shelf / "champion.json")
    service = Service(load_version(source.package(), name="sales"))
    reloader = Reloader(service, source, source.mark())
    seen = source.mark()
    promote(two, 2, approval=ANN)
    assert source.mark() != seen
    assert reloader.load().outcome == "swapped"
    assert service.current.version == two.version(2).package_version
    rollback(two)
    assert reloader.load().version == two.version(1).package_version


def test_what_moves_elsewhere_in_the_registry_does_not_concern_it(two: Registry) -> None:
    from mlwright.registry import challenge

    source = source_at(two.shelf / "champion.json")
    before, text = source.mark(), (two.shelf / "champion.json").read_text()
    challenge(two, 2)
    assert (two.shelf / "champion.json").read_text() != text  # it has seen more of the audit log
    assert source.mark() == before


def test_another_package_in_the_place_of_the_champion_does_not_answer(two: Registry) -> None:
    import shutil

    champion, other = two.version(1).package, two.version(2).package
    shutil.rmtree(champion)
    shutil.copytree(other, champion)
    with pytest.raises(VersionNotFound, match="not the one that became version 1"):
        RegistryAlias(two.shelf / "champion.json").package()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format_version": 1}', '{"format_version": 99}'])
def test_a_damaged_pointer_file_is_an_error_and_no_crash(two: Registry, text: str) -> None:
    path = two.shelf / "champion.json"
    path.write_text(text)
    source = source_at(path)
    with pytest.raises(VersionNotFound, match=r"damaged|format 99"):
        source.package()
    assert source.mark() is None


def test_nobody_names_another_version_from_outside(two: Registry) -> None:
    with pytest.raises(VersionNotFound, match="follows the registry"):
        source_at(two.shelf / "champion.json").named(json.dumps("2"))
