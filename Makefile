# One target for each thing that a person does here.

.DEFAULT_GOAL := help
.PHONY: help demo release dist release-check test unit sim interop apiserver lint advisories doc bench bench-peers fuzz

TARGET ?= all
ARGS ?=
SECONDS ?= 60
VERSION ?=

help: ## Say what there is
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 20

demo: ## Show two nodes and a router in a lab of namespaces (TOR=bird|gobgp|frr for a real router, FAULTS=1 with faults)
	@scripts/demo

release: ## Build the program as it is shipped, and say where it is
	@scripts/install-test-deps valgrind
	@scripts/release

dist: ## Make what is shipped: program, deb, rpm, checksums, SBOM (target/dist)
	@scripts/install-test-deps valgrind python3-pip
	@scripts/dist

release-check: ## Check that this commit can be released: make release-check VERSION=1.2.3
	@scripts/release-check "$(VERSION)"

test: ## Install what the tests need from Debian, then run all of them
	@echo "== to do: the other BGP daemons from Debian, a Kubernetes API server (built once), then the tests, phase by phase"
	@scripts/install-test-deps
	@-scripts/kube-apiserver >/dev/null
	@-for name in schemathesis kubectl helm; do scripts/from-pypi $$name >/dev/null; done
	@scripts/run-tests

unit: ## Run unit, property and documentation tests
	@scripts/run-tests unit doc

sim: ## Run a thousand simulated networks (SIM_SEEDS=first..end for others)
	@scripts/run-tests sim

interop: ## Run the tests with real BGP speakers (root, or a kernel with user namespaces)
	@scripts/run-tests interop

apiserver: ## Run the tests with a real Kubernetes API server, which is built the first time
	@scripts/kube-apiserver >/dev/null
	@for name in kubectl helm; do scripts/from-pypi $$name >/dev/null; done
	@scripts/run-tests apiserver

lint: ## Check format, lints and dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p bgp-daemon --no-default-features --locked -- -D warnings
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	@scripts/install-test-deps shellcheck
	shellcheck -x .ci/run scripts/* image/runit/*/run deploy/packages/*.sh
	scripts/check-dependencies bans licenses sources
	scripts/check-packages

advisories: ## Look for dependencies with known vulnerabilities, in a database on the internet
	scripts/check-dependencies advisories

doc: ## Build the documentation; a warning is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

bench: ## Run the benchmarks
	cargo bench --workspace --locked

bench-peers: ## Compare with the other BGP daemons that are installed (ARGS=--smoke or --full)
	cargo build --release --locked -p bgp-bench
	program=$$(scripts/release) && target/release/bgp-bench --daemon "$$program" $(ARGS)

fuzz: ## Fuzz every target for SECONDS=60, or one (TARGET=decode_message)
	@scripts/fuzz $(TARGET) $(SECONDS)
