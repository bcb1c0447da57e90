# Each target creates .venv by itself; it needs Python 3.11+, make and git. `make help` lists the targets.

.DEFAULT_GOAL := help
.PHONY: help install dev test test-browser test-typescript test-node test-root test-chaos test-monitoring test-image check fmt proto lock clean

BIN := .venv/bin
# .venv has what is needed to run; a target that tests or checks adds what is needed for that, until `make clean`.
STAMP := .venv/.installed
DEV_STAMP := .venv/.installed-dev

# Extras stay installed until `make clean`: make install EXTRAS=local. `memory` and `embedded`, the Temporal server of
# `opspawn dev`, are installed as well, unless EXTRAS=-memory or EXTRAS=-embedded leaves them out.
INSTALLED_EXTRAS := $(shell cat .venv/.extras 2>/dev/null)
EXTRAS ?= $(INSTALLED_EXTRAS)

# ARGS are appended to the command of a target: make dev ARGS="--port 8001", make test ARGS="tests/unit -k calculator".
ARGS ?=

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## Create .venv with what is needed to run; EXTRAS=local adds a real model
	@:

INSTALL = PYTHON="$(PYTHON)" EXTRAS="$(EXTRAS)" sh .ci/install
INSTALLED_FROM := requirements.lock $(wildcard .ci/requirements-*.lock) pyproject.toml .ci/install

ifneq ($(strip $(EXTRAS)),$(strip $(INSTALLED_EXTRAS)))
.PHONY: $(STAMP) $(DEV_STAMP)
endif
$(STAMP): $(INSTALLED_FROM)
	@$(INSTALL)

$(DEV_STAMP): $(INSTALLED_FROM)
	@DEV=1 $(INSTALL)

# In a terminal, Ctrl-C reaches opspawn alone, which stops everything and exits with 0: so does make, then.
dev: $(STAMP) ## Start Temporal, a worker and the API; stop with Ctrl-C
	@$(BIN)/python -I .ci/foreground.py $(BIN)/opspawn dev $(ARGS)

test: $(DEV_STAMP) ## Run every test that needs no browser, no Node.js, no Prometheus, no key and no root
ifeq ($(strip $(ARGS)),)
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not browser and not key and not root and not typescript and not node and not prometheus" --cov --cov-report=term
else
	@$(BIN)/pytest $(ARGS)
endif

test-browser: $(DEV_STAMP) ## Run the tests that need a browser: Chromium, from the system
	@$(BIN)/pytest -m browser $(if $(strip $(ARGS)),$(ARGS),tests/browser)

test-typescript: $(DEV_STAMP) ## Run the tests of examples/typescript-tool: they need Node.js 20 and npm
	@$(BIN)/pytest -m typescript $(if $(strip $(ARGS)),$(ARGS),tests/typescript)

test-node: $(DEV_STAMP) ## Run the tests with packages of npm: MCP servers, and the conformance suite of MCP
	@$(BIN)/pytest -n 2 --dist loadfile -m node $(if $(strip $(ARGS)),$(ARGS),tests/mcp_node)

test-monitoring: $(DEV_STAMP) ## Run the tests of alerts and dashboard: they need prometheus and promtool
	@$(BIN)/pytest -m prometheus $(if $(strip $(ARGS)),$(ARGS),tests/monitoring)

test-chaos: $(DEV_STAMP) ## Run tasks through 1,000 kills of every process: about an hour; ARGS="--kills 100"
	@$(BIN)/pytest --long tests/acceptance/test_payments.py tests/acceptance/test_many_at_once.py
	@$(BIN)/python -m tests.chaos.kill_matrix $(ARGS)

test-root: $(DEV_STAMP) ## Run the tests that need root: a full disk
	@$(BIN)/pytest -m root $(if $(strip $(ARGS)),$(ARGS),tests/integration/cli/test_full_disk.py tests/unit/activities/storage/test_result_keeping.py)

test-image: $(DEV_STAMP) ## Build deploy/Dockerfile with buildah, and run a task in it: root on Debian, three minutes
	@$(BIN)/python deploy/image/try_image.py

check: $(DEV_STAMP) ## Run every gate but the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python .ci/check_lock.py
	$(BIN)/python .ci/protos.py --check

fmt: $(DEV_STAMP) ## Format, and apply ruff's fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

proto: $(DEV_STAMP) ## Generate the Python of the protos
	@$(BIN)/python .ci/protos.py

COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" --quiet $(ARGS)

lock: ## Write the lock files, keeping versions that still fit; ARGS=--upgrade uses the newest
	@test -e $(DEV_STAMP) || DEV=1 $(INSTALL)
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) --group dev --constraints requirements.lock --output-file .ci/requirements-dev.lock
	for extra in embedded local s3; do \
	  $(BIN)/python .ci/check_lock.py --extra $$extra | $(COMPILE) - --no-deps --output-file .ci/requirements-$$extra.lock; \
	done
	for extra in memory multilingual load; do \
	  $(COMPILE) pyproject.toml --extra $$extra --constraints requirements.lock --constraints .ci/requirements-dev.lock \
	    --output-file .ci/requirements-$$extra.lock && \
	  $(BIN)/python .ci/check_lock.py --additions .ci/requirements-$$extra.lock; \
	done

clean: ## Remove .venv and the caches of tools; .opspawn stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .coverage .hypothesis dist
