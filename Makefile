# `make demo` shows what Linkspan does, `make test` proves it. Both install what they lack when run as root, and say what to
# install otherwise.

CARGO   ?= cargo
PREFIX  ?= /usr/local
# Where the plugins go; a path below DESTDIR.
CNI_BIN ?= /opt/cni/bin
# The processor that is built for, where it is not this machine's: arm64.
ARCH    ?=
# Part of a name: of a test, for test, test-vm and reference; of a scenario, for bench.
T       ?=

TARGET  := $(or $(CARGO_TARGET_DIR),target)
BIN     := $(TARGET)/$(shell ARCH='$(ARCH)' scripts/release --print-target)/release
RELEASE := ARCH='$(ARCH)' CARGO='$(CARGO)' scripts/release
# Where `make dist` puts what is shipped.
OUT     ?= dist$(addprefix -,$(ARCH))

# Of one executable; scripts/run-tests runs as many executables at a time as there are processors.
export RUST_TEST_THREADS ?= 2

.PHONY: help
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make demo         two containers on a network, in a sandbox: attached, pinging, masqueraded, detached
.PHONY: demo
demo: build
	@$(BIN)/linkspan demo

## make build        the static binaries, in target/<target>/release, which its last line names
.PHONY: build
build: setup-build
	@$(RELEASE)

## make dist         what is shipped, in dist/ (OUT=), with checksums: the same bytes from the same commit wherever it is built
.PHONY: dist
dist: setup-dist
	@ARCH='$(ARCH)' CARGO='$(CARGO)' OUT='$(OUT)' scripts/dist

## make test-arm64   that what `make dist ARCH=arm64` has made works on Debian's kernel for arm64, in an emulated machine
.PHONY: test-arm64
test-arm64:
	@scripts/test-arm64

## make reproducible builds what is shipped twice, at different places by different users, and compares it byte for byte
.PHONY: reproducible
reproducible: setup-dist
	@CARGO='$(CARGO)' scripts/reproducible

## make install      linkspan to $(PREFIX)/bin, its manual and completions to $(PREFIX)/share, the plugins to $(CNI_BIN);
##                   DESTDIR is put before all. make install-built BIN=DIR: what is built already
.PHONY: install install-built
install: build install-built
install-built:
	install -D -m 755 $(BIN)/linkspan $(DESTDIR)$(PREFIX)/bin/linkspan
	$(BIN)/linkspan man --dir $(SHARE)/man/man1
	install -d $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	$(BIN)/linkspan completions bash >$(SHARE)/bash-completion/completions/linkspan
	$(BIN)/linkspan completions zsh >$(SHARE)/zsh/site-functions/_linkspan
	$(BIN)/linkspan completions fish >$(SHARE)/fish/vendor_completions.d/linkspan.fish
	$(BIN)/linkspan install --from $(BIN)/linkspan-plugins --bin-dir $(DESTDIR)$(CNI_BIN)

SHARE := $(DESTDIR)$(PREFIX)/share

## make test         everything: formatting, lints, all tests (those that need it in a virtual machine), documentation
.PHONY: test
test: setup fmt-check lint doc package-check test-release dist
	@$(SHIPPED) CARGO='$(CARGO)' scripts/run-tests $(T)
	@$(CARGO) test --locked --workspace --doc --quiet $(T)

# Tests call the plugins that ship, and look at what is shipped.
SHIPPED := LINKSPAN_PLUGINS=$(abspath $(BIN))/linkspan-plugins LINKSPAN=$(abspath $(BIN))/linkspan LINKSPAN_DIST=$(abspath $(OUT))

.PHONY: test-release
test-release: build
	@$(RELEASE) -p linkspan-start --example unwinding
	@RUST_BACKTRACE=0 $(BIN)/examples/unwinding 2>/dev/null || { echo 'a panic does not unwind in a release'; exit 1; }

## make test-unit    the tests that need neither namespaces nor Debian's packages
.PHONY: test-unit
test-unit:
	@$(CARGO) test --locked --workspace --lib --bins $(T)
	@$(CARGO) test --locked -p linkspan-spec -p linkspan-nft --test '*' $(T)

