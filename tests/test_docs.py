"""The documentation is true: its code runs, its links lead somewhere, its reference is what the code says.

Every page is one test, in a folder of its own with the tables of the demo (fewer rows). A comment just before a block
says what is special about it:

    <!-- not run: needs a server -->    it is parsed only
    <!-- file: mlwright.yaml -->        its text is written into that file
    <!-- added to mlwright.yaml -->     its keys are put into the spec that is there
    <!-- exits 1 -->                    its last command ends with that code
    <!-- prints -->                     what the block before it printed
    <!-- project: run -->               (once, anywhere) the page begins in a project that has a spec and a finished run

What a page shows below a command must be in what it prints, but for the numbers: here there are fewer rows and trials.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import pytest
import yaml

from mlwright.cli import main
from mlwright.spec import Spec, parse_spec, raise_if_contradictory

ROOT = Path(__file__).resolve().parents[1]
ALL_PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(page for folder in ("docs", "benchmarks", "src", "examples") for page in (ROOT / folder).rglob("*.md")),
    ]
)
MADE = ROOT / "docs" / "reference"
_BLOCK = re.compile(r"(?:^<!-- ([^\n]*) -->\n+)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROWS = 1000


class Block(NamedTuple):
    """One fenced block: the comment before it, its language, its text."""

    note: str
    language: str
    text: str


class Said(Protocol):
    """What was printed."""

    @property
    def out(self) -> str: ...

    @property
    def err(self) -> str: ...


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    return [Block(note, language, text) for note, language, text in _BLOCK.findall(page.read_text(encoding="utf-8"))]


RUN_PAGES = [page for page in ALL_PAGES if MADE not in page.parents and blocks_of(page)]


def loaded(path: Path) -> ModuleType:
    """A script of the repository, imported from its path."""
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


# ------------------------------------------------------------------------------------------------------------- projects


def generate(folder: Path) -> None:
    """The demo's tables, with fewer rows."""
    loaded(ROOT / "examples" / "subscriptions" / "generate.py").generate(folder, rows=_ROWS)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec over those tables and a finished run."""
    folder = tmp_path_factory.mktemp("docs") / "project"
    generate(folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        for command in ("init customers.csv --target churned --quiet", "run --quiet"):
            with pytest.raises(SystemExit) as stop:
                main(command.split())
            assert stop.value.code == 0
            quicken(folder)
    finally:
        os.chdir(before)
    return folder


def quicken(folder: Path) -> None:
    """Give the specs of a folder a budget for tests."""
    for path in folder.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        if "trials:" not in text:
            path.write_text(re.sub(r"(?m)^( *)seconds: \S+", r"\1seconds: 20\n\1trials: 3", text), encoding="utf-8")


# -------------------------------------------------------------------------------------------------------- running a page


class Reader:
    """Somebody who does what a page says, in a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], Said]) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "page"}
        self.printed = ""
        self._monkeypatch = monkeypatch
        self._said = said

    def read(self, block: Block) -> None:
        do = {"python": self.python, "yaml": self.yaml, "console": self.console, "sh": self.console}
        if block.note == "prints":
            self.compare(block.text.splitlines())
        elif block.note.startswith("not run: "):
            parse_only(block)
        elif block.note.startswith("file: "):
            (self.folder / block.note.removeprefix("file: ")).write_text(block.text, encoding="utf-8")
        elif block.language in do:
            do[block.language](block)
        quicken(self.folder)

    def python(self, block: Block) -> None:
        code = re.sub(r"budget_s=\d+(?!\d|, trials)", "budget_s=20, trials=3", block.text)
        exec(compile(code, "the page", "exec"), self.names)
        self.printed = self._said().out

    def yaml(self, block: Block) -> None:
        parsed(block.text)
        if block.note == "added to mlwright.yaml":
            path = self.folder / "mlwright.yaml"
            path.write_text(with_keys(path.read_text(encoding="utf-8"), block.text), encoding="utf-8")
            raise_if_contradictory(parse_spec(path.read_text(encoding="utf-8")))

    def console(self, block: Block) -> None:
        commands = list(commands_of(block))
        for number, (command, shown) in enumerate(commands):
            expected = int(block.note.removeprefix("exits ")) if block.note.startswith("exits ") else 0
            code = self.run(command)
            assert code == (expected if number == len(commands) - 1 else 0), f"$ {command}\n{self.printed}"
            self.compare(shown)
            quicken(self.folder)

    def run(self, command: str) -> int:
        """One command; `mlwright` in this process, so that it starts quickly."""
        words = shlex.split(command, comments=True)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self._monkeypatch.setenv(name, value)
            return 0
        into = words[-1] if words[-2:-1] == [">"] else None
        if words[0] == "mlwright" and not re.search(r"[|<&;]", command):
            with pytest.raises(SystemExit) as stop:
                main(words[1:-2] if into else words[1:])
            said = self._said()
            if into:
                (self.folder / into).write_text(said.out, encoding="utf-8")
            self.printed = said.out + said.err
            assert isinstance(stop.value.code, int)
            return stop.value.code
        if words[0] in {"mlwright", "cat", "ls", "head"}:
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            result = subprocess.run(
                ["bash", "-c", command], capture_output=True, text=True, env={**os.environ, "PATH": path}
            )
            self.printed = result.stdout + result.stderr
            return result.returncode
        exists_in_repository(words)
        return 0

    def compare(self, shown: list[str]) -> None:
        """Whether every line that the page shows was printed, whatever its numbers."""
        printed = " ".join(self.printed.split())
        for line in filter(None, map(str.strip, shown)):
            assert re.search(pattern_of(line), printed), f"{line!r} is not in\n{self.printed}"


