# Everything a checkout needs, on a machine with nothing but Python >= 3.11. `make` lists the targets.
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
BENCH_MIB ?= 100
CCUSAGE ?= $(shell command -v ccusage)
AGENTSVIEW ?= $(shell command -v agentsview)
KILLS ?= 200
GO ?= go

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready
LINTED := otel_bridge tests tools bench
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help run up test check lint stack demo realclient crash bench bench-stack venv lock docs dashboards clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 13

run: $(RUN_READY) ## index your sessions (samples if you have none) and say what they cost, by day, project and model
	@$(BIN)/otel-bridge sync --or-samples
	@$(BIN)/otel-bridge stats --or-samples
	@echo
	@echo "Next: make up                       keeps this up to date as you work, and shows how it is doing"
	@echo "      $(BIN)/otel-bridge sync --endpoint http://localhost:4318    sends it to a collector"
	@echo "      $(BIN)/otel-bridge search WORDS | sessions | show SESSION   look closer"

up: $(RUN_READY) ## index, watch, receive and, with OTEL_EXPORTER_OTLP_ENDPOINT, send; http://127.0.0.1:9465 says how it is doing
	@$(BIN)/otel-bridge up

test: $(DEV_READY) ## run all tests, the slow ones too
	$(BIN)/python -m pytest -n $(WORKERS)

check: lint ## what to run before a commit: lint, types, contracts, docs, fast tests
	$(BIN)/python -m pytest -n $(WORKERS) -m 'not slow'

lint: $(DEV_READY) ## ruff, mypy, import contracts, generated docs
	$(BIN)/ruff check $(LINTED)
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.make_docs --check

stack: | $(BIN)/python ## build the real collector, Prometheus, Alertmanager and Jaeger for the tests (once; needs Go: GO=path)
	@$(BIN)/python -m tools.stack.build --go '$(GO)'

demo: $(DEV_READY) stack ## start the real stack with three weeks of sessions; what Prometheus says beside what stats says
	$(BIN)/python -m tools.demo

realclient: $(DEV_READY) stack ## let the real Claude Code work while watch, or up, sends it to the stack (needs npm and unshare)
	$(BIN)/python -m tools.realclient.install
	$(BIN)/python -m pytest tests/realclient -o log_cli=true --log-cli-level=INFO

crash: $(DEV_READY) stack ## kill watch KILLS times while sessions grow and the collector comes and goes (KILLS=200)
	$(BIN)/python -m tools.crash --kills $(KILLS)

bench: $(DEV_READY) ## measure speed and memory, beside peers where CCUSAGE=path, AGENTSVIEW=path name them (BENCH_MIB=100)
	$(BIN)/python bench/convert_spans.py
	$(BIN)/python bench/send_spans.py
	$(BIN)/python -m bench.receiver_load
	$(BIN)/python -m bench.make_corpus .cache/bench-$(BENCH_MIB) --mib $(BENCH_MIB)
	$(BIN)/python -m bench.stats_vs_peers .cache/bench-$(BENCH_MIB) --ccusage '$(CCUSAGE)'
	$(BIN)/python -m bench.index_speed .cache/bench-$(BENCH_MIB) --agentsview '$(AGENTSVIEW)'

bench-stack: $(DEV_READY) stack ## twenty thousand sessions in the real stack: every panel's query, an export through the collector
	$(BIN)/python -m bench.stack_load

venv: $(DEV_READY) ## make the development environment

docs: $(DEV_READY) ## write the generated parts of README.md and docs/ anew
	$(BIN)/python -m tools.make_docs

dashboards: $(DEV_READY) ## write grafana/dashboards/ anew from tools/dashboards/
	$(BIN)/python -m tools.dashboards

lock: ## resolve the dependencies anew (UPGRADE=--upgrade for newer versions)
	@$(MAKE) --no-print-directory $(VENV)/bin/python
	$(PIP) install uv
	$(COMPILE) pyproject.toml --group dev -o requirements/dev.lock
	$(COMPILE) pyproject.toml --group build -c requirements/dev.lock -o requirements/run.lock

clean: ## remove what make and the tools left here
	rm -rf .venv .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache out

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "otel-bridge needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." >&2; \
	  echo "Name another one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN_READY): requirements/run.lock pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/run.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_READY): requirements/dev.lock pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/dev.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(RUN_READY)