## make test-vm      the tests that this kernel cannot run, in a virtual machine; with T=name any test of that name
.PHONY: test-vm
test-vm: setup build
ifeq ($(T),)
	@LINKSPAN_VM=only $(SHIPPED) $(CARGO) test --locked --workspace --exclude linkspan-testkit --exclude linkspan-proof --tests
	@$(CARGO) test --locked -p linkspan-testkit --test vm
else
	@LINKSPAN_VM=all $(SHIPPED) $(CARGO) test --locked --workspace --tests $(T)
endif

## make fuzz-smoke   every reader of anybody's bytes (fuzz) for SECONDS=60 each; T=name that one
.PHONY: fuzz-smoke
fuzz-smoke: setup-build
	@CARGO='$(CARGO)' scripts/fuzz $(or $(SECONDS),60) $(T)

## make proof        the proofs of docs/proof.md, whole, and what they counted as a table: an hour and a half
##                   make e2e, chaos, histories, conformance, compare, sigkill, mutants: one of them
PROOFS := e2e chaos histories conformance compare sigkill mutants
.PHONY: proof $(PROOFS)
proof:
	@CARGO='$(CARGO)' scripts/proof
$(PROOFS):
	@CARGO='$(CARGO)' scripts/proof $@

## make bench        every call timed beside the reference's (and NETAVARK=PATH), tables and pictures of it in docs/benchmarks.md
.PHONY: bench
bench: setup build
	@$(CARGO) build --locked --release --quiet -p linkspan-plugins --features in-process --example storm
	@$(BIN)/linkspan install --from $(BIN)/linkspan-plugins --bin-dir $(TARGET)/bench >/dev/null
	@LINKSPAN=$(abspath $(BIN))/linkspan LINKSPAN_BIN=$(abspath $(TARGET))/bench LINKSPAN_STORM=$(abspath $(TARGET))/release/examples/storm \
		$(CARGO) bench --locked -p linkspan-benches --bench plugins $(if $(T),-- $(T))

## make lint         clippy, and that the licences and sources of dependencies are allowed where cargo-deny is installed
.PHONY: lint
lint:
	@$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(MAKE) --no-print-directory deny; fi

## make deny         licences, sources, duplicate versions and advisories of the dependencies
.PHONY: deny
deny:
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo 'cargo-deny is missing: cargo install --locked cargo-deny'; exit 1; }
	@$(CARGO) deny --log-level error check licenses bans sources

## make package      the crates that are published, as files in target/package, each built from what is in its file
.PHONY: package package-check
package:
	@CARGO='$(CARGO)' scripts/package
# Without building them, and from what is here: a file that is missing, a dependency that is not published.
package-check:
	@$(CARGO) package --locked --offline --quiet --allow-dirty --no-verify $(PUBLISHED)

PUBLISHED = $(shell scripts/published)

## make docs-rs      the documentation of each published crate alone, with all features, as docs.rs makes it
.PHONY: docs-rs
docs-rs:
	@set -e; for crate in $(filter-out -p,$(PUBLISHED)); do \
		echo "$$crate"; RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --all-features --quiet -p $$crate; done

## make semver       what breaks users of the published crates since the last release (tag v…), or since REV=revision
.PHONY: semver
semver:
	@CARGO='$(CARGO)' scripts/semver $(REV)

## make release      the commit of a release, VERSION=1.2.3, here alone; it says what is left to do
.PHONY: release
release: export VERSION ?=
release:
	@CARGO='$(CARGO)' scripts/new-version "$$VERSION"

## make doc          the documentation, every link of it checked
.PHONY: doc
doc:
	@RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --document-private-items --quiet

## make docs         the book of docs/ as HTML, by mdBook, which is installed to target/tools when it is missing there
.PHONY: docs
docs:
	@CARGO='$(CARGO)' scripts/docs

## make fmt          formats the code
.PHONY: fmt fmt-check
fmt:
	@$(CARGO) fmt --all
fmt-check:
	@$(CARGO) fmt --all -- --check

## make setup        installs the Debian packages that tests need (as root), or says which are missing
.PHONY: setup setup-build setup-dist
setup:
	@scripts/setup test
setup-build:
	@scripts/setup build
setup-dist:
	@scripts/setup dist

## make clean        removes what was built
.PHONY: clean
clean:
	@$(CARGO) clean
