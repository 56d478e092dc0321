# Everything that the project does on a machine: `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
BUILD := $(CURDIR)/build/python
export PATH := $(BIN):$(PATH)
# The build below is done by make, not by every import.
export MESONPY_EDITABLE_SKIP := $(BUILD)

.PHONY: help
help: ## This list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What must be on the machine is said in one line each; the rest goes into .venv.
.PHONY: check-machine
check-machine:
	@command -v $(PYTHON) >/dev/null || { echo "missing: python3 (3.11 or later): apt-get install python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "missing: Python 3.11 or later; this is $$($(PYTHON) -V): make PYTHON=python3.11 ..."; exit 1; }
	@command -v gcc >/dev/null || { echo "missing: gcc: apt-get install gcc libc6-dev"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "missing: venv: apt-get install python3-venv"; exit 1; }
	@test "$$(uname -s)" = Linux || { echo "missing: Linux (futex, epoll, /dev/shm)"; exit 1; }

$(VENV)/ready: pyproject.toml tools/headers.sh | check-machine
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check meson-python meson ninja cffi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@bash tools/headers.sh $(BIN)/python $(VENV)
	@touch $@

.PHONY: build
build: $(VENV)/installed ## Build the C core and install into .venv.
	@ninja -C $(BUILD) --quiet

$(VENV)/installed: $(VENV)/ready meson.build tests/meson.build
	@echo "building"
	@. $(VENV)/headers.env; $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --no-build-isolation --editable . --config-settings=build-dir=build/python
	@touch $@

# Sanitizer builds of the C tests: no Python in them.
build/%/build.ninja: $(VENV)/ready meson.build tests/meson.build meson.options
	@$(BIN)/meson setup --reconfigure build/$* -Dpython=false -Dbuildtype=debugoptimized \
	  $(if $(filter ctest,$*),-Dbuildtype=release,-Db_sanitize=$(subst asan,address$(comma)undefined,$(subst tsan,thread,$*))) -Db_lundef=false >/dev/null
	@touch $@
comma := ,

.PHONY: ctest asan tsan
ctest asan tsan: %: build/%/build.ninja ## C tests: plain, under ASan and UBSan, under TSan.
	@$(BIN)/meson test -C build/$* --print-errorlogs --quiet

.PHONY: clean
clean: ## Remove everything that was built, .venv included.
	rm -rf $(VENV) build demo-output .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
