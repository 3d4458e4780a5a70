# Miyun 密云. `make up` on a fresh machine sets everything up and performs the example contract as a rehearsal.
UV_VERSION := 0.13.8
UV := .tools/bin/uv
export UV_PROJECT_ENVIRONMENT := .venv
# Where bytecode is never written, each of a node's processes compiles every module at every start: four fifths of it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install up down test lint bench assurance clean
help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(UV):
	python3 -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.installed: $(UV) pyproject.toml uv.lock setup.py $(wildcard native/* native/skf/*)
	rm -f src/miyun/gm/_native.*.so src/miyun/hsm/skf/lib/libmiyun_skf.so
	$(UV) sync --quiet --reinstall-package miyun
	@.venv/bin/python -m miyun.gm.providers
	@.venv/bin/python -c "import miyun.edge.http.__main__, miyun.edge.jobs"
	touch $@

.venv/.assets: .venv/.installed deploy/assets.sh deploy/console/package-lock.json
	bash deploy/assets.sh
	touch $@

install: .venv/.installed .venv/.assets ## create .venv, build the native core, fetch the console's pinned assets
	@.venv/bin/python -m compileall -q -j 0 src

up: install ## start the platform, perform the contract as a rehearsal, print where everything is
	.venv/bin/python -m miyun.edge.rehearsal

down: ## stop the platform; leaves nothing running
	@if [ -x .venv/bin/miyun ]; then .venv/bin/miyun stop; fi

# A fixed hash seed: every worker has to collect the same tests in the same order.
test: install ## install what the engines need and run the whole suite
	bash deploy/engines.sh
	PYTHONHASHSEED=0 .venv/bin/python -m pytest -n 2 --dist worksteal

lint: .venv/.installed ## style, types, corridors
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/mypy

bench: install ## measure us and the peers side by side
	for name in crypto api growth certificate; do [ ! -f benchmarks/$$name.py ] || .venv/bin/miyun bench $$name --json --write || exit 1; done

# Timing tests come first and alone: what runs beside them is in their figures.
assurance: install ## long checks: timing, broken kernels, sanitizers, many differential and fuzz cases, faults
	bash deploy/engines.sh
	$(UV) sync --quiet --inexact --group fuzz
	.venv/bin/python -m pytest -m slow -rP tests/assurance/test_timing.py
	PYTHONHASHSEED=0 FAULT_ROUNDS=20 FUZZ_CASES=20000 .venv/bin/python -m pytest -n 2 --dist worksteal \
		-m "slow or not slow" --ignore tests/assurance/test_timing.py

clean: down ## remove what was built (keeps var/)
	rm -rf .venv .tools build src/*.egg-info
