# `make demo` and `make test` each do all their own set-up on a machine with python3 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv, if it is installed; else it is put into the environment.
UV := $(or $(shell command -v uv 2>/dev/null),$(BIN)/uv)
# Local wheels that pip is told of serve uv too.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt

.PHONY: help demo test test-statistical test-lowest test-newest test-wheel test-browser test-cluster check format docs measure clean

help: ## list what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv

$(VENV)/.package: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.package
	$(INSTALL) --group dev
	@touch $@

demo: $(VENV)/.package ## search one unit of the shipped network and write a report (a minute or two)
	$(BIN)/invariscope demo

test: $(VENV)/.dev ## the quick tests, on every core
	$(BIN)/python -m pytest -n auto --dist worksteal

test-statistical: $(VENV)/.dev ## the heavy statistical checks
	$(BIN)/python -m pytest -m statistical

# axe-core checks accessibility; where there is no npm, those tests are skipped.
# puppeteer-core drives Firefox by WebDriver BiDi.
node_modules/axe-core node_modules/puppeteer-core &:
	@if command -v npm >/dev/null 2>&1; then npm install --silent --no-save --no-package-lock --no-audit --no-fund axe-core@4 puppeteer-core@24; fi

# Tests for `test-lowest` and `test-newest`; `TESTS=tests/store` for some of them.
TESTS ?= tests
# Old libraries warn of what newer ones changed.
OLD := -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning -W ignore::FutureWarning

.venv-lowest/.made: pyproject.toml
	$(UV) venv --quiet --clear --python $(PYTHON) .venv-lowest
	$(UV) pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct --editable . --group dev
	@touch $@

test-lowest: $(BIN)/python .venv-lowest/.made ## the quick tests with the oldest versions that pyproject.toml allows
	.venv-lowest/bin/python -m pytest -n auto --dist worksteal $(OLD) $(TESTS)

test-newest: $(BIN)/python ## the quick tests with the newest version of every package
	$(UV) venv --quiet --clear --python $(PYTHON) .venv-newest
	$(UV) pip install --quiet --python .venv-newest/bin/python --editable . --group dev
	.venv-newest/bin/python -m pytest -n auto --dist worksteal $(TESTS)

test-wheel: $(BIN)/python ## build the wheel and try it with each Python from 3.11 to 3.14 that is here
	UV=$(UV) .ci/wheel $(PYTHONS)

test-browser: $(VENV)/.dev node_modules/axe-core node_modules/puppeteer-core ## open the demo's report in Chromium (which must be installed)
	$(INSTALL) --group browser
	$(BIN)/python -m pytest -m browser

test-cluster: $(VENV)/.dev ## every engine for real: Ray; SLURM where .ci/slurm started it
	$(INSTALL) --editable ".[cluster]"
	$(BIN)/python -m pytest -m cluster

check: $(VENV)/.dev ## lint, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

format: $(VENV)/.dev ## mend format and what lint can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/.dev ## the documentation's site, in docs/_build/html; warnings are errors
	$(INSTALL) --group docs
	PYTHONPATH=src $(BIN)/sphinx-build --builder html --fail-on-warning --keep-going --jobs auto --quiet docs docs/_build/html

measure: $(VENV)/.package ## measure the demo's table and the README's picture again
	$(BIN)/python benchmarks/first_run.py

clean: ## remove the environment and caches
	rm -rf $(VENV) .venv-lowest .venv-newest .pytest_cache .ruff_cache .hypothesis docs/_build
