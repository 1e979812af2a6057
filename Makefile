# `make train` and `make test` start from a bare clone with nothing but Python 3.11 or newer.
# The first call makes .venv and installs; later calls install only when setup.py or constraints.txt changed.

.DEFAULT_GOAL := help
.PHONY: help install train test slow lint types docs clean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# TensorFlow takes 6-10 s to import in each process and leaves most of one core idle while a test runs:
# two workers that keep whole files together are faster than one, more of them on few cores are not.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
WORKERS ?= $(if $(filter 1,$(CORES)),0,2)

help:
	@echo "make train   train gpt on the built-in tax_domain; the state goes to ./.zoo"
	@echo "make test    all tests but the slow ones"
	@echo "make slow    the slow tests: whole path, examples of the docs"
	@echo "make lint    ruff, mypy --strict, the direction of imports"
	@echo "make docs    the documentation, into ./site"
	@echo "make clean   removes what can be made again; keeps .venv and .zoo"

train: $(STAMP)
	@$(BIN)/zoo train gpt --pipeline tax_domain

test: $(STAMP)
	@$(BIN)/python -m pytest -q -m "not slow" -n $(WORKERS) --dist loadfile

slow: $(STAMP)
	@$(BIN)/python -m pytest -q -m slow -n $(WORKERS) --dist loadgroup --durations 20

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: $(STAMP)
	@$(BIN)/mkdocs build --strict
	@echo "open site/index.html"

clean:
	@rm -rf build dist site *.egg-info .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find governance pipelines registry zoo tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

install: $(STAMP)

# The stamp is written last: an install that was interrupted is done again.
$(STAMP): setup.py constraints.txt
	@python=""; \
	for name in python3.11 python3.12 python3.13 python3; do \
		if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "error: no Python 3.11 or newer on the PATH; install one (python.org/downloads), then call make again" >&2; \
		exit 1; \
	fi; \
	if [ ! -x $(BIN)/python ]; then \
		if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
			echo "error: $$python cannot make environments; install its venv package (Debian: python3-venv)" >&2; \
			exit 1; \
		fi; \
		echo "making $(VENV) with $$python, $$($$python --version)"; \
		$$python -m venv $(VENV); \
	fi
	@echo "installing domain-zoo and its libraries (about 2 GB, some minutes, once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@
