# Everything a person does here. `make demo` and `make test` need only Python 3.11 (or newer) and make.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test lint protos train lock test-image wheel clean

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)  ## convert the example models, prove them, serve them, call them
	@$(BIN)/python tests/e2e/demo.py

test: $(STAMP) lint  ## every test
	$(BIN)/python -m pytest

lint: $(STAMP)  ## style, types, and generated code up to date
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python protos/generate.py --check

protos: $(STAMP)  ## regenerate the protobuf code
	$(BIN)/python protos/generate.py

train: $(STAMP)  ## train the example models again
	$(BIN)/python models/train.py

lock: $(STAMP)  ## pin every dependency again, with hashes
	$(BIN)/python requirements/lock.py

wheel: $(STAMP)  ## build the wheel into dist/
	$(BIN)/python -m build --no-isolation --wheel

test-image: $(STAMP)  ## build the images and call the server in one (as root; needs buildah and debootstrap)
	deploy/test-image

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
