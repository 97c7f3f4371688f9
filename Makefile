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

# From scores to the name and the place of what is played, every command as it could be typed.
PIECE := petzold_minuet_g_major
MODEL := best

demo: install
	$(BIN)/python -m tfrecords_tools.build_msmd --scores=sample --output=demo/msmd
	$(BIN)/python -m tfrecords_tools.perform --piece=demo/msmd/$(PIECE) --tempo=0.8 \
		--output=demo/query.wav
	$(BIN)/python -m tempo_invariant.export --pretrained=$(MODEL) --output=demo/export
	rm -rf demo/index
	$(BIN)/python -m serving.server --model_base_path=demo/export --port=8500 & server=$$!; \
	$(BIN)/python -m tempo_invariant.index --server=localhost:8500 --wait=60 \
		--scores=demo/msmd --output=demo/index && \
	$(BIN)/python -m tempo_invariant.identify --server=localhost:8500 --index=demo/index \
		--audio=demo/query.wav --output=demo/answer; \
	status=$$?; kill $$server; exit $$status

clean:
	rm -rf demo
