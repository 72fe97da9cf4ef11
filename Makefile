# Everything a fresh machine needs is Python 3.11 or newer and make. `make` alone lists the targets.

ifndef PYTHON
PYTHON := $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
endif
VENV := .venv
VENVS := .venvs
PIP_FLAGS := --disable-pip-version-check --no-input --timeout 60 --retries 10 -qq
PIP_LOCKED := $(PIP_FLAGS) --no-deps --require-hashes
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check bench build docs lock clean mlserver receivers helm servers kserve

help:
	@printf '%s\n' \
	  'make demo    start a model and the sidecar in front of it, and send it good and bad rows' \
	  'make test    run the whole test suite' \
	  'make check   every gate: format, lint, types, import directions, tests with coverage' \
	  'make build   compile the hot half into build/hot' \
  'make bench   measure the sidecar beside other proxies (ARGS="…" goes to python -m bench)' \
	  'make docs    write the tables of README.md and policies/README.md anew' \
	  'make lock    write the lock files anew' \
	  'make clean   remove the environments and everything that was built'

demo: $(VENV)/.runtime mlserver
	@$(VENV)/bin/python -m sidecar demo $(ARGS)

# The second run has the hot half as it is installed: compiled, where a C compiler is at hand.
test: $(VENV)/.dev mlserver receivers helm servers build/hot/.made
	$(VENV)/bin/python -m pytest $(ARGS)
	$(VENV)/bin/python -m pytest -q -o pythonpath='build/hot .' tests/gateway tests/upstream tests/wire tests/test_guard.py tests/test_guard_rules.py

check: $(VENV)/.dev mlserver receivers helm servers
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m pytest --cov --cov-report=term:skip-covered $(ARGS)

bench: $(VENV)/.dev build/hot/.made
	$(VENV)/bin/python -m bench $(ARGS)

build: build/hot/.made

# The package with its hot half compiled, beside the sources, which stay what is imported from this folder.
build/hot/.made: setup.py pyproject.toml $(shell find sidecar -name '*.py') | $(VENV)/.dev
	@echo 'compiling the hot half into build/hot' >&2
	@rm -rf build && $(VENV)/bin/python -m pip wheel $(PIP_FLAGS) --no-deps --no-build-isolation -w build/wheels .
	@$(VENV)/bin/python -m pip install $(PIP_FLAGS) --no-deps --target build/hot build/wheels/*.whl
	@touch $@

docs: $(VENV)/.dev
	$(VENV)/bin/python -m tests.documentation

# --- environments: each is one lock file; a stamp inside says it is complete --------------------------------------

$(VENV)/.made:
	@if [ -z '$(PYTHON)' ]; then \
	  echo 'This needs Python 3.11 or newer; found: '"$$(python3 --version 2>&1 || true)"'.'; \
	  echo 'Install a newer one, or name it: make PYTHON=/path/to/python3.12 …'; exit 1; fi
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo '$(PYTHON) is too old: this needs Python 3.11 or newer.'; exit 1; }
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo '$(PYTHON) comes without venv; on Debian and Ubuntu: apt install python3-venv'; exit 1; }
	@echo 'making $(VENV)' >&2
	@[ -x $(VENV)/bin/pip ] || '$(PYTHON)' -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: requirements/runtime.lock requirements/build.lock pyproject.toml | $(VENV)/.made
	@echo 'installing requirements/runtime.lock into $(VENV)' >&2
	@$(VENV)/bin/python -m pip install $(PIP_LOCKED) -r requirements/build.lock
	@$(VENV)/bin/python -m pip install $(PIP_LOCKED) -r requirements/runtime.lock
	@SIDECAR_COMPILE=0 $(VENV)/bin/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime
	@echo 'installing requirements/dev.lock into $(VENV)' >&2
	@$(VENV)/bin/python -m pip install $(PIP_LOCKED) -r requirements/dev.lock
	@touch $@

$(VENVS)/%/.made: requirements/%.lock | $(VENV)/.made
	@mkdir -p $(VENVS)
	@[ -x $(VENVS)/$*/bin/pip ] || $(VENV)/bin/python -m venv $(VENVS)/$*
	@$(VENVS)/$*/bin/python -m pip install $(PIP_LOCKED) -r $<
	@touch $@

# A real model server, 530 MB on disk. Without it the demo serves a small model of its own, and some tests skip.
mlserver: | $(VENV)/.made
	@[ -e $(VENVS)/mlserver/.made ] || echo 'installing MLServer into $(VENVS)/mlserver (530 MB, once)' >&2
	@mkdir -p $(VENVS); $(MAKE) --no-print-directory -s $(VENVS)/mlserver/.made 2>$(VENVS)/mlserver.log || \
	  { echo 'MLServer could not be installed; what needs it is skipped. Why:' >&2; tail -n 3 $(VENVS)/mlserver.log >&2; }

# Collectors of spans that are not ours. Without them two tests skip.
receivers: | $(VENV)/.made
	@mkdir -p $(VENVS); $(MAKE) --no-print-directory -s $(VENVS)/receivers/.made 2>$(VENVS)/receivers.log || \
	  { echo 'The receivers of spans could not be installed; what needs them is skipped. Why:' >&2; \
	    tail -n 3 $(VENVS)/receivers.log >&2; }

# Helm as a library and the judges of what it makes, 270 MB on disk. Without them the tests of the chart skip.
helm: | $(VENV)/.made
	@[ -e $(VENVS)/helm/.made ] || echo 'installing Helm into $(VENVS)/helm (270 MB, once)' >&2
	@mkdir -p $(VENVS); $(MAKE) --no-print-directory -s $(VENVS)/helm/.made 2>$(VENVS)/helm.log || \
	  { echo 'Helm could not be installed; the tests of the chart are skipped. Why:' >&2; tail -n 3 $(VENVS)/helm.log >&2; }

# FastAPI, an OpenAI-compatible server and OpenAI's client, 100 MB on disk. Without them some tests skip.
servers: | $(VENV)/.made
	@mkdir -p $(VENVS); $(MAKE) --no-print-directory -s $(VENVS)/servers/.made 2>$(VENVS)/servers.log || \
	  { echo 'The servers could not be installed; what needs them is skipped. Why:' >&2; \
	    tail -n 3 $(VENVS)/servers.log >&2; }

# KServe's model server, 450 MB on disk: only for who asks for it. Without it the tests of its first protocol skip.
kserve: $(VENVS)/kserve/.made

# --- lock files: every hash of every file, and no address of any package index -------------------------------------

COMPILE = CUSTOM_COMPILE_COMMAND='make lock' $(VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe \
	--strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock: $(VENV)/.dev
	$(COMPILE) requirements/build.in -o requirements/build.lock
	$(COMPILE) --extra archive pyproject.toml -o requirements/runtime.lock
	$(COMPILE) -c requirements/build.lock -c requirements/runtime.lock --extra archive pyproject.toml requirements/dev.in -o requirements/dev.lock
	$(COMPILE) requirements/mlserver.in -o requirements/mlserver.lock
	$(COMPILE) requirements/bench.in -o requirements/bench.lock
	$(COMPILE) requirements/mitmproxy.in -o requirements/mitmproxy.lock
	$(COMPILE) requirements/receivers.in -o requirements/receivers.lock
	$(COMPILE) requirements/helm.in -o requirements/helm.lock
	$(COMPILE) requirements/servers.in -o requirements/servers.lock
	$(COMPILE) requirements/kserve.in -o requirements/kserve.lock

clean:
	rm -rf $(VENV) $(VENVS) var build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache .coverage .coverage.*
	find sidecar tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
