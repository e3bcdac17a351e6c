# The two commands of the README, each from nothing: `make repro` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help test lint requirements

PYTHON ?= python3
ACTIVE := .venv/bin

help: ## the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/'

.venv/installed: requirements.txt
	@command -v git >/dev/null || { echo "error: git is missing; install it and run again"; exit 2; }
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is missing; expected Python 3.11 or newer"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: got $$($(PYTHON) --version), expected Python 3.11 or newer (make PYTHON=python3.11 ...)"; exit 2; }
	@$(PYTHON) -m venv .venv
	@$(ACTIVE)/pip install --quiet --disable-pip-version-check -r requirements.txt || { \
	  echo "error: the packages could not be installed; the first run needs the network (see pip's message above)"; exit 2; }
	@touch $@

test: .venv/installed ## the whole test suite
	$(ACTIVE)/python -m pytest -q

lint: .venv/installed ## ruff
	$(ACTIVE)/ruff check .

requirements: ## pin requirements.in again
	pip-compile --quiet --no-header --no-annotate --no-emit-index-url --strip-extras -o requirements.txt requirements.in
	sed -i 's/+cpu$$//' requirements.txt
