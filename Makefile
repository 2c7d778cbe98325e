# One environment, .venv/, for running and developing. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# A part of the tests, which has no use for the snapshots of the others.
PART := $(RUN) -m pytest -n 2 --dist worksteal --snapshot-warn-unused
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup study dashboard test test-fast fuzz check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(INSTALLED) ## make the environment in .venv/ (some minutes the first time)

study: setup ## run the shipped study "quick" on real Fashion-MNIST and print the answer
	$(RUN) study.py data
	$(RUN) study.py run quick

dashboard: setup ## browse the studies with optuna-dashboard
	$(RUN) study.py dashboard

test: setup ## run every test, the slow ones too
	bash tests/system-packages.sh
	$(PART) -m "not slow"
	$(PART) -rs -m slow

test-fast: setup ## run the fast tests
	$(PART) -m "not slow"

fuzz: setup ## look for inputs that break it, at random, for about ten minutes
	CRNN_STUDY_FUZZ=100 $(RUN) -m pytest -n 2 --timeout 3600 tests/project/test_fuzz.py tests/ablation/scheduling/test_reconcile.py

check: setup ## check lint, format, types, who imports whom, known vulnerabilities
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy ablation crnn study.py tests $(wildcard benchmarks/*.py)
	$(VENV)/bin/lint-imports
	$(RUN) -m tests.helpers.audit

clean: ## remove the environment and caches; results and data stay
	rm -rf "$(VENV)" build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Touched last, so that an installation that was broken off is taken up again.
$(INSTALLED): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'Python 3.11 or later is needed, and "$(PYTHON)" is not; name one: make setup PYTHON=python3.12' >&2; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo '"$(PYTHON)" cannot make environments; on Debian and Ubuntu: sudo apt-get install python3-venv' >&2; exit 2; }
	"$(PYTHON)" -m venv "$(VENV)"
	$(RUN) -m pip install --no-input --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch "$@"