def pattern_of(line: str) -> str:
    """A line of output with any numbers, run ids and spaces; `…` is for whatever was left out."""
    parts = re.split(r"(\d{8}-\d{6}-[0-9a-f]{4}|[+−-]?\d[\d.,]*|\s+|…)", line)
    patterns = [r"\d{8}-\d{6}-[0-9a-f]{4}", r"[+−-]?\d[\d.,]*", r"\s+", r"…"]
    general = [r"\d{8}-\d{6}-[0-9a-f]{4}", r"[+−-]?\d[\d.,]*", r"\s+", ".*"]

    def of(part: str) -> str:
        return next((g for p, g in zip(patterns, general, strict=True) if re.fullmatch(p, part)), re.escape(part))

    return "".join(of(part) for part in parts if part)


def commands_of(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Each command with the lines shown below it; a command may go on after a backslash."""
    text = block.text.replace("\\\n", " ")
    if block.language == "sh":
        for line in text.splitlines():
            if line.strip() and not line.startswith(("#", "set ")):
                yield line, []
        return
    first, *rest = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not first.strip(), f"a console block begins with `$ `, not with {first!r}"
    for part in rest:
        command, *shown = part.splitlines()
        yield command, shown


def exists_in_repository(words: list[str]) -> None:
    """What is no command of mlwright is not run; but what it names must be there."""
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets
    for word in words[1:]:
        if word.endswith((".py", ".txt")):
            assert (ROOT / word).is_file(), word
    assert words[0] in {"make", "git", "cd", "pip", "python", ".venv/bin/python", "chromium", "export", "mlwright"}, (
        words[0]
    )


def parse_only(block: Block) -> None:
    """What cannot run here is at least well-formed."""
    if block.language == "python":
        compile(block.text, "the page", "exec")
    elif block.language == "yaml":
        yaml.safe_load(block.text)
    elif block.language in {"console", "sh"}:
        for command, _ in commands_of(block):
            words = shlex.split(command, comments=True)
            if words[0] == "mlwright":
                known_to_the_parser(words[1:])
            else:
                exists_in_repository(words)


def known_to_the_parser(words: list[str]) -> None:
    from typer.main import get_command

    from mlwright.cli.app import app

    group: Any = get_command(app)
    name, *rest = words
    with group.commands[name].make_context(name, [word for word in rest if word != "--debug"]):
        pass


def parsed(text: str) -> Spec:
    """A block of YAML as a spec; what is only a part of one is put over the smallest that there is."""
    least = "  source: customers.csv\n  target: churned\n"
    if not re.search(r"^data:", text, re.MULTILINE):
        text = f"{text}\ndata:\n{least}"
    elif not re.search(r"^  source:|^data: \{", text, re.MULTILINE):
        text = re.sub(r"(?m)^data:.*\n", f"data:\n{least}", text)
    spec = parse_spec(text)
    raise_if_contradictory(spec)
    return spec


def with_keys(spec: str, added: str) -> str:
    """A spec with the sections of a block put into those that it has."""
    for section in re.split(r"(?m)^(?=\w)", added):
        head, _, body = section.partition("\n")
        if not head.strip():
            continue
        if not re.search(rf"(?m)^{re.escape(head)}\n", spec):
            spec = f"{spec}\n{section}"
            continue
        for key in re.findall(r"(?m)^  (\w+):", body):
            spec = re.sub(rf"(?m)^  {key}:.*\n(?:    .*\n)*", "", spec)
        spec = re.sub(rf"(?m)^{re.escape(head)}\n", lambda found, body=body: found[0] + body, spec)  # type: ignore[misc]
    return spec


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN_PAGES, ids=name_of)
def test_the_code_of_a_page_runs(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    folder = tmp_path / "project"
    if "<!-- project: run -->" in page.read_text(encoding="utf-8"):
        shutil.copytree(request.getfixturevalue("project"), folder)
    else:
        generate(folder)
    monkeypatch.chdir(folder)
    capsys.readouterr()

    reader = Reader(folder, monkeypatch, capsys.readouterr)
    for block in blocks_of(page):
        reader.read(block)


# ---------------------------------------------------------------------------------------------------- links and reference


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: dict[str, int] = {}
    anchors = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        number = found.get(slug, 0)
        found[slug] = number + 1
        anchors.add(f"{slug}-{number}" if number else slug)
    return anchors


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{name_of(page)} links to {target}"
        if anchor:
            assert anchor in anchors_of(there), f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_a_page_names_no_file_that_does_not_exist(page: Path) -> None:
    for path in re.findall(r"`((?:src|docs|examples|benchmarks|tests)/[\w./-]*)`", page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), f"{name_of(page)} names {path}"


@pytest.mark.parametrize("name", sorted(path.name for path in MADE.glob("*.md")))
def test_the_reference_is_what_the_code_says(name: str, reference: dict[str, str]) -> None:
    assert name in reference, f"docs/reference/{name} is not made by docs/make_reference.py: remove it"
    assert (MADE / name).read_text(encoding="utf-8") == reference[name], "run: python docs/make_reference.py"


def test_every_page_of_the_reference_is_there(reference: dict[str, str]) -> None:
    assert set(reference) == {path.name for path in MADE.glob("*.md")}


@pytest.fixture(scope="session")
def reference() -> dict[str, str]:
    """What the generator writes."""
    made: dict[str, str] = loaded(ROOT / "docs" / "make_reference.py").pages()
    return made
