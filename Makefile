# The project's commands; `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# FRAZIL_HOME is not set here: each command reads it by itself, from the environment, then from .env, else it is .frazil.
# Downloads go through uv's and Ivy's ordinary clients; Python itself is never downloaded.
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# Each command starts a Python of its own, and many start more: what is compiled once is kept.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell for name in python3.11 python3.12 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$name && break; done)
LOCK := requirements/default.lock
STAMP := .venv/.frazil-environment
BIN := .venv/bin
AIRFLOW_LOCK := requirements/airflow.lock
AIRFLOW_STAMP := .venv-airflow/.frazil-environment
AIRFLOW_BIN := .venv-airflow/bin

.PHONY: help setup demo test test-spark test-streams test-servers test-airflow stress lint lint-sql lint-python format docs bench clean lock airflow-setup airflow airflow-once

help: ## Show this list.
	@grep -hE '^[a-z-]+%?:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+%?):.*## /\1\t/' | expand -t 15

setup: $(STAMP) ## Make the environment, find Java, fetch jars, create the lake's empty tables.
	@$(BIN)/frazil setup

airflow-setup: $(STAMP) $(AIRFLOW_STAMP) ## Make the second environment: Airflow, Cosmos, dbt, Spark.
	@$(AIRFLOW_BIN)/frazil setup

airflow: airflow-setup ## Airflow on 127.0.0.1: api-server, scheduler, dag-processor, triggerer; Ctrl-C ends all.
	@$(AIRFLOW_BIN)/python -m orchestration.server

airflow-once: airflow-setup ## One run of the pipeline without a scheduler; fails when a task has failed.
	@$(AIRFLOW_BIN)/python -m orchestration.once

# An environment is made anew only when its lock or the project's own metadata changes: a second set-up is offline.
# $(call install,folder,lock)
define install
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@command -v uv >/dev/null || test -x .venv/uv/bin/uv || { \
		$(PYTHON) -m venv .venv/uv && .venv/uv/bin/python -m pip install --quiet --require-hashes -r requirements/uv.lock; }
	@UV=$$(command -v uv || echo .venv/uv/bin/uv); set -e; \
		test -x $(1)/bin/python || $$UV venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(1); \
		export VIRTUAL_ENV=$(CURDIR)/$(1); \
		$$UV pip sync --quiet --require-hashes $(2); \
		$$UV pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
endef

$(STAMP): $(LOCK) requirements/uv.lock pyproject.toml
	$(call install,.venv,$(LOCK))

$(AIRFLOW_STAMP): $(AIRFLOW_LOCK) requirements/uv.lock pyproject.toml
	$(call install,.venv-airflow,$(AIRFLOW_LOCK))

demo: setup ## A generated business: signed webhooks in, trusted marts out (under 3 minutes).
	@$(BIN)/frazil demo

# Two of four parts at a time, as two cores allow: what needs Spark; what follows logs and topics, by Kafka and Connect; all
# else that needs no Spark; and what needs Airflow, in its own environment. Lines begin with the part's name; each part ends
# with its slowest tests, and all of it with what failed, so that nobody looks for it among four parts.
STREAMS := tests/integration/bus tests/integration/cdc tests/integration/poll

test: setup airflow-setup ## All tests, the long torture runs in their short form.
	@mkdir -p logs && rm -f logs/test-*.log
	@$(MAKE) --no-print-directory --keep-going --jobs 2 test-spark test-streams test-servers test-airflow || { \
		printf '\nWhat failed (all of it: logs/test-*.log):\n'; grep -hE '^[a-z]+: (E  |FAILED|ERROR)' logs/test-*.log; exit 2; }

test-spark:
	$(call tests,$(BIN),spark,not stress and spark,--ignore tests/orchestration)

test-streams:
	$(call tests,$(BIN),streams,not stress and not spark,$(STREAMS))

test-servers:
	$(call tests,$(BIN),servers,not stress and not spark,$(addprefix --ignore ,tests/orchestration $(STREAMS)))

test-airflow:
	$(call tests,$(AIRFLOW_BIN),airflow,not stress,tests/orchestration)

# $(call tests,environment,part,markers,folders)
define tests
	@mkdir -p logs; set -o pipefail; $(1)/pytest -m "$(3)" --durations=30 --durations-min=5 $(4) 2>&1 \
		| while IFS= read -r line; do printf '$(2): %s\n' "$$line"; done | tee logs/test-$(2).log
endef

stress: setup airflow-setup ## The long torture runs.
	@$(BIN)/pytest -m stress --timeout=7200 --ignore tests/orchestration
	@$(AIRFLOW_BIN)/pytest -m stress --timeout=7200 tests/orchestration

lint: setup airflow-setup ## sqlfluff for Spark and Trino, ruff, mypy.
	@$(MAKE) --no-print-directory --keep-going --jobs 2 lint-sql lint-python

lint-sql:
	@$(BIN)/sqlfluff lint --disable-progress-bar models snapshots tests/dbt
	@$(BIN)/sqlfluff lint --disable-progress-bar --dialect trino models snapshots tests/dbt

lint-python:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy --python-executable $(AIRFLOW_BIN)/python orchestration $(wildcard tests/orchestration/*.py)

format: setup ## Let the formatters write.
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format . && $(BIN)/sqlfluff fix --disable-progress-bar models

docs: setup ## The dbt lineage site as one static file, docs/site/index.html.
	@$(BIN)/python -m ingestion.build.docs

bench: setup airflow-setup ## Every benchmark; results in benchmarks/results. One of them: make bench-NAME.
	@$(BIN)/python -m benchmarks

bench-%: setup
	@$(BIN)/python -m benchmarks $*

lock: $(STAMP) ## Compile pyproject.toml into the hashed lock files.
	@$(call compile,--extra dev --extra streams,$(LOCK))
	@$(call compile,--extra airflow,$(AIRFLOW_LOCK))
	@$(BIN)/uv pip freeze | grep -E '^uv==' | $(BIN)/uv pip compile - --generate-hashes --no-header --no-annotate --no-emit-index-url -q -o requirements/uv.lock

compile = $(BIN)/uv pip compile pyproject.toml $(1) --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -q -o $(2)

clean: ## Remove the environment, the lake and everything built; a FRAZIL_HOME outside of this folder is left.
	@home=$$(if test -x $(BIN)/python; then \
			$(BIN)/python -c 'from ingestion.settings import Settings; print(Settings().home_dir)'; \
		else echo "$${FRAZIL_HOME:-$(CURDIR)/.frazil}"; fi) || exit 2; \
		case "$$home" in "$(CURDIR)"/?*) rm -rf "$$home";; *) echo "left: $$home";; esac; \
		rm -rf .venv .venv-airflow target logs docs/site .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
