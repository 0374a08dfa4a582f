# make quickstart [SEED=N] [OUT=folder] [STACK=cpu|gpu]   fine-tune, post-train and compare a small policy
# make test | test-fast | test-slow                       the test tiers; ARGS="-k codec" goes to pytest
# make lint | types | format | doctor | venv | pins | clean
PYTHON ?= python3
VENV ?= .venv
STACK ?= cpu
SEED ?= 0
OUT ?= runs/quickstart
ARGS ?=

INSTALL = bash requirements/install.sh "$(VENV)" "$(STACK)" "$(PYTHON)"
RUN = "$(VENV)/bin/python" -m

.DEFAULT_GOAL := help
.PHONY: help venv venv-test quickstart test test-fast test-slow lint format types doctor pins clean

help:
	@sed -n 's/^# make/make/p' Makefile

venv:
	@$(INSTALL)

venv-test:
	@$(INSTALL) test

quickstart: venv
	"$(VENV)/bin/ar1-rl" quickstart --out "$(OUT)" --seed $(SEED)

test: venv-test
	$(RUN) pytest -m "not slow" $(ARGS)

test-fast: venv-test
	$(RUN) pytest -m "not slow and not engine" $(ARGS)

test-slow: venv-test
	@$(RUN) pip install --quiet --disable-pip-version-check --no-deps -r requirements/slow.txt
	$(RUN) pytest -m slow $(ARGS)

lint: venv-test
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format: venv-test
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

types: venv-test
	$(RUN) mypy

doctor: venv
	"$(VENV)/bin/ar1-rl" doctor

pins: venv-test
	$(RUN) pip check || true
	"$(VENV)/bin/python" requirements/pin.py

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find ar1_rl rewards rollouts recipes tests -name __pycache__ -prune -exec rm -rf {} +
	@echo "kept: $(VENV) and runs/"
