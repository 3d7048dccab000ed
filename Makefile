# `make help` lists the verbs. ENV picks the environment of synth, diff, deploy and destroy.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
ENV ?= dev
APPROVAL ?= broadening
PROTECTION ?= on
INSTANCES ?= 2
COMPUTE ?= instances
SEEDS ?= 20000
SECONDS := 60
SEED ?= 7
RERUNS ?= 0
# More than a small machine has processors: many tests wait for leases to end, or for processes.
WORKERS ?= 3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.9
CDK = $(BIN)/python -m local.cdk
# What the local instances are: make demo COMPUTE=containers
CONTAINERS = $(if $(filter containers,$(COMPUTE)),--containers)
# What is begun again and again, as xdist's workers and all that tests start, is compiled once.
unexport PYTHONDONTWRITEBYTECODE
CODE := app.py stacks lambda server interlock local benchmarks scripts tests
UNIT := tests/constructs tests/stacks tests/unit tests/simulation

.PHONY: help install unasync page lock demo demo-check demo-scale test test-fast coverage test-versions lint format types synth preflight diff deploy destroy \
	snapshot-update bench figures simulate histories mutate docs build sbom pictures clean

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  ENV is an environment of cdk.json: make deploy ENV=prod (ENV=dev unless you say so)"

install: $(VENV)/.installed  ## Create .venv with everything pinned (Node and the CDK CLI too)

$(VENV)/.installed: requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@echo "Installing what is pinned into $(VENV) ..."
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python \
		--requirement requirements-dev.txt --editable .
	@touch $@

lock: install  ## Resolve the pinned requirements again from pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url \
		pyproject.toml --extra cdk --extra aio --group app --group function --group service \
		--output-file requirements.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url \
		pyproject.toml --all-extras --group app --group function --group service --group local \
		--group docs --group dev --constraints requirements.txt --output-file requirements-dev.txt

demo: install  ## Deploy the whole application on this machine and run it
	@$(BIN)/python -m local demo --instances $(INSTANCES) $(CONTAINERS)

demo-check: install  ## The same, checked through every tier and stopped again
	@$(BIN)/python -m local demo --instances $(INSTANCES) $(CONTAINERS) --check

demo-scale: install  ## The same under load: the group grows and shrinks, and nothing is lost
	@$(BIN)/python -m local demo-scale --instances $(INSTANCES) $(CONTAINERS)

# The deployed application has the machine to itself: it is a dozen processes and a browser.
test: install  ## All tests, the deployed local stack included
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --durations=25 --reruns $(RERUNS) -m "not e2e"
	$(BIN)/python -m pytest --durations=25 --reruns $(RERUNS) tests/e2e

test-fast: install  ## Unit, simulation and template tests only
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not slow and not contract and not e2e" $(UNIT)

coverage: install  ## Unit and simulation tests, and which lines of the library they never reach
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup --cov=interlock --cov-report=term-missing:skip-covered \
		-m "not slow and not contract and not e2e" tests/unit tests/simulation tests/constructs

test-versions: install  ## Unit tests with the lowest dependencies, and on newer Pythons
	$(BIN)/python -m tests.versions $(ONLY)

lint: install  ## ruff: rules and format; and whether generated code is up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m scripts.unasync --check
	$(BIN)/python -m scripts.page --check

format: install  ## Let ruff format and fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

page: install  ## Write what browsers load of the web client from server/web's sources
	$(BIN)/python -m scripts.page

unasync: install  ## Write the blocking half of the library from the awaitable one
	$(BIN)/python -m scripts.unasync

types: install  ## mypy --strict
	$(BIN)/mypy $(CODE)

synth: install  ## Synthesize the CloudFormation templates of ENV, to look at them
	$(CDK) synth --quiet -c env=$(ENV) -c placeholders=allowed

preflight: install  ## Ask the account of ENV whether a deployment would find what it needs
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m stacks.preflight $(ENV)

diff: install  ## Compare ENV with what is deployed
	$(CDK) diff -c env=$(ENV)

deploy: install  ## Deploy ENV; ENV=prod PROTECTION=off for the first time, as it keeps data
	$(CDK) deploy --all -c env=$(ENV) -c protection=$(PROTECTION) --require-approval $(APPROVAL)
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m stacks.stack_policy $(ENV)

destroy: install  ## Delete the stacks of ENV
	$(CDK) destroy --all -c env=$(ENV)

snapshot-update: install  ## Accept the templates' snapshots as they are now
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -q --snapshot-update -m "not slow and not contract and not e2e" $(UNIT)

bench: install  ## Benchmarks against the peers; ONLY=counters runs that one, RECORD=1 keeps its figures
	$(UV) pip install --quiet --python $(BIN)/python --group bench
	$(if $(RECORD),INTERLOCK_BENCH_RECORD=1) $(BIN)/python -m benchmarks $(ONLY)

figures: install  ## Write the tables of the last recorded benchmarks into the documentation
	$(BIN)/python -m scripts.figures

simulate: install  ## Search for a failing interleaving: make simulate SEEDS=100000
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

histories: install  ## Record histories of real processes under faults, and check them: SECONDS=60 SEED=7
	$(BIN)/python -m tests.histories --seconds $(SECONDS) --seed $(SEED)

mutate: install  ## Make mistakes in modules, which the tests must find: ONLY=interlock/_protocol/retry.py BUDGET=600
	nice -n 19 $(BIN)/python -m tests.mutation $(ONLY) $(if $(BUDGET),--budget $(BUDGET)) $(if $(TESTS),--tests $(TESTS)) $(if $(QUICK),--quick)

docs: install  ## The documentation as a site in build/site, links checked
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

build: install  ## Wheel and source distribution in dist/
	$(UV) build --quiet

sbom: build  ## What the wheel brings with it, all extras: build/interlock.cdx.json (CycloneDX)
	$(BIN)/python -m scripts.sbom dist/*.whl build/interlock.cdx.json

pictures: install  ## Take the README's pictures of the web client again
	$(BIN)/python -m tests.e2e.browser.picture

clean:  ## Remove what the other verbs made, the environment included
	rm -rf $(VENV) .local build dist cdk.out .mypy_cache .pytest_cache .ruff_cache .hypothesis artefacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
