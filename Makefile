# Every command sets up what it needs; only python3 (3.11 or newer) and make have to be there.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv

.DEFAULT_GOAL := list
.PHONY: list setup demo train-example test test-slow conformance check fix bench soak docs serve lock pictures clean

list:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.dev  ## Create .venv with everything a developer needs

demo: $(VENV)/.demo  ## Ship a real speech model to a live Space on this machine
	@$(BIN)/spacehand demo $(ARGS)

train-example: $(UV)  ## Train examples/spoken-words again, and compare what it measures (PyTorch and espeak-ng)
	$(UV) venv --quiet --allow-existing --python $(BIN)/python build/train-example/venv
	$(UV) pip install --quiet --python build/train-example/venv/bin/python -r examples/spoken-words/requirements.txt
	build/train-example/venv/bin/python examples/spoken-words/train.py --output build/train-example/spoken-words --compare $(ARGS)

test: $(VENV)/.dev  ## Run the quick tests (< 5 minutes on 2 cores)
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile $(ARGS)

test-slow: $(VENV)/.dev  ## Run the long ones: large files, kill loops, real builds under load
	$(BIN)/pytest -m slow -n 2 --dist loadfile --timeout 600 $(ARGS)

conformance: $(VENV)/.dev  ## Run the official client's own tests against a local Hub
	$(BIN)/python -m conformance $(ARGS)

check: $(VENV)/.dev  ## Lint, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.dev  ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## Measure beside peers, in one run
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/.dev  ## Ten people with the statistics app for an hour, while workers are killed
	$(BIN)/python -m benchmarks.soak $(ARGS)

docs: $(VENV)/.dev  ## Build the documentation and its generated pages
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

serve: $(VENV)/.demo  ## Run the local Hub in the foreground
	@$(BIN)/spacehand hub serve $(ARGS)

lock:  $(UV)  ## Resolve the requirements again, with hashes and without addresses
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --extra demo pyproject.toml -o requirements.lock $(ARGS)
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --extra demo --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock $(ARGS)

pictures: $(VENV)/.dev  ## Take the screenshots of the documentation again
	mkdir -p docs/images
	SPACEHAND_PICTURES=docs/images $(BIN)/pytest -q tests/journeys/test_demo.py

clean:  ## Remove what the targets made
	rm -rf $(VENV) dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(UV):
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "spacehand needs Python 3.11 or newer; set PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "uv>=0.5"

$(VENV)/.demo: requirements.lock pyproject.toml runtime/pyproject.toml viewer/pyproject.toml | $(UV)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -e . -e runtime -e viewer
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml runtime/pyproject.toml viewer/pyproject.toml | $(UV)
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -e . -e runtime -e viewer
	@touch $@ $(VENV)/.demo
