# The commands of the README, each from nothing: `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
GOALS := add advisories audit bench bench-smoke chaos compare doctor gc help image index install labels lint page-test \
  paper-graph pipelines plan predict preview publish remote repro requirements slurm-test studies table tables test verify
.PHONY: $(GOALS)
# make repro snips_l6, without STUDY=, would run the default study first.
UNKNOWN := $(filter-out $(GOALS) .venv/%,$(MAKECMDGOALS))
$(if $(UNKNOWN),$(error got $(UNKNOWN), expected commands that make lists (a study is named by STUDY=$(firstword $(UNKNOWN)), a value with spaces stands in quotes)))

PYTHON ?= python3
NEWER = expected Python 3.11 or newer (make PYTHON=python3.11 ...)
# $(call need,NAME,what is expected,an example): a command's own word that can't be left out.
need = test -n "$${$(1):-}" || { echo "error: $(1): got nothing, expected $(2), as in: $(3)" >&2; exit 2; }
ADD := make add STUDY=my_data FILE=reviews.csv
# Whatever takes STUDY=name takes the default study where it is left out.
OF_STUDY = $(if $(STUDY),--study "$$STUDY")
FOLDER = $(patsubst %params.yaml,%,$(if $(STUDY),$(wildcard studies/$(STUDY)/params.yaml)))
# What may hold any sign reaches the shell in its environment, where no quote of it ends a word.
GIVEN := FILE TEXT LABEL OUTPUT STUDY WORKERS TABLE ENCODER PROTOCOL URL A B
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
export $(GIVEN)
# dvc starts the stages as `python ...`: the environment's Python comes first, active or not.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help: ## the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1: /'

INSTALL := pip install --quiet --disable-pip-version-check --require-hashes --no-deps
# All that is installed, with the checksum of each file.
PINNED := requirements.txt requirements-torch.txt performance/requirements.txt tests/acceptance/browser/requirements.txt tools/requirements.txt

.venv/installed: requirements.txt requirements-torch.txt requirements-torch-cpu.txt
	@command -v git >/dev/null || { echo "error: git is missing; install it and run again" >&2; exit 2; }
	@top=$$(git rev-parse --show-toplevel 2>&1 | sed 1q) || :; [ "$$top" = "$$(pwd -P)" ] || { \
	  echo "error: $$(pwd -P): got no git repository of its own ($$top), which dvc needs; type:" \
	  'git init && git add . && git commit -m start' >&2; exit 2; }
	@! pwd -P | LC_ALL=C grep -q '[^ -~]' || echo "warning: $$(pwd -P): dvc exp run --temp and --queue fail in a path with" \
	  "letters beyond ASCII; all else works" >&2
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is missing; $(NEWER)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: got $$($(PYTHON) --version), $(NEWER)" >&2; exit 2; }
	@echo "installing the packages of requirements.txt into .venv, once"
	@$(PYTHON) -m venv .venv
	@{ $(INSTALL) -r requirements.txt && \
	  { $(INSTALL) -r requirements-torch-cpu.txt 2>/dev/null || $(INSTALL) -r requirements-torch.txt; }; } || { \
	  echo "error: the packages could not be installed; the first run needs the network (pip's message stands above)" >&2; exit 2; }
	@touch $@

repro: .venv/installed ## the default study, its table, and where the pages are; another one: make repro STUDY=snips_l6
	@python -m commands.check_studies $(OF_STUDY)
	@python -m commands.choose_engine $(OF_STUDY)
	@python -m commands.distribute $(if $(WORKERS),--workers "$$WORKERS") $(OF_STUDY)
	@cat $(FOLDER)reports/summary.txt
	@python -m commands.render_costs $(OF_STUDY)
	@python -m commands.render_index

install: .venv/installed ## the packages alone
	@echo "installed; now type: source .venv/bin/activate"

add: .venv/installed ## a study on your own texts: make add STUDY=my_data FILE=reviews.csv TEXT=review LABEL=topic [OPTIONS='--sample 2000']
	@$(call need,STUDY,a name for it,$(ADD))
	@$(if $(findstring --hub,$(OPTIONS)),,$(call need,FILE,a table or a folder,$(ADD)))
	@python -m commands.add_study "$$STUDY" $${FILE:+"--file=$$FILE"} $${TEXT:+"--text-column=$$TEXT"} \
	  $${LABEL:+"--label-column=$$LABEL"} $(OPTIONS)

predict: .venv/installed ## labels of new texts: make predict STUDY=my_data FILE=new.csv [OUTPUT=labels.csv]
	@$(call need,FILE,a table or -,make predict STUDY=my_data FILE=new.csv)
	@python -m commands.predict $(OF_STUDY) $${OUTPUT:+"--output=$$OUTPUT"} $(OPTIONS) -- "$$FILE"

studies: .venv/installed ## all studies: what each runs, and whether it is complete, stale, not finished, broken or never run
	@python -m commands.list_studies

preview: .venv/installed ## what dvc would train, and why, before it does: make preview [STUDY=snips_l6]
	@python -m commands.preview_run $(OF_STUDY)

