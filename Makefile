# Two commands: `make demo` runs the main job, `make test` passes the tests. Each does all its own set-up.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
ENV := testbed/bin/env
# The tests that start stores' servers, those of files that other programs read, and those that ask kubectl or a linter
# hundreds of times.
SLOW := postgres_ mysql_ mongo_ redis:: volume parquet:: groovy_ lock_edits::

.PHONY: demo test test-fast test-slow test-cluster bench bed build lint clean-demo

# The production system of examples/shop on a cluster of this machine.
demo: bed build
	source $(ENV) && cd examples/shop && ../../target/release/devcluster up --yes
	@echo
	@echo "Try next, in examples/shop:"
	@echo "  ../../target/release/devcluster status     what runs, and what memory it takes"
	@echo "  ../../target/release/devcluster parity     how close this is to production"
	@echo "  ../../target/release/devcluster up         again: nothing to do"
	@echo "  ../../target/release/devcluster logs       the whole system's"
	@echo "  ../../target/release/devcluster down       takes it away; its data stays"

# Fast tests first: pure code, a real API server on the host; then the stores' servers and what takes long; then real kind clusters.
test: test-fast test-slow test-cluster

test-fast: bed
	testbed/apiserver/ensure
	testbed/tools/ensure bindfs actionlint check-jsonschema tekton-check attestation-check gitlab-ci-local
	source $(ENV) && cargo test --lib && cargo test --test it -- $(SLOW:%=--skip %)

test-slow: bed
	testbed/tools/ensure postgresql redis mariadb attr ferretdb pyarrow npm-groovy-lint
	source $(ENV) && cargo test --test it -- $(SLOW)

test-cluster: bed
	testbed/tools/ensure postgresql
	testbed/images/ensure busybox:1.38.0 mariadb:10.11 mongo:7
	source $(ENV) && cargo test --test e2e -- --test-threads=1 --nocapture

# Side by side with what people use today; prints ratios.
bench: bed build
	testbed/tools/ensure skaffold postgresql tpchgen-cli
	source $(ENV) && benches/run && benches/dev && benches/revert && cargo bench --bench data && cargo bench --bench volume

build:
	cargo build --release --bin devcluster

# Engine, tools, node image, stand-in images: whatever this machine lacks.
bed:
	testbed/ensure

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

clean-demo:
	source $(ENV) && cd examples/shop && ../../target/release/devcluster down --data --yes
