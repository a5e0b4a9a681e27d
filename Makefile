# Holdfast's commands. `make run` and `make test` need nothing but python3 (3.11 or newer) and make.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PORT ?=
# Two cores are what is promised; more are taken where they are.
WORKERS ?= auto
# What static checks need to read the settings; nothing connects.
STATIC := ENVIRONMENT=test SECRET_KEY=static DATABASE_URL=postgresql://static@%2Fnowhere/static

.PHONY: run test drills bench lint docs tools lock format help
help:
	@echo "make run     the service on this machine, with a PostgreSQL of its own"
	@echo "make test    the tests that need nothing from the operating system"
	@echo "make drills  real faults in disposable clusters"
	@echo "make lint    static checks"
	@echo "make docs    writes the generated pages of docs/ again"
	@echo "make bench   measurements side by side, as ratios"
	@echo "make tools   installs the operating system's programs that tests and drills use, by apt"
	@echo "make lock    locks requirements/*.in with hashes"

$(READY): requirements/development.txt ops/prepare
	@sh ops/prepare $(PYTHON) $(VENV)
	@touch $(READY)

run: $(READY)
	@PORT="$(PORT)" $(BIN)/python -m apps.web.launch

test: $(READY)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# The specimens have servers of their own; what is timed or struck has the machine to itself.
drills: $(READY)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal drills/test_self_test.py
	@$(BIN)/python -m pytest drills --ignore=drills/test_self_test.py

bench: $(READY)
	@$(BIN)/python -m bench

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m apps.database.formatted_sql
	@$(STATIC) $(BIN)/mypy
	@$(STATIC) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run --skip-checks
	@$(STATIC) $(BIN)/python -W ignore::RuntimeWarning manage.py lint_migrations
	@$(BIN)/pre-commit validate-config

docs: $(READY)
	@$(BIN)/python -m config.reference
	@$(STATIC) $(BIN)/python -W ignore::RuntimeWarning -m apps.controls.reference
	@$(BIN)/python -m apps.risks.traceability

format: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

tools:
	@sh ops/tools

lock: $(READY)
	@for name in base production development; do \
		$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 \
			--custom-compile-command "make lock" \
			requirements/$$name.in -o requirements/$$name.txt || exit 1; done
