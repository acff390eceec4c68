# SPDX-License-Identifier: Apache-2.0
# The commands people type. meson does the work; see meson.build.

.PHONY: all build setup check demo test ci fuzz coverage install format structure site clean ninja

all: build

# Builds, or says what is missing. Installs nothing.
build:
	@tools/setup --check
	@$(MAKE) --no-print-directory ninja

setup:
	@tools/setup

ninja: build/build.ninja
	@ninja -C build --quiet

build/build.ninja:
	@meson setup build >/dev/null

# The ten seconds before a commit: format, layers, structure, spelling, unit tests. `make test` is all of it.
check: build
	@tools/check build

# These two install what they need. KEEP=1 leaves the gateway and its engines running.
demo:
	@tools/setup
	@$(MAKE) --no-print-directory ninja
	@tools/demo $(if $(KEEP),--keep)

test:
	@tools/setup --test
	@$(MAKE) --no-print-directory ninja
	@tools/run-tests build

ci:
	@.ci/run

# Searches for input that breaks what reads from outside, a minute for each target: SECONDS=600 for ten,
# TARGETS="chat image" for some. It goes on where the last search ended.
fuzz:
	@tools/setup --check
	@tools/fuzz --seconds $(or $(SECONDS),60) $(TARGETS)

# How much of the code the tests run: TESTS="--suite unit" for some of them. Needs gcovr.
coverage:
	@tools/coverage $(TESTS)

install: build
	@meson install -C build

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

# The picture in docs/architecture.md.
structure:
	@tools/structure > docs/structure.svg

# The documentation as a site with search: build/site/html. Its tools come from PyPI.
site:
	@tools/site

clean:
	@rm -rf build build-*
