# Every target does its own set-up: a fresh Linux machine needs Python 3.11 or newer and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export OMP_NUM_THREADS ?= 1

.PHONY: help setup demo test test-slow check format bench protocol clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## make .venv with everything pinned

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Backflip needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ..."; exit 1; }
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "installing pinned dependencies into $(VENV), a minute or two"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch --editable '.[dev]'
	@touch $(READY)

demo: $(READY)  ## train hopper-backflip from a scripted teacher's answers, and leave something to look at
	@$(BIN)/backflip train hopper-backflip

test: $(READY)  ## the suite, under ten minutes on two cores
	@$(BIN)/pytest

test-slow: $(READY)  ## learning over seeds, and other tests that take minutes
	@$(BIN)/pytest -m slow --timeout 3600

check: $(READY)  ## style, types, imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports

format: $(READY)  ## write the style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY)  ## speed on this machine, as JSON
	@$(BIN)/backflip bench --json

protocol: $(READY)  ## regenerate the gRPC messages from reward_service/inference.proto
	@$(BIN)/python -m grpc_tools.protoc -I . --python_out . --pyi_out . reward_service/inference.proto

clean:  ## remove the virtual environment and caches, keep the runs
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache *.egg-info
