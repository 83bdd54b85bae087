# `make help` lists what there is.
PORT = 8080
PREFIX = /usr/local
SHELL = /bin/bash
SECONDS = 60
HOST = .build/release/host
BUNDLES = .build/bundles
generated = man:share/man/man1/host.1 bash:share/bash-completion/completions/host \
	zsh:share/zsh/site-functions/_host fish:share/fish/vendor_completions.d/host.fish \
	unit:lib/systemd/system/plugin-host.service socket:lib/systemd/system/plugin-host.socket
samples = $(notdir $(patsubst %/,%,$(dir $(wildcard SamplePlugins/*/manifest.json))))
headers = $(wildcard Sources/CPluginABI/include/pluginhost/*.h)

# Makes sure that the Debian packages $(1) are there: installs them for root, else says how.
packages = missing=$$(for one in $(1); do \
	dpkg-query -W -f '$${Status}' $$one 2>/dev/null | grep -q ' installed' || echo $$one; done); \
	if [ -n "$$missing" ] && [ $$(id -u) = 0 ]; then apt-get update -q \
		&& DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
	elif [ -n "$$missing" ]; then echo "error: packages are missing:" $$missing; \
		echo "  fix: sudo apt-get install" $$missing; exit 1; fi

# Why the sample $(1) cannot be built on this machine, if so.
obstacle = $(obstacle.$(1))
obstacle.hello-rust = $(if $(shell command -v cargo),,cargo is not installed)
obstacle.hello-embedded = $(if $(wildcard $(dir $(realpath $(shell command -v \
	swiftc)))../lib/swift/embedded),,this toolchain has no Embedded Swift)
obstacle.counter = $(obstacle.hello-embedded)
obstacle.renderer = $(obstacle.hello-embedded)
obstacle.hello-python = $(if $(shell command -v python3),,python3 is not installed)
obstacle.hello-node = $(if $(shell command -v node),,node is not installed)

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

build: needs-build ## build the host, in release mode: .build/release/host
	swift build -c release --static-swift-stdlib --product host

plugins: $(samples:%=plugin-%) ## build the sample plugins: .build/bundles/NAME.tar.gz

# What makes the bundle of the sample $(1); one without a Makefile is packed as it stands.
pack = $(if $(wildcard SamplePlugins/$(1)/Makefile),$(MAKE) -C SamplePlugins/$(1) bundle && \
	$(HOST) pack SamplePlugins/$(1)/.build/bundle,$(HOST) pack SamplePlugins/$(1))

plugin-%: build
	@mkdir -p $(BUNDLES)
	$(if $(call obstacle,$*),@echo "skipped $*: $(call obstacle,$*)",$(call pack,$*) \
		-o $(BUNDLES)/$*.tar.gz)

run: plugins ## install the samples that are not there yet, and serve them: PORT=8080
	@for one in $(BUNDLES)/*.tar.gz; do $(HOST) status $$(basename $$one .tar.gz) >/dev/null 2>&1 \
		|| $(HOST) install $$one || exit 1; done
	$(HOST) serve --listen 127.0.0.1:$(PORT) --grant-default all

# More tests at a time than that only wait for each other, while their deadlines pass.
test: export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH = 6
test: needs-test plugins ## run every test; what failed is told once more before the summary
	@set -o pipefail; swift test 2>&1 | awk '/^✘ Test run/ { printf "%s", failed } \
		{ print; fflush() } /^✘/ { failed = failed $$0 "\n" }'

check: needs-build check-headers ## format, headers, house rules
	swift format lint --strict --recursive Package.swift Sources Tests SamplePlugins
	swift test --filter TidyTests

check-headers:
	@for one in $(headers); do for compiler in "gcc -x c -std=c11" "g++ -x c++ -std=c++17" \
		"clang -x c -std=c11" "clang++ -x c++ -std=c++17"; do $$compiler -Wall -Wextra -Wpedantic \
		-Werror -fsyntax-only -ISources/CPluginABI/include -include $$one /dev/null || exit 1; \
		done; done

bench: plugins ## measure, beside the peers that are installed
	python3 Tests/Benchmarks/bench.py

fuzz: needs-build ## run each fuzzer for longer, with a new seed: SECONDS=60
	FUZZ_SEED=$(shell date +%s) FUZZ_SECONDS=$(SECONDS) swift test --filter Fuzz

install: build ## install host, headers, man page, completions and units below PREFIX=/usr/local
	install -D -m 755 $(HOST) $(DESTDIR)$(PREFIX)/bin/host
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/pluginhost $(headers)
	$(foreach one,$(generated),mkdir -p $(DESTDIR)$(PREFIX)/$(dir $(word 2,$(subst :, ,$(one)))) && \
		$(HOST) generate $(word 1,$(subst :, ,$(one))) $(PREFIX)/bin/host \
		> $(DESTDIR)$(PREFIX)/$(word 2,$(subst :, ,$(one))) && ) true

clean: ## remove everything that was built
	rm -rf .build SamplePlugins/*/.build

needs-build:
	@$(call packages,zlib1g-dev libsqlite3-dev libssl-dev)

needs-test: needs-build
	@$(call packages,curl wrk g++ openssl)

.PHONY: help build plugins run test check check-headers bench fuzz install clean needs-build \
	needs-test
.NOTPARALLEL:
