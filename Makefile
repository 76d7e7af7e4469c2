# The two commands of the README are `make demo` and `make test`; the rest is for those who work on hikrecv.
PYTHON ?= python3
PORT ?= 8089
VENV ?= .venv
JOBS ?= 4
BIN = $(VENV)/bin
PLUGINS = $(wildcard plugins/hikrecv-*)
# Without warnings: setuptools has one for each package that is installed this way.
PIP = PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check
# A flat layout loses the twistd plugin in the default editable mode.
EDIT = --config-settings editable_mode=compat

.PHONY: demo test plugin-tests lint types floors docs news wheels bench bench-micro torture hostile load load-reactions fuzz fuzz-million clean

demo: $(VENV)/.demo
	@exec $(BIN)/python -m hikrecv.cli.demo --port $(PORT)

# Most functional tests wait for processes of their own, so twice as many as processors at a time.
test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

plugin-tests: $(VENV)/.test
	@set -e; for plugin in $(PLUGINS); do echo "== $$plugin"; $(BIN)/python -m pytest -c pyproject.toml --rootdir=. $$plugin/tests; done

lint: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

types: $(VENV)/.check
	$(BIN)/mypy -p hikrecv
	@set -e; for plugin in $(PLUGINS); do echo "== $$plugin"; $(BIN)/mypy --exclude 'tests|build' $$plugin; done

floors: $(VENV)/.check
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -q -W -n -b html docs docs/_build/html

news: $(VENV)/.check
	$(BIN)/towncrier build --draft --version next

wheels: $(VENV)/.check
	rm -rf dist && mkdir dist
	$(BIN)/python -m build --quiet --wheel --outdir dist .
	@set -e; for plugin in $(PLUGINS); do $(BIN)/python -m build --quiet --wheel --outdir dist $$plugin; done
	$(BIN)/twine check --strict dist/*.whl

bench: $(VENV)/.bench
	$(BIN)/python -m tests.bench --docs

bench-micro: $(VENV)/.test
	$(BIN)/python -m pytest -m bench tests/bench

torture: $(VENV)/.test
	$(BIN)/python -m pytest -p no:randomly --timeout 1800 -m torture tests/functional

hostile: $(VENV)/.test
	$(BIN)/python -m tests.hostile

load: $(VENV)/.test
	$(BIN)/python -m tests.load

load-reactions: $(VENV)/.test
	$(BIN)/python -m tests.load.reactions

fuzz: $(VENV)/.test
	$(BIN)/python -m pytest -vv --timeout 1800 --hypothesis-profile=long tests/fuzz
	$(BIN)/python -m tests.fuzz --requests 200000 --seconds 1800
	$(BIN)/python -m tests.fuzz.live --connections 200000 --seed 2

fuzz-million: $(VENV)/.test
	$(BIN)/python -m tests.fuzz --requests 1000000 --seconds 7200

clean:
	rm -rf $(VENV) build dist docs/_build demo-state *.egg-info plugins/*/*.egg-info plugins/*/build

# -- what is installed, and when it is out of date ------------------------------

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "hikrecv needs Python 3.11 or newer; on Debian: apt install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hikrecv needs Python 3.11 or newer; this is $$($(PYTHON) --version). Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "this Python cannot make virtual environments; on Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade 'pip>=24' 'setuptools>=77' wheel

$(VENV)/.demo: $(BIN)/python setup.cfg $(PLUGINS:%=%/setup.cfg)
	@echo "installing hikrecv and its plugins into $(VENV) ..."
	$(PIP) $(EDIT) -e . $(PLUGINS:%=-e %)
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	$(PIP) $(EDIT) -e '.[test]' -r tests/requirements.txt
	@touch $@

$(VENV)/.check: $(VENV)/.test
	$(PIP) -r tests/requirements-check.txt
	@touch $@

$(VENV)/.docs: $(VENV)/.check
	$(PIP) -r docs/requirements.txt
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	$(PIP) -r tests/bench/requirements.txt
	@touch $@
