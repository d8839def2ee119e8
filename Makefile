# One command each: `make demo` runs the main job on samples/, `make test` proves the house.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test readers check format bench bench-printing bench-chip bench-shipping bench-billing lock system-packages clean

$(VENV)/.ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: $(VENV)/.ready ## the day on samples/, results under demo/
	$(BIN)/hsecard demo

check: $(VENV)/.ready ## style, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check ## everything, on real parts
	$(BIN)/pytest -n auto

bench: $(VENV)/.ready ## figures as ratios to a bare floor, see benchmarks/README.md
	$(BIN)/python -m benchmarks.end_to_end
	$(BIN)/python -m benchmarks.orchestration

bench-printing: $(VENV)/.ready ## photos, faces and read-back beside bare loops; ten thousand mix-ups
	$(BIN)/python -m benchmarks.printing

bench-chip: $(VENV)/.ready ## exchanges a card, host time beside bare cryptography, eight readers beside one
	$(BIN)/python -m benchmarks.chip

bench-shipping: $(VENV)/.ready ## µs an address key, planning, the postage audit beside bare loops; four ways to hold mail
	$(BIN)/python -m benchmarks.shipping
	$(BIN)/python -m benchmarks.postage
	$(BIN)/python -m benchmarks.holding

bench-billing: $(VENV)/.ready ## invoices a second by eight writers, documents drawn, audit and reconcile of half a million rows
	$(BIN)/python -m benchmarks.billing
	$(BIN)/python -m benchmarks.reconcile

readers: $(VENV)/.ready ## pyscard for PC/SC readers; builds against libpcsclite-dev, so it is an extra
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-pcsc.lock

system-packages: ## Debian programs that the system tests meet (root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends poppler-utils cups-ipp-utils dbus avahi-daemon pcscd vsmartcard-vpcd libpcsclite-dev softhsm2 gcc libc6-dev

format: $(VENV)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.ready ## resolve pyproject.toml into hash-pinned locks
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra dev -o requirements-dev.lock pyproject.toml
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["pcsc"], sep="\n")' | $(BIN)/uv pip compile --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements-pcsc.lock -

clean:
	rm -rf $(VENV) demo build .mypy_cache .ruff_cache .pytest_cache
