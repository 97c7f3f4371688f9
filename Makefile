PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# The second environment has the packages of Python 3.13, TensorFlow 2.21 among them, on any Python.
NEWEST := .venv-newest
NEWEST_PYTHON := 3.13

.PHONY: install install-newest test test-newest test-slow test-rows lint demo clean

install: $(VENV)/installed

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[jax,lilypond,rooms,test,dev]"
	touch $@

install-newest: $(NEWEST)/installed

$(NEWEST)/installed: $(VENV)/installed tests/rows.py
	$(BIN)/python -m tests.rows $(NEWEST_PYTHON) jax,lilypond,rooms,test > $(VENV)/newest.txt
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --requirement $(VENV)/newest.txt
	$(NEWEST)/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

# Two processes, and a module in one of them: its fixtures are made once.
test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-newest: install-newest
	$(NEWEST)/bin/python -m pytest -n 2 --dist loadfile

test-slow: install
	$(BIN)/python -m pytest -m slow

# Weights, exports and runs of one row in the other.
test-rows: install install-newest
	OTHER_ROW_PYTHON=$(NEWEST)/bin/python $(BIN)/python -m pytest -m slow tests/test_rows.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# From scores to the name and the place of what is played, every command as it could be typed.
PIECE := petzold_minuet_g_major
MODEL := best

demo: install
	$(BIN)/tempo-invariant build-msmd --scores=sample --output=demo/msmd
	$(BIN)/tempo-invariant perform --piece=demo/msmd/$(PIECE) --tempo=0.8 \
		--output=demo/query.wav
	$(BIN)/tempo-invariant export --pretrained=$(MODEL) --output=demo/export
	rm -rf demo/index
	$(BIN)/tempo-invariant server --model_base_path=demo/export --port=8500 & server=$$!; \
	$(BIN)/tempo-invariant index --server=localhost:8500 --wait=60 \
		--scores=demo/msmd --index=demo/index && \
	$(BIN)/tempo-invariant identify --server=localhost:8500 --index=demo/index \
		--audio=demo/query.wav --output=demo/answer; \
	status=$$?; kill $$server; exit $$status

clean:
	rm -rf demo