gc: .venv/installed ## take out of dvc's cache what no study and no experiment needs, and saves of trainings that no study has; make gc DRY=1 only tells
	@python -m commands.clean_cache $(if $(DRY),--dry)

doctor: .venv/installed ## clear what a killed dvc left in any study, remove what is corrupt in dvc's cache, and name damaged outputs
	@python -m commands.doctor

remote: .venv/installed ## one default remote of dvc for all studies: make remote URL=...
	@$(call need,URL,a folder or an address,make remote URL=/mnt/cache)
	@dvc remote add --quiet --default --force storage "$$URL"
	@python -m commands.write_pipelines
	@echo "storage: $$URL is the default remote of all studies; to keep it: git add .dvc/config studies"

index: .venv/installed ## the page over all studies that have results: reports/studies.html, studies.md, studies.tex
	@python -m commands.render_index

labels: .venv/installed ## how many labels each method needs, from the published columns: reports/published/labels/
	@python -m commands.render_labels

table: .venv/installed ## one table of the paper beside ours, complete: make table TABLE=3 ENCODER=minilm_l12 [PROTOCOL=released]
	@$(call need,TABLE,a number,make table TABLE=3 ENCODER=minilm_l12)
	@python -m commands.make_table --table "$$TABLE" --encoder "$$ENCODER" --protocol "$$PROTOCOL"

tables: .venv/installed ## the paper's tables beside ours, from the cells that exist; runs nothing
	@python -m commands.make_table

plan: .venv/installed ## each number of the paper with its command and estimated cost: paper/commands.csv
	@python -m commands.plan_commands

publish: .venv/installed ## copy a finished study's results to reports/published/: make publish STUDY=snips_l6
	@$(call need,STUDY,a study,make publish STUDY=bbc)
	@python -m commands.publish_results $(OF_STUDY)
	@python -m commands.render_index --published

audit: .venv/installed ## the audit of the paper with our published runs: reports/published/audit.md
	@python -m commands.audit_data
	@python -m commands.publish_audit

compare: .venv/installed ## two revisions or studies, with paired intervals: make compare A=HEAD~1 B=my-experiment [STUDY=snips_l6]
	@python -m commands.compare_revisions --first "$${A:-HEAD}" --second "$${B:-workspace}" $(OF_STUDY)

verify: .venv/installed ## your own run of a published study against reports/published/: make verify [STUDY=snips_l6]
	@python -m commands.verify_published $(OF_STUDY)

test: .venv/installed ## the whole test suite, as it is written; make test ORDER=random
	@python -m pytest -q $(if $(filter random,$(ORDER)),,-p no:randomly) -n logical --maxprocesses 8 --dist loadfile tests/unit tests/pipeline

chaos: .venv/installed ## all trials of faults: kills, flipped bits, full disks, odd files (two hours on two cores; a second call goes on)
	@python tests/chaos/run.py $(OPTIONS)

paper-graph: .venv/installed ## every stage of the paper's tables on tiny stand-ins from a hub on this machine (15 minutes)
	@python -m pytest -q tests/acceptance/test_paper_graph.py

.venv/browser: .venv/installed tests/acceptance/browser/requirements.txt tests/acceptance/browser/package.json
	@tests/acceptance/browser/set_up
	@touch $@

page-test: .venv/browser ## the pages in a real browser: keyboard, links, contrast, labels, print, nothing fetched or cut off (Chromium; five minutes)
	@python -m pytest -q tests/acceptance/browser

slurm-test: .venv/installed ## a small study by jobs of Slurm, which is installed and runs here for it (two minutes; Debian or Ubuntu)
	@tests/acceptance/slurm/set_up
	@python -m pytest -q -rs tests/acceptance/slurm

.venv/peers: .venv/installed performance/requirements.txt
	@$(INSTALL) -r performance/requirements.txt
	@touch $@

bench: .venv/peers ## our phases beside the peers' on the same work (within an hour; the data sets must be prepared)
	@python -m performance.bench

bench-smoke: .venv/peers ## the same in three minutes on the default study's data, to see that it runs; its ratios mean nothing
	@dvc repro --quiet prepare_data fetch_encoder@minilm_l6
	@python -m performance.bench --data bbc --pairs 1 --updates 8 --output reports/performance/smoke

image: ## a container image, named study, of the commit that is checked out: make image [BUILDER=buildah]
	@$(or $(BUILDER),docker) build --tag study .

lint: .venv/installed ## ruff
	@ruff check .
	@ruff format --check .

pipelines: .venv/installed ## complete every folder with a params.yaml in studies/, and the default study: dvc.yaml and the like
	@python -m commands.write_pipelines

.venv/tools: .venv/installed tools/requirements.txt
	@$(INSTALL) -r tools/requirements.txt
	@touch $@

requirements: .venv/tools ## pin the requirements.in again, with the checksum of each file
	@python -m commands.pin_requirements

advisories: .venv/tools ## known weaknesses of the pinned packages, by pip-audit (needs the network)
	@pip-audit --strict --require-hashes --disable-pip --progress-spinner off $(addprefix -r ,$(PINNED))
