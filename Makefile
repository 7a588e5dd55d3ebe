# SPDX-License-Identifier: BSD-3-Clause
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: export check test fuzz lint docs zoo compatibility peers constraints sizes slow clean

export:  ## Set up and export the embedded default
	@./setup.sh $(VENV) export
	$(BIN)/edge export --mode eca --int8

check: lint  ## Lint, types, import contracts and the tests that take no training, export or compiler
	$(BIN)/pytest -m "not slow"

test: lint  ## Lint, types, import contracts and every test
	$(BIN)/pytest

fuzz:  ## Damage files for every reader and signals for the C, SECONDS=60 each; SURFACE= for one
	@./setup.sh $(VENV) dev
	$(BIN)/python -W ignore -m tests.fuzz --seconds $(or $(SECONDS),60) $(if $(SURFACE),--surface $(SURFACE))

lint:
	@./setup.sh $(VENV) dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs:  ## Write the generated pages anew and build all of them into .cache/docs
	@./setup.sh $(VENV) dev
	rm -rf .cache/docs && mkdir -p .cache/docs
	$(BIN)/edge export --mode eca --int8 --targets c --out .cache/docs/eca
	$(BIN)/edge firmware .cache/docs/eca --device nrf52840 --uv-per-count 0.0223517 --out .cache/docs/firmware
	$(BIN)/python -m docs.tools.generate --firmware .cache/docs/firmware
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs .cache/docs/html

zoo:  ## Train the shipped checkpoints anew
	@./setup.sh $(VENV) export
	for name in $$(ls edge/zoo); do \
		test ! -d edge/zoo/$$name || \
		$(BIN)/edge train --model $$name --data sim --epochs 40 --out edge/zoo/$$name || exit; \
	done

compatibility:  ## Run every network on every runtime; golden file and reference table
	@./setup.sh $(VENV) dev
	$(BIN)/python -m benchmarks.studies.compatibility

peers:  ## Compare with stock tools; docs/notes/peers.md. MODES=all for every mode
	@./setup.sh $(VENV) dev
	@./setup.sh .cache/peers benchmarks/studies/peers/requirements.txt || true
	$(BIN)/python -m benchmarks.studies.peers --modes $(or $(MODES),eca)

constraints:  ## Pin the versions that are installed, after the suite has passed with them
	$(BIN)/python .ci/freeze.py > .constraints.part
	mv .constraints.part constraints.txt

sizes:  ## Measure what `make export` installs; .ci/sizes.txt
	rm -rf .cache/sizes
	./setup.sh .cache/sizes/venv export
	env -u PYTHONDONTWRITEBYTECODE .cache/sizes/venv/bin/edge export --mode eca --int8 --out .cache/sizes/eca
	.cache/sizes/venv/bin/python .ci/sizes.py > .cache/sizes/sizes.txt
	mv .cache/sizes/sizes.txt .ci/sizes.txt

slow:  ## Measure which tests `make check` leaves out; tests/slow.txt
	$(BIN)/pytest -q -p tests.durations

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
