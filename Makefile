# The two commands of the README, demo and test, and their kin. `make help` lists them.
#
# Builds go to one cache folder outside the checkout, so that a fresh clone compiles our own
# crates only, and never RocksDB and librdkafka again.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/setpoint
export CARGO_TARGET_DIR ?= $(CACHE)/target

# The demo and the tests share this profile and this folder.
SETPOINT := $(CARGO_TARGET_DIR)/debug/setpoint

# The binary, with the features that the tests bring to our dependencies: naming the whole workspace
# and one small test makes cargo choose them as `cargo test` does. So nothing from outside is
# compiled a second time when the tests follow the demo.
BUILD := cargo build --locked --workspace --bin setpoint --test refusals

# The seed of `make simulate`, or how many seeds from 1 on, or from FROM on when a long run was broken
# off there.
SEED ?=
SEEDS ?= 500
FROM ?= 1

# Set for a `make bench` of seconds.
QUICK ?=

# How long each of the two soaks of `make soak` takes.
SOAK_SECONDS ?= 1800

.DEFAULT_GOAL := help
.PHONY: help setup build demo up test test-long simulate bench soak lint clean-help

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1 /p' $(MAKEFILE_LIST) \
		| while read -r name what; do printf 'make %-11s %s\n' "$$name" "$$what"; done

setup: ## install what the build and the tests need (Debian 12, root)
	@scripts/setup

build:
	@scripts/setup build
	@if [ ! -x "$(SETPOINT)" ]; then \
		echo "The first build compiles RocksDB, librdkafka and the engine: up to 30 minutes on"; \
		echo "two cores. Later builds take only what changed. Into $(CARGO_TARGET_DIR)"; \
	fi
	$(BUILD)

demo: build ## the main job on this machine, narrated and checked, 90 s after the build
	@"$(SETPOINT)" demo

up: build ## everything on this machine, pods as processes, left running until Ctrl-C
	@"$(SETPOINT)" up --runtime process --agents 3

test: build ## all tests, real Kafka and real Docker Engines included
	@scripts/setup test
	SETPOINT_REQUIRE_REAL=$${SETPOINT_REQUIRE_REAL:-1} cargo test --locked --workspace --no-fail-fast

# Twenty times the usual seeds of each kind of journey are worth compiling the simulation once more, with all that
# the compiler can do and into a folder of its own; beside the other tests it has one seed of each kind.
# Each is run, whatever became of the other.
SIMULATE_LONG := CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/simulate CARGO_PROFILE_DEV_OPT_LEVEL=3 \
	cargo test --locked --package setpoint-tests --test simulation --no-fail-fast -- --nocapture

test-long: build ## the same tests in their long forms, and 37,000 journeys of the simulation, for hours
	@scripts/setup test
	export SETPOINT_REQUIRE_REAL=1 SETPOINT_TEST_LONG=1; failed=0; \
		SETPOINT_SEEDS=1 cargo test --locked --workspace --no-fail-fast || failed=1; \
		$(SIMULATE_LONG) || failed=1; \
		exit $$failed

simulate: ## the simulation alone: SEED=8417 for one seed with its trace, SEEDS=10000 for many
	@scripts/setup build
	SETPOINT_SEED=$(SEED) SETPOINT_SEEDS=$(SEEDS) SETPOINT_FROM=$(FROM) \
		cargo test --locked --workspace --test simulation -- --nocapture

# RocksDB of the tests' profile, which optimises what we stand on as a release does: where it was built
# already it is not built again.
ROCKSDB := $(firstword $(wildcard $(CARGO_TARGET_DIR)/debug/build/librocksdb-sys-*/out/librocksdb.a))
BENCH := $(if $(ROCKSDB),ROCKSDB_STATIC=1 ROCKSDB_LIB_DIR=$(patsubst %/,%,$(dir $(ROCKSDB)))) \
	cargo run --locked --release --package setpoint-benches --

bench: ## the published measurements, into target/bench/results.json; QUICK=1 for seconds
	@scripts/setup build
	$(BENCH) --out $(CURDIR)/target/bench/results.json $(if $(QUICK),--quick)

soak: ## two soaks of 30 minutes, into target/soak/results.json; SOAK_SECONDS=60 for short ones
	@scripts/setup build
	$(BENCH) --out $(CURDIR)/target/soak/results.json $(if $(QUICK),--quick) \
		--only soak --soak-seconds $(SOAK_SECONDS)

lint: ## formatting and clippy, a warning is an error
	@scripts/setup build
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

clean-help: ## what lies where, and how to remove it
	@echo "Builds:        rm -rf $(CARGO_TARGET_DIR)"
	@echo "Kafka's jars:  rm -rf $(CACHE)/kafka*"
	@echo "Fleet of up:   rm -rf .setpoint"
