# make demo     a real pypiserver, the proxy before it, keys, and lines to paste; ARGS="--upstream devpi", ARGS=--oidc
# make test     every test, real clients included; make test ARGS="tests/domain -x" runs some of them
# make check    lint, types, import contract, tests, and the coverage that the heart of the house has to have
# make faults   hundreds of kills, thousands of power cuts, full disks, a faulty index, crowds and bombs: half an hour
# make fuzz     a coverage-guided search for what crashes a parser, a minute of it; make fuzz ARGS="--seconds 3600 form"
# make image    the container image and the guide for Debian, built and run without an engine: minutes, root
# make bench    one table: direct, through the proxy, through nginx and HAProxy
# All that is needed is installed into .venv: no environment has to be activated. PYTHON=... chooses another python.

VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
export VENV PYTHON

# Over all cores; one that is done takes of what another has still to do: long tests stand together.
SPREAD := -n auto --dist worksteal

# The rooms in which every branch has a test.
CORE := authproxy/domain/*,authproxy/backend/form*,authproxy/backend/framing*,authproxy/backend/grammar*,authproxy/backend/encoding*,authproxy/authority/*

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types contract format faults fuzz image bench dist clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# One stamp per set of extras. The larger set holds the smaller: a checkout that is ready for tests is ready for the demo.
$(VENV)/.installed-demo $(VENV)/.installed-demo-devpi: pyproject.toml .ci/install
	@test $(VENV)/.installed-check -nt pyproject.toml || .ci/install $(@:$(VENV)/.installed-%=%)
	@touch $@

$(VENV)/.installed-check: pyproject.toml .ci/install
	@.ci/install test,lint
	@touch $@

# pdm, which is not in the set of the tests: they have it in an environment of its own.
$(VENV)/.installed-demo-oidc: pyproject.toml .ci/install
	@.ci/install demo-oidc
	@touch $@

demo: $(VENV)/.installed-demo$(if $(findstring oidc,$(ARGS)),-oidc,$(if $(findstring devpi,$(ARGS)),-devpi))
	@$(BIN)/authproxy demo $(ARGS)

test: $(VENV)/.installed-check
	$(BIN)/python -m pytest $(or $(ARGS),$(SPREAD))

check: lint types contract
	$(BIN)/python -m pytest $(SPREAD) --cov --cov-report= $(ARGS)
	$(BIN)/python -m coverage report --include='$(CORE)' --fail-under=100
	$(BIN)/python -m tests.fuzz --seconds 30

lint: $(VENV)/.installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-check
	$(BIN)/mypy

contract: $(VENV)/.installed-check
	$(BIN)/lint-imports

format: $(VENV)/.installed-check
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Their small subset and the negative controls are part of every test run as well. Before a faulty index there is more to
# wait for than to do, so that more of it runs at once; where ARGS choose nothing of one half (5), the other has it.
FAULTS := $(BIN)/python -m pytest -m "faults or not faults" -rP
faults: $(VENV)/.installed-check
	$(FAULTS) -n 4 --dist loadgroup tests/faults/test_index_faults.py $(ARGS) || [ $$? -eq 5 ]
	$(FAULTS) -n auto tests/faults --ignore=tests/faults/test_index_faults.py $(ARGS) || [ $$? -eq 5 ]

# The checks run it for half a minute. What reached something new is kept in .hypothesis/fuzz, where the next run begins.
fuzz: $(VENV)/.installed-check
	$(BIN)/python -m tests.fuzz $(ARGS)

# As root on a Debian with buildah, mmdebstrap and systemd-container; what is missing is said, and skipped.
image: $(VENV)/.installed-check
	$(BIN)/python -m pytest tests/deploy -m image -rs $(ARGS)

bench: $(VENV)/.installed-check
	@$(BIN)/python -m bench $(ARGS)

dist: $(VENV)/.installed-check
	rm -rf dist
	$(BIN)/python -m build --quiet
	$(BIN)/python -m twine check --strict dist/*

clean:
	rm -rf $(VENV) dist build .coverage .coverage.* .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find authproxy tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
