# A thin face over CMake: `make help` lists what it can do.
#
# Each target prints what it does in one line and stays quiet otherwise; the build systems' own talk
# goes to build/log/ and is shown when something fails. Variables: J (jobs), PREFIX, DESTDIR, ACT
# (one act of the demo), TIME (seconds a fuzz target), TESTS (a regular expression for ctest).

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := build
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

J ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
TIME ?= 60
ACT ?=
TESTS ?= .
CLANG := $(firstword $(shell command -v clang clang-14 2>/dev/null) clang)
CLANGXX := $(firstword $(shell command -v clang++ clang++-14 2>/dev/null) clang++)
# Evaluated when used: the tool may have been installed by the same run.
NINJA = $(if $(shell command -v ninja 2>/dev/null),-G Ninja,-G "Unix Makefiles")
# Debian's own: the client modules belong to it.
PYTHON := /usr/bin/python3
QUIET = @packaging/quietly.sh

DEPS := packaging/install-deps.sh
LIST := packaging/debian
SOURCES = $$(git ls-files -co --exclude-standard -- '*.c' '*.h' | while read -r f; do [ -f "$$f" ] && echo "$$f"; done)

# $(call configure,PRESET,MORE ARGUMENTS) $(call compile,DIRECTORY,TARGET) $(call run_tests,DIRECTORY,MORE)
configure = $(QUIET) "configure $(1)" cmake --preset $(1) $(NINJA) $(2)
compile = $(QUIET) "compile $(1)$(if $(2), ($(2)))" cmake --build $(1) -j $(J) $(if $(2),--target $(2))
run_tests = @ctest --test-dir $(1) -j $(J) -R '$(TESTS)' --timeout 300 --output-on-failure --no-tests=error $(2) | \
            grep --line-buffered -v '^      Start '

# ---- for everybody ----

.PHONY: build
build: ## release build into build/, programs in build/bin/
	@command -v cmake >/dev/null || { echo "cmake is missing: run 'make deps' first" >&2; exit 1; }
	$(call configure,release)
	$(call compile,build,programs)
	@ls build/bin/steled build/bin/stele

.PHONY: test
test: deps-test ## install what is missing, build, run all tests (TESTS=regex for some)
	$(call configure,release,-DSTELE_TESTS=ON)
	$(call compile,build)
	$(call run_tests,build)

.PHONY: demo
demo: deps-test ## install what is missing, build, show the main job on real data (ACT=n for one act)
	$(call configure,release)
	$(call compile,build,programs)
	@ACT='$(ACT)' tests/demo/run.sh

.PHONY: install
install: ## into PREFIX (default /usr/local), below DESTDIR if given
	$(call configure,release,-DCMAKE_INSTALL_PREFIX='$(PREFIX)')
	$(call compile,build,programs)
	$(QUIET) "install into $(DESTDIR)$(PREFIX)" env DESTDIR='$(DESTDIR)' cmake --install build --prefix '$(PREFIX)'

