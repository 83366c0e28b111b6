# Every target sets up what it needs; a machine with Python 3.11 or later and make is enough.
# Set-up happens once: a stamp file in .venv is newer than pyproject.toml and constraints.txt.

.SHELLFLAGS := -eu -c
# Lint and each type checker side by side.
MAKEFLAGS += --jobs=2
# Hundreds of the tests' processes import the same SDKs: each would compile them anew.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraints constraints.txt --build-constraints constraints.txt
CHROMIUM := $(or $(AGENTLAB_CHROMIUM),$(shell command -v chromium || command -v chromium-browser || command -v google-chrome))
PROMTOOL := $(or $(AGENTLAB_PROMTOOL),$(shell command -v promtool))
PYTEST_FLAGS ?= -n auto

.PHONY: help demo test test-full lint types mypy pyright bench constraints picture browser promtool clean

help:  ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

demo: $(VENV)/.ready  ## Break the reference agent everywhere: the shipped suites, a verdict, report.html
	@$(BIN)/agentlab demo --workers 2

test: lint types browser promtool  ## Everything that a change must pass: lint, types, tests with doctests
	$(BIN)/pytest $(PYTEST_FLAGS)

test-full: test  ## And then, about an hour: every case of tests that play a sample, every other Python from 3.11 to 3.14, older clients
	.ci/full $(PYTEST_FLAGS)

lint: $(VENV)/.ready-dev  ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: mypy pyright  ## mypy --strict and pyright

mypy: $(VENV)/.ready-dev
	$(BIN)/mypy
	$(BIN)/mypy tests/typing/api.py

pyright: $(VENV)/.ready-dev
	$(BIN)/pyright

bench: $(VENV)/.ready-dev  ## Measure and write benchmarks/RESULTS.md
	env -u SSL_CERT_FILE -u SSL_CERT_DIR $(BIN)/python -m benchmarks

constraints: $(VENV)/.ready-dev  ## Compile constraints.txt anew (Python 3.11 to 3.14, all extras; it names no index)
	$(BIN)/uv pip compile --quiet --universal --upgrade --no-header --no-annotate --all-extras --group dev --python-version 3.11 pyproject.toml -o constraints.txt

picture: $(VENV)/.ready-dev browser  ## Make docs/report.png anew: the report on the tutorial's loop
	-$(BIN)/agentlab test customer_support --agent examples/bare_loop.py:build -q --tb=no -r N --report .agentlab/bare/report.html --results .agentlab/bare/results.jsonl
	$(CHROMIUM) --headless --no-sandbox --hide-scrollbars --window-size=1280,860 --screenshot=docs/report.png file://$(CURDIR)/.agentlab/bare/report.html 2>/dev/null

browser:
	@if [ -n "$(CHROMIUM)" ]; then :; \
	elif [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium for the report's browser test ..."; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } >/dev/null; \
	else echo "No Chromium found: install it, or name one in AGENTLAB_CHROMIUM; the browser test needs it." >&2; exit 1; fi

promtool: | browser
	@if [ -n "$(PROMTOOL)" ]; then :; \
	elif [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Prometheus for the test of the alerts (its server is not started) ..."; \
	  { apt-get update -qq && cd /tmp && apt-get download -qq prometheus && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x -C / ./usr/bin/promtool; rm -f prometheus_*.deb; } >/dev/null; \
	else echo "No promtool found: install Prometheus, or name its promtool in AGENTLAB_PROMTOOL; the test of the alerts needs it." >&2; exit 1; fi

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"agentlab needs Python 3.11 or later and found {sys.version.split()[0]}; name another one: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) || { echo "Python could not make a virtual environment; on Debian and Ubuntu install python3-venv and try again." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.ready: pyproject.toml constraints.txt | $(BIN)/uv
	@echo "Setting up $(VENV) ..."
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.ready-dev: pyproject.toml constraints.txt | $(BIN)/uv
	@echo "Setting up $(VENV) for development ..."
	@$(INSTALL) --group dev -e .
	@touch $@ $(VENV)/.ready

clean:  ## Remove the environment and every cache
	rm -rf $(VENV) $(VENV)-3.* $(VENV)-client-* .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
