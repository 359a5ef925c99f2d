# make demo: the main job on a bundled structure. make test: all checks. Both make and use .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
DEMO := demo/1ubi

.PHONY: demo test lint docs-check clean

demo: .venv/installed
	$(BIN)/plait score examples/1ubi.pdb --out $(DEMO)

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

# torch goes first and alone, so that pip takes the pinned build before any other package asks for the newest.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(PIP) --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(PIP) --editable ".[test]"
	touch $@

clean:
	rm -rf .venv demo
