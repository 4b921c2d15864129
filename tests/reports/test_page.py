"""The report and the model card: self-contained, complete, and fit to be looked at in a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from tests.support import diabetes_frame, wine_frame

from mlwright.reports import model_card, report_page
from mlwright.runs import Run, RunFolder
from mlwright.spec import Spec
from mlwright.workflow import run as run_workflow


class Page(HTMLParser):
    """Collects what a page has."""

    VOID = frozenset({"meta", "br", "link", "img", "hr", "input", "path", "line", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()


@pytest.fixture(scope="module")
def page(finished: Run) -> str:
    return report_page(finished)


@pytest.fixture(scope="module", params=["multiclass", "regression"])
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder: Path = tmp_path_factory.mktemp("other")
    frame, target = (wine_frame(), "cultivar") if request.param == "multiclass" else (diabetes_frame(), "progression")
    frame.write_csv(folder / "t.csv")
    spec = Spec.of({"data": {"source": "t.csv", "target": target}, "budget": {"seconds": 20, "trials": 3}})
    return run_workflow(spec.at(folder))


def test_the_page_is_well_formed_and_loads_nothing(page: str) -> None:
    parsed = Page(page)
    assert parsed.open == []
    assert not [tag for tag, _ in parsed.tags if tag in {"script", "link", "iframe", "img"}]
    outside = [value for _, attributes in parsed.tags for value in attributes.values() if value and "://" in value]
    assert {value for value in outside if not value.startswith("http://www.w3.org/")} == set()


def test_every_number_of_the_page_has_its_evidence(page: str, finished: Run) -> None:
    ids = {attributes["data-evidence"] for _, attributes in Page(page).tags if "data-evidence" in attributes}
    known = {record.id for record in finished.evidence()}
    assert len(ids) > 40
    assert ids <= known


def test_names_inside_the_drawings_are_unique(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_drawings_follow_the_colours_of_the_page(page: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) >= 6
    for drawing in drawings:
        assert "var(--" in drawing
        colours = set(re.findall(r"#[0-9a-fA-F]{6}\b", drawing))
        assert not colours, colours


def test_values_of_the_data_cannot_become_markup(tmp_path: Path) -> None:
    frame = wine_frame().rename({"hue": "<b>hue</b>", "ash": "a&b"})
    frame.write_csv(tmp_path / "t.csv")
    tree: dict[str, Any] = {
        "project": {"name": "<script>alert(1)</script>"},
        "data": {"source": "t.csv", "target": "cultivar"},
        "budget": {"seconds": 20, "trials": 2},
    }
    text = run_workflow(Spec.of(tree).at(tmp_path)).folder.report_path.read_text()
    assert "<script>" not in text
    assert "<b>hue</b>" not in text
    assert "&lt;b&gt;hue&lt;/b&gt;" in text


def test_where_nothing_is_related_the_page_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = {f"c{i}": rng.normal(size=120) for i in range(3)}
    pl.DataFrame({**noise, "y": rng.permutation(["a", "b"] * 60)}).write_csv(tmp_path / "t.csv")
    tree: dict[str, Any] = {"data": {"source": "t.csv", "target": "y"}, "budget": {"seconds": 20, "trials": 2}}
    text = run_workflow(Spec.of(tree).at(tmp_path)).folder.report_path.read_text()
    assert "no feature has to do with the target beyond chance" in text


def test_of_very_many_columns_the_page_shows_those_that_the_model_uses(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 700))
    frame = pl.DataFrame({f"c{i}": x[:, i] for i in range(700)})
    frame.with_columns(y=pl.Series(np.where(x[:, 650] > 0, "a", "b"))).write_csv(tmp_path / "t.csv")
    tree: dict[str, Any] = {"data": {"source": "t.csv", "target": "y"}, "budget": {"seconds": 20, "trials": 2}}
    spec = Spec.of({**tree, "data": {**tree["data"], "columns": {"c650": {"known_in_time": True}}}})
    text = run_workflow(spec.at(tmp_path)).folder.report_path.read_text()
    assert "701 columns" in text
    assert "<td><b>c650</b></td>" in text
    assert text.count('<td class="why">') < 3000


def test_other_tasks_have_their_own_pages(other: Run) -> None:
    text = report_page(other)
    assert Page(text).open == []
    assert ("Decisions against the truth" in text) == (other.dataset.task == "multiclass")
    assert ("Predicted and true" in text) == (other.dataset.task == "regression")


def test_an_unscored_run_has_a_page_too(finished: Run) -> None:
    from dataclasses import replace

    text = report_page(replace(finished, evaluation=None))
    assert "Not tested yet" in text
    assert Page(text).open == []


def test_the_card_has_a_head_that_machines_read_and_a_body_for_people(finished: Run) -> None:
    card = model_card(finished)
    head = yaml.safe_load(card.split("---")[1])
    assert head["library_name"] == "mlwright"
    assert {metric["type"] for metric in head["metrics"]} >= {"roc_auc", "log_loss"}
    for heading in ("## Purpose", "## Data", "## Model", "## Scores", "## Limits", "## Open points"):
        assert heading in card


def test_the_card_is_part_of_the_package(finished: Run) -> None:
    assert (finished.folder.model_path / "documents" / "model_card.md").read_text() == model_card(finished)


# ---------------------------------------------------------------------------------------------------- in a browser


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window_and_can_be_read(finished: Run, browser: Any, width: int, scheme: str) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    messages: list[str] = []
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("requestfailed", lambda request: messages.append(request.url))
    tab.goto(finished.folder.report_path.as_uri())
    assert messages == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    paper, ink = tab.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert contrast(paper, ink) > 7
    verdict = tab.locator(".verdict b")
    assert verdict.is_visible()
    assert verdict.bounding_box()["y"] < 600  # on the first screen
    for drawing in tab.locator("figure svg").all():
        assert drawing.bounding_box()["width"] > 200
    tab.close()


@pytest.mark.browser
def test_the_navigation_leads_to_the_sections(finished: Run, browser: Any) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(finished.folder.report_path.as_uri())
    for link in tab.locator("nav a").all():
        target = link.get_attribute("href")
        link.click()
        assert tab.locator(target).is_visible()
    tab.close()


def contrast(a: str, b: str) -> float:
    """The contrast ratio of two CSS colours, as the Web Content Accessibility Guidelines define it."""

    def luminance(colour: str) -> float:
        shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [s / 12.92 if s <= 0.03928 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_report_can_be_written_again_later(finished: Run) -> None:
    assert RunFolder.find(finished.folder.path).report_path.read_text() == report_page(finished)
