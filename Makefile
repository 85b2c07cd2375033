# `make demo` and `make test` work as the first command after a clone: Python 3.11 or newer and make
# are all they need. Everything is installed into .venv and nowhere else.

PYTHON ?=
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.stamp
OUT ?= out
JOBS ?= 2
PIP := $(PY) -m pip --disable-pip-version-check

export MPLBACKEND ?= Agg

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check lint types contracts bench venv clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## run the demonstration; its figures are in out/demo
	$(PY) examples/demo.py --out $(OUT)/demo

test: $(STAMP) ## run the tests (ARGS="-k name" passes options on)
	$(PY) -m pytest -n $(JOBS) $(ARGS)

check: lint types contracts test ## all that CI checks: style, types, import contracts, tests

lint: $(STAMP) ## style and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(STAMP) ## static types
	$(PY) -m pyright --pythonpath $(PY)

contracts: $(STAMP) ## imports run one way
	$(VENV)/bin/lint-imports

bench: $(STAMP) ## measure neurohw and its peers (QUICK=1: in three minutes; RESUME=1: go on)
	$(PY) benchmarks/run.py --out $(OUT)/bench $(if $(QUICK),--quick) $(if $(RESUME),--resume)

venv: $(STAMP) ## only install

clean: ## remove the environment and all that was made
	rm -rf $(VENV) .venv-peers $(OUT) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The order of the three installs matters.
# 1. torch alone and at its exact version. Where pip has been given a CPU build of it (2.13.0+cpu
#    counts as newer than 2.13.0), that one is taken; another version, or torch chosen while
#    resolving the others, pulls gigabytes of CUDA packages.
# 2. neurohw with its extras, editable, at the versions of constraints.txt.
# 3. lava-nc, whose metadata (Python < 3.11, NumPy < 2) pip would refuse; see pyproject.toml.
# The stamp is written last, so a failed install is taken up again by the next make.
$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	python=; \
	for candidate in $(or $(PYTHON),python3.11 python3 python3.12 python3.13 python3.14); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  found=$$($(or $(PYTHON),python3) --version 2>/dev/null | head -n 1) || true; \
	  echo "neurohw needs Python 3.11 or newer; found $${found:-none}." \
	    "Install one, or name one: make PYTHON=/path/to/python3.11" >&2; \
	  exit 1; \
	fi; \
	$(PY) -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear $(VENV)
	@rm -f $@
	$(PIP) install --quiet -c constraints.txt torch==2.13.0
	$(PIP) install --quiet -c constraints.txt -e ".[torch,lava,neo,test,dev]"
	$(PIP) install --quiet --no-deps --ignore-requires-python lava-nc==0.10.0
	@touch $@
