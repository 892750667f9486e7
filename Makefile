# Everything is set up in .venv on first use; a second call installs nothing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: help setup demo test test-slow lint format lock bench clean
help:
	@echo "make demo [VIDEOS=folder]   the whole path on rendered videos, or on your own"
	@echo "make test | test-slow       the tests; the ones that take minutes"
	@echo "make lint | format          ruff and mypy; ruff's formatter"
	@echo "make bench                  every benchmark, and the table in docs/results.md"
	@echo "make lock                   resolve requirements.lock anew"

setup: $(INSTALLED)
$(INSTALLED): pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	touch $@

demo: setup
	$(BIN)/gymspotter demo $(if $(VIDEOS),--videos "$(VIDEOS)") $(ARGS)

test: setup
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: setup
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python benchmarks/run_all.py $(ARGS)

# Resolved in an environment of its own, so that the lock holds what pyproject.toml asks for and nothing else.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check '.[dev]'
	.venv-lock/bin/python -m pip freeze --exclude gymspotter | sed -e 's/+cpu$$//' | grep -v -E '^(nvidia-|cuda-|triton)' > requirements.lock
	rm -rf .venv-lock build

clean:
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache build
