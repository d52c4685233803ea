# Two commands on a fresh machine: `make demo` and `make test`. Both set up .venv first.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# CUDA's packages are 3 GB: they are installed only where an NVIDIA driver answers.
REQUIREMENTS := $(shell nvidia-smi -L >/dev/null 2>&1 && echo requirements.txt || echo requirements-cpu.txt)
INSTALLED := $(VENV)/installed-$(REQUIREMENTS)
INSTALLED_DEV := $(VENV)/installed-dev

.PHONY: help demo test lint clean

help:
	@echo "make demo   blur photographs, restore them, and show it in out/demo/index.html"
	@echo "make test   run the tests"
	@echo "make lint   check form, lint and types"
	@echo "make clean  remove .venv and out/demo"

demo: $(INSTALLED)
	$(RUN) -m deblur_jax.evaluation.demo --output out/demo

test: $(INSTALLED_DEV)
	$(RUN) -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: $(INSTALLED_DEV)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "deblur_jax needs Python 3.11 or newer; say which with: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): $(RUN) requirements.txt requirements-cpu.txt pyproject.toml
	$(RUN) -m pip install --quiet --disable-pip-version-check -r $(REQUIREMENTS)
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(INSTALLED_DEV): $(INSTALLED) requirements-dev.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) out/demo
