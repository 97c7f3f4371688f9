PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install test test-slow lint demo clean

install: $(VENV)/installed

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[build,identify,serving,jax,test,dev]"
	touch $@

# Two processes, and a module in one of them: its fixtures are made once.
test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: install
	$(BIN)/python -m pytest -m slow

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# From scores to a ranked answer of a model that ships, every command as it could be typed.
PIECE := petzold_minuet_g_major
MODEL := best

demo: install
	$(BIN)/python -m tfrecords_tools.build_msmd --scores=sample --output=demo/msmd
	$(BIN)/python -m tfrecords_tools.convert --msmd=demo/msmd --output=demo/records
	$(BIN)/python -m tempo_invariant.evaluate --pretrained=$(MODEL) --data=demo/records --split=train \
		--candidates=500
	$(BIN)/python -m tempo_invariant.export --pretrained=$(MODEL) --output=demo/export
	$(BIN)/python -m tfrecords_tools.perform --piece=demo/msmd/$(PIECE) --tempo=0.8 \
		--output=demo/query.wav
	$(BIN)/python -m tfrecords_tools.snippets --msmd=demo/msmd --output=demo/snippets
	$(BIN)/python -m serving.server --model_base_path=demo/export --port=8500 & server=$$!; \
	$(BIN)/python -m serving.query --server=localhost:8500 --wait=60 \
		--audio=demo/query.wav --sheets=demo/snippets --picture=demo/answer.png; \
	status=$$?; kill $$server; exit $$status

clean:
	rm -rf demo
