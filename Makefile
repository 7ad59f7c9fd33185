# On a fresh machine: `make demo`, `make test`. All it takes is make and python3 (3.11 or later, with venv and pip).

PYTHON ?= python3
VENV := .venv

BIN := $(VENV)/bin
FRAMES := $(VENV)-mesa-frames# it wants NumPy 1
STAMP := $(VENV)/.installed
TWO := --numprocesses=2 --dist=loadfile --no-loadscope-reorder # processes
EACH := --numprocesses=2 --dist=worksteal # the same for tests that share nothing with others of their file
QUICK := --xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false # programs compile in a third of the time and run at a quarter of the speed

# An active virtual environment, or whatever else the caller's shell points Python at, has no say in what runs here.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_PYTHON_DOWNLOADS := never
export UV_HTTP_TIMEOUT ?= 300

.DEFAULT_GOAL := help
.PHONY: help env demo dashboard docs test test-browser test-docs test-notebooks test-slow test-wheel hooks release notebooks baseline fits bench bench-page bench-sweeps lint format types rebuild

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

env: $(STAMP) ## the environment, in .venv, at the locked versions (PYTHON=python3.12 chooses the Python)

demo: $(STAMP) ## the R1 shock: figures and a report
	$(BIN)/abm reproduce r1_shock

dashboard: $(STAMP) ## the page in the browser
	$(BIN)/abm dashboard

test: $(STAMP) ## the quick tests, in about five minutes
	XLA_FLAGS="$(QUICK) $$XLA_FLAGS" $(BIN)/python -m pytest $(TWO)

test-browser: $(STAMP) ## the page in a real browser (Chromium must be there), pictures into output/browser_tests
	$(BIN)/python -m pytest -m browser tests/browser --timeout=1200

test-slow: $(STAMP) ## the slow tests (a quarter of an hour)
	XLA_FLAGS="$(QUICK) $$XLA_FLAGS" $(BIN)/python -m pytest -m slow --timeout=3600 $(TWO) || [ $$? -eq 5 ] # 5: there are none

test-notebooks: $(STAMP) ## the notebooks, executed anew and compared with what is stored (some minutes)
	$(BIN)/python -m pytest -m notebooks $(EACH) tests/notebooks

test-docs: $(STAMP) ## the examples of README, tutorial and how-tos, run as they stand
	XLA_FLAGS="$(QUICK) $$XLA_FLAGS" $(BIN)/python -m pytest -m docs $(EACH) tests/docs

test-wheel: $(STAMP) ## wheel and sdist, into dist/, and the wheel in an empty environment
	$(BIN)/python -m pytest -m wheel tests/packaging

notebooks: $(STAMP) ## the notebooks, executed in place (after a change that means to move their numbers)
	$(BIN)/python notebooks/run.py

docs: $(STAMP) ## the site of the documentation, into output/site: links checked, warnings are errors
	$(BIN)/uv sync --frozen --inexact --extra test --extra docs --python $(BIN)/python
	$(BIN)/python -m sphinx -c docs -b html -q -E -W --keep-going . output/site
	@echo output/site/index.html

baseline: $(STAMP) ## the stored headline results, tests/baseline.json (after a change that means to move them)
	XLA_FLAGS="$(QUICK) $$XLA_FLAGS" $(BIN)/python tests/baseline.py --size small # compiled as the quick tests are
	$(BIN)/python tests/baseline.py --size default # and as users do: five years make more of rounding

fits: $(STAMP) ## the fits and their test, into abm/data/fits and docs/fits (an hour and a half; resumable)
	$(BIN)/abm calibrate january_2025 --store
	$(BIN)/abm calibrate june_2025 --store
	$(BIN)/abm calibrate june_2025 --recover 30
	cp output/calibrate_june_2025/recovery.* docs/fits/

bench: $(STAMP) ## the model beside its peers and limits, into docs/performance.md (an hour, on an idle machine)
	$(BIN)/uv sync --frozen --inexact --extra test --extra benchmarks --extra peers --python $(BIN)/python
	$(BIN)/python -m venv $(FRAMES) && $(FRAMES)/bin/python -m pip install --quiet --pre mesa-frames
	mkdir -p output
	$(BIN)/python -m benchmarks --json output/benchmarks.json --python mesa_frames=$(FRAMES)/bin/python

bench-sweeps: $(STAMP) ## ten thousand runs, into docs/performance.md (half an hour, on an idle machine)
	$(BIN)/python -m benchmarks.sweeps

bench-page: $(STAMP) ## the page in a browser, into docs/performance.md (some minutes, on an idle machine)
	$(BIN)/python -m benchmarks.dashboard

hooks: $(STAMP) ## check style and structure before every commit
	$(BIN)/python -m pip install --quiet pre-commit
	$(BIN)/pre-commit install

release: test lint types test-docs test-wheel docs ## test, build dist/ and set the tag of the version in pyproject.toml
	@version=$$($(BIN)/python -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])'); \
	grep -q "^## $$version " CHANGELOG.md || { echo "CHANGELOG.md has no heading '## $$version (date)'"; exit 2; }; \
	test -z "$$(git status --porcelain)" || { echo 'commit first: the tree has changes'; exit 2; }; \
	git tag -a "v$$version" -m "ai-market-abm $$version" && echo "tag v$$version is set, dist/ is built: push and upload them"

lint: $(STAMP) ## style, and whether uv.lock fits pyproject.toml
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	if [ -x $(BIN)/uv ]; then $(BIN)/uv lock --check --offline --no-config; fi

format: $(STAMP) ## what lint wants, as far as a program can do it
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

types: $(STAMP) ## type annotations
	$(BIN)/python -m mypy

# The environment is brought up to date when pyproject.toml or uv.lock has changed. It is made anew when it is broken,
# when the checkout was moved (the install points into it), or when PYTHON asks for another Python than it has.
version = $(shell "$(PYTHON)" -c 'import sys; sys.version_info < (3, 11) or print("%d.%d" % sys.version_info[:2])' 2>/dev/null || :)
found := $(shell [ -x $(BIN)/python ] && cat $(STAMP) 2>/dev/null)
wanted := $(if $(filter file,$(origin PYTHON)),$(firstword $(found)),$(version))
ifneq ($(found),$(wanted) $(CURDIR))
$(VENV)/pyvenv.cfg: rebuild
endif

$(VENV)/pyvenv.cfg:
	$(if $(filter 3.%,$(version)),,$(error Python 3.11 or later is needed, but `$(PYTHON) --version` \
	says "$(shell "$(PYTHON)" --version 2>&1 || :)". Choose another: make PYTHON=python3.12))
	"$(PYTHON)" -m venv --clear $(VENV)

$(STAMP): $(VENV)/pyvenv.cfg pyproject.toml uv.lock
	@if $(BIN)/python -m pip install --quiet uv; then \
		set -x; $(BIN)/uv sync --frozen --compile-bytecode --extra test --python $(BIN)/python; \
	else \
		echo 'uv cannot be installed here: pip installs the newest versions that pyproject.toml allows, not the locked ones.'; \
		set -x; $(BIN)/python -m pip install --editable '.[test]'; \
	fi
	@$(BIN)/python -c 'import os, sys; print("%d.%d" % sys.version_info[:2], os.getcwd())' > $@
