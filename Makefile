# `make` shows what there is. Every backend has an environment of its own, made on first use and installed
# again only when one of the files in INSTALLED_FROM changes.

BACKEND ?= tensorflow
PYTHON ?= python3
PYTEST_ARGS ?=
JOBS ?= 2

ENVIRONMENT := $(if $(filter tensorflow,$(BACKEND)),.venv,.venv-$(BACKEND))
INSTALLED_FROM := setup.cfg pyproject.toml constraints.txt Makefile

# What the editable install in each environment takes beside the test and development tools.
EXTRA_.venv := tensorflow
EXTRA_.venv-jax := jax
EXTRA_.venv-torch := torch

# Tests are many small networks: one thread for each process, several processes.
THREADS := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test test-plain lint clean clean-all
.DELETE_ON_ERROR:

ifneq ($(filter demo test,$(MAKECMDGOALS)),)
ifeq ($(and $(filter tensorflow jax torch,$(BACKEND)),$(filter 1,$(words $(BACKEND)))),)
$(error expected BACKEND=tensorflow, jax or torch, received: BACKEND=$(BACKEND))
endif
endif

help:
	@echo "make demo                     install, then load and train Bayesian networks; writes demo.png"
	@echo "make test                     install, then run the tests on TensorFlow, in .venv"
	@echo "make test BACKEND=jax         the same on JAX, in .venv-jax"
	@echo "make test BACKEND=torch       the same on PyTorch, in .venv-torch"
	@echo "make test PYTEST_ARGS='-k X'  pass arguments to pytest"
	@echo "make test JOBS=4              so many tests at a time (2 unless said)"
	@echo "make test-plain               the tests with neither TensorFlow nor TFP installed, in .venv-plain"
	@echo "make lint                     ruff and mypy, in .venv"
	@echo "make clean                    remove builds and caches"
	@echo "make clean-all                remove the environments too"
	@echo "PYTHON=python3.12             the interpreter for environments that are not there yet (3.11 or newer)"

demo: $(ENVIRONMENT)/.installed-demo
	KERAS_BACKEND=$(BACKEND) TF_CPP_MIN_LOG_LEVEL=3 $(ENVIRONMENT)/bin/bayeskeras demo

test: $(ENVIRONMENT)/.installed-test
	$(THREADS) KERAS_BACKEND=$(BACKEND) $(ENVIRONMENT)/bin/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

# JAX without TFP is the smallest backend; what needs TFP skips itself.
test-plain: .venv-plain/.installed-plain
	@.venv-plain/bin/python -c "from importlib.util import find_spec as f; import sys; \
	  sys.exit(', '.join(m + ' is installed in .venv-plain' for m in ('tensorflow', 'tensorflow_probability') if f(m)) or None)"
	$(THREADS) KERAS_BACKEND=jax .venv-plain/bin/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

lint: .venv/.installed-dev
	.venv/bin/python -m ruff check .
	.venv/bin/python -m mypy bayeskeras tests $(wildcard scripts/*.py)

clean:
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find bayeskeras zoo tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

clean-all: clean
	rm -rf .venv .venv-jax .venv-torch .venv-plain

# An environment that is there and has pip is used, whoever made it. An install that was cut short can leave
# packages that pip takes for whole: the stamp is written after it, and an environment of make's own is made
# again (one of the user's is never removed).
define install
@if [ -e $*/.incomplete ] && [ -e $*/.made-by-make ]; then \
  echo "the last install into $* was cut short: making it again"; rm -rf $*; \
elif [ -e $*/.incomplete ]; then \
  echo "the last install into $* was cut short: if packages turn out to be broken, remove $* and try again" >&2; fi
@$*/bin/python -m pip --version >/dev/null 2>&1 || { \
  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
    echo "expected Python 3.11 or newer, received: PYTHON=$(PYTHON), which says: $$($(PYTHON) --version 2>&1 | head -n 1)" >&2; \
    exit 1; }; \
  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
    echo "$(PYTHON) cannot make an environment: its module venv or ensurepip is missing." >&2; \
    echo "On Debian and Ubuntu: apt install python3-venv. Or use another: make ... PYTHON=python3.12" >&2; exit 1; }; \
  [ -e $* ] || { mkdir $* && touch $*/.made-by-make $*/.incomplete; }; \
  echo "$(PYTHON) -m venv $*"; $(PYTHON) -m venv $*; }
@touch $*/.incomplete
$*/bin/python -m pip install --constraint constraints.txt $(REQUIREMENTS)
@mv $*/.incomplete $@
endef

%/.installed-demo: REQUIREMENTS = --editable '.[$(EXTRA_$*)]'
%/.installed-demo: $(INSTALLED_FROM)
	$(install)

%/.installed-test: REQUIREMENTS = --editable '.[$(EXTRA_$*),test]'
%/.installed-test: $(INSTALLED_FROM)
	$(install)

%/.installed-dev: REQUIREMENTS = --editable '.[$(EXTRA_$*),test,dev]'
%/.installed-dev: $(INSTALLED_FROM)
	$(install)

%/.installed-plain: REQUIREMENTS = --editable '.[test]' jax
%/.installed-plain: $(INSTALLED_FROM)
	$(install)
