# make demo    the main job on a demo project; prints where the report is
# make test    everything that CI runs: format, lint, types, import contract, tests, the heavy groups
# make check   the quick part of it, for while one works

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PYTEST := $(BIN)/python -m pytest -q

.PHONY: demo test check format lint types imports unit groups exhaustive clean

demo: .venv/installed
	$(BIN)/python examples/subscriptions/demo.py demo

test: check groups

check: lint types imports unit

lint: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/installed-dev
	$(BIN)/mypy

imports: .venv/installed-dev
	$(BIN)/lint-imports

unit: .venv/installed-dev
	$(PYTEST) -n 2 -m "not exhaustive and not frames and not browser and not postgres and not cloud and not platforms and not api"

# Each group needs something heavy, which is installed here; without it its tests say why they are skipped.
groups: .venv/installed-groups
	$(PYTEST) -m "frames or postgres or cloud or platforms or api"
	$(PYTEST) -m browser

# A round of the loop killed wherever the disk changes: ten minutes.
exhaustive: .venv/installed-dev
	$(PYTEST) -m exhaustive

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/python:
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	touch $@

.venv/installed: .venv/python pyproject.toml constraints.txt setup.py $(wildcard src/mlwright/_kernels/*.[ch])
	$(PIP) -e .
	touch $@

.venv/installed-dev: .venv/installed
	$(PIP) -e '.[dev]'
	touch $@

.venv/installed-groups: .venv/installed-dev
	$(PIP) -e '.[dev,postgres,browser,cloud,frames,platforms,api]'
	touch $@

clean:
	rm -rf .venv demo build .mypy_cache .ruff_cache .pytest_cache .hypothesis