.PHONY: deb
deb: deps-package ## a Debian package, in build/package/
	$(call configure,release)
	$(call compile,build,programs)
	$(QUIET) "package" cpack --config build/CPackConfig.cmake -G DEB -B build/package
	@ls build/package/*.deb

.PHONY: clean
clean: ## remove build/
	rm -rf build

# ---- dependencies, from Debian's packages ----

.PHONY: deps deps-test deps-compat deps-dev deps-package
deps: ## what building needs
	@$(DEPS) $(LIST)-build-deps.txt
deps-test: ## ... and make test, make demo
	@$(DEPS) $(LIST)-build-deps.txt $(LIST)-test-deps.txt
deps-compat: deps-test ## ... and the runs with node's client
	@$(DEPS) $(LIST)-compat-deps.txt
	@if [ -f tests/compat/package.json ]; then packaging/quietly.sh "install node modules" \
	    npm --prefix tests/compat $$([ -f tests/compat/package-lock.json ] && echo ci || echo install) --no-audit --no-fund; fi
deps-dev: deps-test ## ... and make check, fuzz, coverage, lint
	@$(DEPS) $(LIST)-dev-deps.txt
deps-package: deps ## ... and make deb
	@$(DEPS) $(LIST)-package-deps.txt

# ---- for developers ----

# In the order of "most likely to tell you something soon".
CHECKS := check-format check-tidy check-gcc check-clang check-static check-asan check-fault check-tsan \
          check-fuzz check-crash check-compat check-bench

.PHONY: check list-checks $(CHECKS)
check: $(CHECKS) ## all of the following
	@echo "make check: all $(words $(CHECKS)) steps passed"
list-checks:
	@echo $(CHECKS)

check-format: deps-dev ## sources are as clang-format leaves them
	$(QUIET) "check-format" clang-format --dry-run -Werror $(SOURCES)

check-tidy: deps-test ## layers, lengths, banned calls: tools/tidy
	$(call configure,release)
	$(call compile,build,tidy)
	@build/bin/tidy .

check-gcc: deps-test ## gcc, warnings as errors, expensive checks on: all but the slow tests
	$(call configure,dev,-DSTELE_TESTS=ON -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++)
	$(call compile,build/dev)
	$(call run_tests,build/dev,-LE slow)

check-clang: deps-dev ## clang, warnings as errors: unit tests
	$(call configure,clang,-DSTELE_TESTS=ON -DCMAKE_C_COMPILER=$(CLANG) -DCMAKE_CXX_COMPILER=$(CLANGXX))
	$(call compile,build/clang)
	$(call run_tests,build/clang,-L unit)

check-static: build ## the programs need nothing but the C library
	@packaging/check-shared-libraries.sh build/bin/steled build/bin/stele

check-asan: deps-test ## the other tests under address and undefined behaviour sanitizers
	$(call configure,asan,-DSTELE_TESTS=ON)
	$(call compile,build/asan)
	$(call run_tests,build/asan,-LE 'slow|fault|sim')

check-fault: deps-test ## the n-th call fails, for every n; crashes of a simulated disk
	$(call configure,asan,-DSTELE_TESTS=ON)
	$(call compile,build/asan)
	$(call run_tests,build/asan,-L 'fault|sim')

check-tsan: deps-test ## unit tests under the thread sanitizer
	$(call configure,tsan,-DSTELE_TESTS=ON)
	$(call compile,build/tsan)
	$(call run_tests,build/tsan,-L unit)

check-fuzz: TIME = 15
check-fuzz: fuzz ## each fuzz target for a short time

check-crash: deps-test ## a real broker is killed, stopped, and loses its disk's power, many times
	$(call configure,release)
	$(call compile,build,programs)
	@$(PYTHON) tests/crash/kill_loop.py --build build --kills 60

check-compat: deps-compat ## stock clients against a real broker
	$(call configure,release)
	$(call compile,build,programs)
	@$(PYTHON) tests/compat/run.py --build build

check-bench: deps-test ## the benchmarks run, on a small scale
	$(call configure,release,-DSTELE_TESTS=ON)
	$(call compile,build)
	@$(PYTHON) tests/bench/run.py --build build --smoke

.PHONY: bench
bench: deps-test ## measure against the baselines
	$(call configure,release,-DSTELE_TESTS=ON)
	$(call compile,build)
	@$(PYTHON) tests/bench/run.py --build build

.PHONY: fuzz
fuzz: deps-dev ## libFuzzer on each target for TIME seconds (default 60)
	$(call configure,fuzz,-DSTELE_TESTS=ON -DCMAKE_C_COMPILER=$(CLANG) -DCMAKE_CXX_COMPILER=$(CLANGXX))
	$(call compile,build/fuzz,fuzzers)
	@tests/fuzz/run.sh build/fuzz '$(TIME)' '$(J)'

.PHONY: coverage
coverage: deps-dev ## line coverage by file, in build/coverage/summary.txt
	$(call configure,coverage,-DSTELE_TESTS=ON)
	$(call compile,build/coverage)
	$(call run_tests,build/coverage,-LE slow) || true
	@packaging/coverage.sh build/coverage

.PHONY: format
format: deps-dev ## clang-format all sources
	@clang-format -i $(SOURCES)

.PHONY: lint
lint: deps-dev ## clang-tidy on all sources: opinions, not a gate
	$(call configure,clang,-DSTELE_TESTS=ON -DCMAKE_C_COMPILER=$(CLANG) -DCMAKE_CXX_COMPILER=$(CLANGXX))
	@git ls-files '*.c' | xargs -P $(J) -n 4 clang-tidy -p build/clang --quiet 2>/dev/null

.PHONY: help
help: ## this list
	@sed -n -e 's/^# ---- \(.*\) ----$$/\n\1/p' -e 's/^\([a-z][a-z-]*\):[^=#]*## \(.*\)/    make \1\t\2/p' Makefile | \
	    awk -F '\t' 'NF == 2 { printf "%-22s %s\n", $$1, $$2; next } { print }'
