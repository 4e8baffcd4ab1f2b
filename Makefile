# `make run` and `make test`: a virtual environment in .venv with the pinned versions, then the studio or its tests.
# the first of these that is there and is 3.11, 3.12 or 3.13
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin

.PHONY: help run test lint unit browser cluster-demo clean

help:
	@echo "make run    install into .venv (first time only) and open the studio on http://127.0.0.1:7860"
	@echo "make test   install, then ruff, mypy and all the tests (browser tests need chromium)"
	@echo "make cluster-demo   a Ray cluster with two workers, a PostgreSQL and two web processes, all on this machine"
	@echo "make clean  remove .venv; what you made stays in data/"

run: .venv/run.stamp
	@echo "Starting Atelier. Options: make run ARGS='--port 8000 --data /big/disk'"
	$(BIN)/python app.py $(ARGS)

test: .venv/test.stamp lint
	$(BIN)/python -m pytest $(ARGS)

cluster-demo: .venv/cluster.stamp
	$(BIN)/python -m deploy.demo $(ARGS)

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/python.stamp:
	@echo "Creating .venv with $(PYTHON)"
	@test -n "$(PYTHON)" || { echo "Atelier needs Python 3.11, 3.12 or 3.13, and none was found"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

# torch goes first: asked for by name and version it is taken as this machine's index gives it, CPU or CUDA
.venv/run.stamp: .venv/python.stamp constraints.txt pyproject.toml
	@echo "Installing what the studio needs, in the versions of constraints.txt"
	$(BIN)/python -m pip install --quiet torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install --quiet -e . -c constraints.txt
	@touch $@

.venv/cluster.stamp: .venv/run.stamp
	@echo "Installing what a cluster needs: Ray and the clients of PostgreSQL and object stores"
	$(BIN)/python -m pip install --quiet -e '.[cluster]' -c constraints.txt
	@touch $@

.venv/test.stamp: .venv/run.stamp
	@echo "Installing what the tests need"
	$(BIN)/python -m pip install --quiet -e '.[dev]' -c constraints.txt
	@touch $@

clean:
	rm -rf .venv
