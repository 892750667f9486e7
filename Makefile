# Everything is set up in .venv on first use; a second call installs nothing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
MMPOSE := .venv/.mmpose
APT := sh -c 'sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); $$sudo apt-get update -qq && $$sudo apt-get install -y -qq "$$@"' apt

.PHONY: help setup mmpose browser pose-pack demo test test-slow lint format lock bench docs clean
help:
	@echo "make demo [VIDEOS=folder]   the whole path on rendered videos, or on your own"
	@echo "make mmpose                 install the estimator mmpose"
	@echo "make pose-pack              let the page estimate poses in the browser, for who does not want to send video"
	@echo "make docs                   the documentation as a site, in site/"
	@echo "make test | test-slow       the tests; the ones that take minutes"
	@echo "make lint | format          ruff and mypy; ruff's formatter"
	@echo "make bench                  every benchmark, and the table in docs/results.md"
	@echo "make lock                   resolve requirements.lock anew"

setup: $(INSTALLED)
$(INSTALLED): pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	touch $@

# MMPose's own requirements cannot be met, so pip is told to leave them; its pins stand beside its imports.
mmpose: $(MMPOSE)
$(MMPOSE): $(INSTALLED) platform/gymspotter/pose/mmpose_imports.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[mmpose]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		$$($(BIN)/python -c 'from gymspotter.pose.mmpose_imports import PINS; print(*PINS)')
	touch $@

# What the page's tests need beside Python: a real browser, and npm, by which the pose pack is fetched. Packages of the
# distribution; nothing is installed where they are there.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || $(APT) chromium
	@command -v npm >/dev/null || $(APT) npm

pose-pack: setup
	$(BIN)/python -m serve.pose_pack

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

demo: setup
	$(BIN)/gymspotter demo $(if $(VIDEOS),--videos "$(VIDEOS)") $(ARGS)

test: mmpose browser
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: mmpose browser
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: mmpose
	$(BIN)/python benchmarks/run_all.py $(ARGS)

# Resolved in an environment of its own, so that the lock holds what pyproject.toml asks for and nothing else.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check '.[dev,mmpose]'
	.venv-lock/bin/python -m pip freeze --exclude gymspotter | sed -e 's/+cpu$$//' | grep -v -E '^(nvidia-|cuda-|triton)' > requirements.lock
	rm -rf .venv-lock build

clean:
	rm -rf runs site .pytest_cache .mypy_cache .ruff_cache build
