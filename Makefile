# Everything runs inside .venv, which each target makes for itself.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check bench bundle fmt lock clean

demo: $(READY)
	$(BIN)/python examples/demo.py

# `make test coverage=1` measures branches too, in subprocesses as well; it takes about half as long again.
test: $(READY)
	$(if $(coverage),$(BIN)/coverage run -m pytest,$(BIN)/pytest) -n auto --dist loadfile

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(BIN)/python docs/wording.py
	$(BIN)/python release/manifests.py --check

bench: $(READY)
	$(BIN)/python bench/run.py

fmt: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python docs/generate.py
	$(BIN)/python release/manifests.py

# A zip that hosts of MCP bundles install by a click.
bundle: $(READY)
	$(BIN)/python release/bundle.py

# Versions and hashes only: no address of a registry goes into the lock.
lock: $(READY)
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --group dev --extra otel pyproject.toml --output-file requirements-dev.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --extra otel pyproject.toml --constraint requirements-dev.txt \
		--output-file requirements.txt

NEWER := import sys; sys.exit(sys.version_info < (3, 11))

$(READY): requirements-dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found. Install Python 3.11 or newer, or set PYTHON=python3.12." >&2; exit 1; }
	@$(PYTHON) -c '$(NEWER)' || { echo "$$($(PYTHON) --version) is too old: Python 3.11 or newer is required. Set PYTHON=python3.12." >&2; exit 1; }
	@! test -x $(BIN)/python || $(BIN)/python -c '$(NEWER)' || { echo ".venv was made by an older Python. Remove it with: rm -rf .venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (about a minute, 500 MB) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# A platform that runs from .venv is stopped first; its data stays.
clean:
	@! test -x $(BIN)/createos-mcp || $(BIN)/createos-mcp platform stop
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage* htmlcov build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
