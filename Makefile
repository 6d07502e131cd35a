# Set-up, tests and tools. `make` alone lists the targets.
#
# A newcomer needs Debian's python3, make and git; what else is missing is installed: Debian packages with apt-get (as
# root or through sudo), Python packages into .venv from locks/, where every file is pinned by its hash.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000

# Another Python beside the usual one: make test PYTHON=python3.13 VENV=.venv-3.13
VENV ?= .venv
BIN := $(VENV)/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
BROWSER_PACKAGES := chromium chromium-driver
# What checks the page's scripts. Nothing of it is shipped.
NODE_PACKAGES := node_modules/.package-lock.json
# The second runtime, tflite-runtime, has wheels for no newer Python. A pyenv shim may be there and still not run.
PYTHON_3_11 := $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup debian-packages run test cases torture torture-short lint format generated docs drawing help-pages train bench \
	fresh-test box-test lock sbom coverage release clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- set-up ----------------------------------------------------------------------------------------------------------

# $(call debian,a command that succeeds where they are installed,packages)
define debian
@$(1) >/dev/null 2>&1 || { \
	echo "Installing from Debian: $(2)"; \
	$(SUDO) apt-get update -qq && \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $(2) >/dev/null; \
} || { echo "Missing: $(2). Ask an administrator for: apt-get install $(2)" >&2; exit 1; }
endef

# $(call install,a virtual environment,lock files): its packages, then this repository itself in editable form
define install
$(1)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
	$(addprefix --requirement locks/,build.txt $(2))
$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
@touch $@
endef

setup: $(VENV)/dev .venv-fallback/ready debian-packages $(NODE_PACKAGES)  ## install everything that tests, lint and training need

debian-packages:
	$(call debian,command -v chromium && command -v chromedriver,$(BROWSER_PACKAGES))
	$(call debian,command -v node,nodejs)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Loupe needs Python 3.11 or later (another one: make PYTHON=python3.13)" >&2; exit 1; }
	$(call debian,$(PYTHON) -c 'import ensurepip',python3-venv)
	$(PYTHON) -m venv $(VENV)

$(VENV)/box: $(VENV)/bin/python locks/build.txt locks/box.txt pyproject.toml
	@echo "Installing what the box runs ..."
	$(call install,$(VENV),box.txt)

# The development lock holds the box's packages at the same versions, so this set-up serves both.
$(VENV)/dev: $(VENV)/bin/python locks/build.txt locks/dev.txt pyproject.toml
	@echo "Installing what tests and training need (TensorFlow among it: about 700 MB) ..."
	$(call install,$(VENV),dev.txt)
	@touch $(VENV)/box

.venv-fallback/ready: locks/build.txt locks/fallback.txt pyproject.toml | $(VENV)/bin/python
ifeq ($(PYTHON_3_11),)
	@mkdir -p $(@D)
	@echo "No Python 3.11 here: tests of the fallback runtime, tflite-runtime, are skipped."
	@touch $@
else
	@echo "Installing the fallback runtime ..."
	$(PYTHON_3_11) -m venv --clear .venv-fallback
	$(call install,.venv-fallback,fallback.txt)
endif

$(NODE_PACKAGES): package.json package-lock.json
	$(call debian,command -v node && command -v npm,nodejs npm)
	@echo "Installing what checks the page's scripts ..."
	npm ci --silent --ignore-scripts
	@touch $@

# --- daily use -------------------------------------------------------------------------------------------------------

run: $(VENV)/box  ## start the box here: http://127.0.0.1:8000 (other: make run PORT=8080)
	@echo "Loupe starts on http://$(HOST):$(PORT) (Ctrl-C stops it). Research use only."
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then $(BIN)/python -c "$$OPEN_WHEN_READY" >/dev/null 2>&1 & fi; \
	exec $(BIN)/loupe serve --bundle models/bach.loupe --keys models/keys --samples models/samples \
		--host $(HOST) --port $(PORT)

define OPEN_WHEN_READY
import time, urllib.request, webbrowser
for _ in range(60):
    time.sleep(0.5)
    try:
        urllib.request.urlopen("http://$(HOST):$(PORT)/readyz", timeout=1)
    except OSError:
        continue
    webbrowser.open("http://$(HOST):$(PORT)/")
    break
endef
export OPEN_WHEN_READY

test: $(VENV)/dev .venv-fallback/ready debian-packages  ## run all tests, on each core (some: make test TESTS=tests/device)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(TESTS)

# The service and its helpers are processes of their own, which are measured too (pyproject.toml, tool.coverage).
coverage: $(VENV)/dev .venv-fallback/ready debian-packages  ## run all tests and print the share of lines and branches that they run
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --cov --cov-report=term:skip-covered $(TESTS)

