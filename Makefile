# Thin: each target is one or two commands that also work by themselves.
#   make bench JOBS=4        make report SUITE=suites/smoke.yaml        make bench FILTER='dataset=mnist seed=0'

SUITE ?= suites/quick.yaml
JOBS  ?=
# Of runs and their report alike, which then goes to a folder of its own.
FILTER ?=
ARGS  ?=

# Cargo is to build against what scripts/libtorch.sh linked (.cargo/config.toml), also where LIBTORCH was how it found that:
# one path, so going from make to plain cargo and back rebuilds nothing.
CARGO  := env -u LIBTORCH cargo
APICAL := $(or $(CARGO_TARGET_DIR),target)/release/apical
# Where tests that could not check anything say so; shown in the end.
SKIPPED := $(or $(CARGO_TARGET_DIR),target)/tmp/skipped-tests.txt
FILTERS := $(addprefix --filter ,$(FILTER))
RUN_OPTIONS := $(if $(JOBS),--jobs $(JOBS)) $(FILTERS) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup cargo build bench nightly run report test lint docs perf clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "Variables: SUITE=$(SUITE)  JOBS=<runs at once>  FILTER=<dataset=mnist …>  ARGS=<options for apical>"

setup: ## find or install LibTorch
	@scripts/libtorch.sh

cargo:
	@command -v cargo >/dev/null || { \
	  echo "cargo not found. Rust comes from https://rustup.rs:" >&2; \
	  echo "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh    then open a new shell" >&2; exit 1; }

build: cargo setup ## compile target/release/apical
	$(CARGO) build --release --locked

bench: build ## run the suite (what is missing of it) and write its report
	$(APICAL) run $(SUITE) $(RUN_OPTIONS)
	$(APICAL) report $(SUITE) $(FILTERS)

nightly: SUITE := $(if $(filter file,$(origin SUITE)),suites/nightly.yaml,$(SUITE))
nightly: build ## run the nightly suite, write its report, compare with the night before (docs/nightly.md)
	SUITE='$(SUITE)' APICAL='$(APICAL)' scripts/nightly.sh $(RUN_OPTIONS)

report: build ## write the suite's report again from its recorded runs
	$(APICAL) report $(SUITE) $(FILTERS) $(ARGS)

test: lint ## formatting, lints, every test, links in the documents
	@rm -f $(SKIPPED)
	$(CARGO) test --workspace --locked $(ARGS)
	python3 scripts/check-docs.py
	@if [ -s $(SKIPPED) ]; then echo "NOT EVERYTHING WAS CHECKED:" >&2; cat $(SKIPPED) >&2; fi

lint: cargo setup ## formatting and lints only
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

perf: build ## samples per second beside PyTorch on the same work
	scripts/perf.sh $(ARGS)

clean: ## remove what was compiled; results, data and LibTorch stay
	$(CARGO) clean
