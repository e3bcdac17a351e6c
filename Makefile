# The two commands of the README, each from nothing: `make repro` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: audit bench bench-smoke compare help index page-test paper-graph publish repro tables plan test lint pipelines requirements verify

PYTHON ?= python3
# dvc starts the stages as `python -m ...`: the environment's Python comes first, active or not.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help: ## the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1: /'

.venv/installed: requirements.txt
	@command -v git >/dev/null || { echo "error: git is missing; install it and run again" >&2; exit 2; }
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: $(PYTHON) is missing; expected Python 3.11 or newer (make PYTHON=python3.11 ...)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: got $$($(PYTHON) --version), expected Python 3.11 or newer (make PYTHON=python3.11 ...)" >&2; exit 2; }
	@echo "installing the packages of requirements.txt into .venv, once"
	@$(PYTHON) -m venv .venv
	@pip install --quiet --disable-pip-version-check -r requirements.txt || { \
	  echo "error: the packages could not be installed; the first run needs the network (pip's message stands above)" >&2; exit 2; }
	@touch $@

repro: .venv/installed ## the default study, its table, and where the page is
	@python -m stages.check_params
	@python -m stages.choose_engine
	@dvc repro
	@cat reports/bbc/summary.txt
	@python -m stages.render_index

index: .venv/installed ## the page over all benchmarks that have results: reports/index.html, tables.md, tables.tex
	@python -m stages.render_index

tables: .venv/installed ## the paper's tables beside ours, from the cells that exist; runs nothing
	@python -m stages.render_tables_so_far

plan: .venv/installed ## each number of the paper with its command and estimated cost: paper/commands.csv
	@python -m stages.plan_commands

publish: .venv/installed ## copy a finished benchmark's results to reports/published/: make publish BENCHMARK=snips_l6
	@test -n "$(BENCHMARK)" || { echo "error: BENCHMARK: got nothing, expected a study, as in: make publish BENCHMARK=bbc" >&2; exit 2; }
	@python -m stages.publish_results --benchmark "$(BENCHMARK)"
	@python -m stages.render_index --published

audit: .venv/installed ## the audit of the paper with our published runs: reports/published/audit.md
	@python -m stages.audit_data
	@python -m stages.publish_audit

compare: .venv/installed ## two experiments, with paired intervals: make compare A=HEAD~1 B=experiment (B: the files as they lie)
	@python -m stages.compare_revisions --first "$(or $(A),HEAD)" --second "$(or $(B),workspace)"

verify: .venv/installed ## your own run of a published benchmark against reports/published/: make verify BENCHMARK=snips_l6
	@test -n "$(BENCHMARK)" || { echo "error: BENCHMARK: got nothing, expected a study, as in: make verify BENCHMARK=bbc" >&2; exit 2; }
	@python -m stages.verify_published --benchmark "$(BENCHMARK)"

test: .venv/installed ## the whole test suite
	@python -m pytest -q -n logical --maxprocesses 8 --dist loadgroup

paper-graph: .venv/installed ## every stage of the paper's tables on tiny stand-ins from a hub on this machine (15 minutes)
	@python -m pytest -q acceptance/test_paper_graph.py

.venv/browser: .venv/installed acceptance/browser/requirements.txt acceptance/browser/package.json
	@acceptance/browser/set_up
	@touch $@

page-test: .venv/browser ## the pages in a real browser: keyboard, links, contrast, labels, print, nothing fetched (Chromium; a minute)
	@python -m pytest -q acceptance/browser

.venv/peers: .venv/installed performance/requirements.txt
	@pip install --quiet --disable-pip-version-check -c requirements.txt -r performance/requirements.txt
	@touch $@

bench: .venv/peers ## our phases beside the peers' on the same work (three hours; the data sets must be prepared)
	@python -m performance.bench

bench-smoke: .venv/peers ## the same in three minutes on the default study's data, to see that it runs; its ratios mean nothing
	@dvc repro --quiet data/bbc/dvc.yaml:prepare_data encoders/dvc.yaml:fetch_encoder@minilm_l6
	@python -m performance.bench --data bbc --pairs 1 --updates 8 --output reports/performance/smoke

lint: .venv/installed ## ruff
	@ruff check .
	@ruff format --check .

pipelines: .venv/installed ## copy the pipelines into every folder with a params.yaml of data/ and benchmarks/; write paper/dvc.yaml
	@for params in data/*/params.yaml benchmarks/*/params.yaml; do \
	  folder=$$(dirname $$params); cp $$(dirname $$folder)/pipeline.yaml $$folder/dvc.yaml; done
	@python -m stages.write_paper_pipeline

requirements: .venv/installed ## pin requirements.in again
	@pip install --quiet --disable-pip-version-check pip-tools
	@pip-compile --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links --strip-extras -o requirements.txt requirements.in
	@sed 's/+cpu$$//' requirements.txt > requirements.tmp && mv requirements.tmp requirements.txt
