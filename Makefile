# Each target does its own set-up, in .venv, from nothing but git, make and Python 3.11 or newer.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VENV_JAX ?= .venv-jax
WORKERS ?= 2

# TensorFlow's threads: one for each operator, so that the two directions of a layer run side by side.
export TF_NUM_INTRAOP_THREADS ?= 1
export TF_NUM_INTEROP_THREADS ?= $(shell nproc 2>/dev/null || echo 2)
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help demo test check soak jax lint notebooks clean

help:
	@echo "make demo       train a tagger on the Python standard library's own source, score it, tag new lines"
	@echo "make test       run the tests (make check: the quick ones; make soak: the long ones)"
	@echo "make jax        run the tests of the backend JAX, in an environment of its own without TensorFlow"
	@echo "make lint       ruff and mypy"
	@echo "make clean      remove what was built"

demo: $(VENV)/run
	$(BIN)/seqtag train configs/demo.yaml
	$(BIN)/seqtag predict runs/demo --text "def area ( self , width : float ) -> float :" --text "return width * self . height"

test: $(VENV)/dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not soak"

check: $(VENV)/dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not soak"

soak: $(VENV)/dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m soak

jax: $(VENV_JAX)/ready
	KERAS_BACKEND=jax $(VENV_JAX)/bin/python -m pytest tests/on_jax

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

notebooks: $(VENV)/dev
	$(BIN)/python -m pytest tests/test_notebooks.py

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "seqtag needs Python 3.11 or newer; this is $$($(PYTHON) --version 2>&1). Run: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python's venv module is missing. On Debian and Ubuntu run: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/run: $(VENV)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/dev: $(VENV)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@ $(VENV)/run

$(VENV_JAX)/ready: $(VENV)/python setup.cfg pyproject.toml .ci/without_tensorflow.py
	$(PYTHON) -m venv $(VENV_JAX)
	$(PYTHON) .ci/without_tensorflow.py > $(VENV_JAX)/requirements.txt
	$(VENV_JAX)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(VENV_JAX)/requirements.txt
	$(VENV_JAX)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

clean:
	rm -rf $(VENV) $(VENV_JAX) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