cases: $(VENV)/dev  ## run ../shared/cases, a line a case (some: make cases CASES="02 04")
	$(BIN)/python -m tests.cases $(CASES)

# What an attack finds depends on nothing else of this machine: the box is started in a memory cgroup (as root).
TORTURE = $(BIN)/python -m tests.torture --seed $(or $(SEED),1) $(if $(ONLY),--only $(ONLY)) \
	$(if $(SECONDS),--seconds $(SECONDS))

torture: $(VENV)/dev  ## attack a box in every way that is known, about 25 minutes (some: make torture ONLY=kills; the goal: GOAL=10, minutes; LIST=1)
	$(call debian,command -v strace,strace)
	$(TORTURE) $(if $(GOAL),--goal $(GOAL)) $(if $(LIST),--list)

torture-short: $(VENV)/dev  ## less of each attack, at most 5 minutes
	$(call debian,command -v strace,strace)
	$(TORTURE) --short

lint: $(VENV)/dev $(NODE_PACKAGES) docs  ## check style, types, the page's scripts, playbooks, YAML and the documentation's links
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	npm run --silent lint
	$(BIN)/yamllint --strict provisioning
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint --offline provisioning

format: $(VENV)/dev  ## let ruff fix and format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

generated: $(VENV)/dev $(NODE_PACKAGES) drawing help-pages  ## write anew what is generated from the code: constants and types of the page, schemas, fields of documents, drawing, help
	$(BIN)/python -m tools.page_constants
	$(BIN)/python -m tools.document_fields
	$(BIN)/python -m tools.documents_types
	$(BIN)/python -m device.settings
	$(BIN)/python -m device.reading.schemas
	$(BIN)/python -m training.recipe

docs: $(VENV)/dev  ## build the documentation as a site into build/site; a link that leads nowhere is an error
	$(BIN)/mkdocs build --quiet --strict

drawing: $(VENV)/dev  ## draw the floors of device/ and their imports anew: docs/images/floors.svg
	$(BIN)/python -m tools.drawing

help-pages: $(VENV)/dev  ## write the box's own help from docs/clinic anew
	$(BIN)/python -m tools.help_pages

RECIPE ?= bach

train: $(VENV)/dev  ## measure, train and pack a model, by default of ../shared/data/bach (other: make train RECIPE=idc)
	$(BIN)/loupe-train crossval $(RECIPE)
	$(BIN)/loupe-train evaluate $(RECIPE) --readings runs/$(RECIPE)-crossval/readings.parquet
	$(BIN)/loupe-train fit $(RECIPE) --everything
	$(BIN)/loupe-train pack $(RECIPE) --crossval runs/$(RECIPE)-crossval --bundle runs/$(RECIPE).loupe

bench: $(VENV)/box  ## measure network, pipeline and HTTP times, and memory
	$(BIN)/loupe bench

fresh-test:  ## run all tests on fresh Debian 12 and 13 roots, where everything is set up anew (root, 6 GB each)
	provisioning/fresh_test.sh

box-test: $(VENV)/dev  ## provision a fresh Debian 13 root twice, boot it, read a golden image (root, about 10 min)
	provisioning/box_test.sh

# --- upkeep ----------------------------------------------------------------------------------------------------------

# One version of each package on every Python and architecture. The registry is the one that your uv is set up with.
LOCK = $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --fork-strategy fewest \
	--custom-compile-command "make lock" --python-version 3.11 $(UPGRADE)

lock: $(VENV)/bin/python  ## write locks/ anew from pyproject.toml (newest versions: make lock UPGRADE=--upgrade)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
		--requirement locks/uv.txt
	$(LOCK) --universal pyproject.toml --extra dev --output-file locks/dev.txt
	$(LOCK) --universal pyproject.toml --extra box --constraint locks/dev.txt --output-file locks/box.txt
	echo setuptools | $(LOCK) --universal - --constraint locks/dev.txt --output-file locks/build.txt
	echo uv | $(LOCK) --universal - --constraint locks/dev.txt --output-file locks/uv.txt
	$(LOCK) pyproject.toml --extra fallback --output-file locks/fallback.txt

sbom: $(VENV)/dev  ## write a bill of materials (CycloneDX) of the wheels in build/wheelhouse beside them
	$(BIN)/python provisioning/sbom.py

KEY ?= ~/.config/loupe/loupe-project.pem

release: $(VENV)/dev  ## collect and sign the files of the tagged version (docs/engineers/releasing.md; another key: KEY=FILE)
	$(BIN)/python -m tools.release --key $(KEY)

clean:  ## remove what was installed and built here
	rm -rf $(VENV) .venv-fallback node_modules build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
