# SPDX-License-Identifier: Apache-2.0
# The commands people type. meson does the work; see meson.build.

.PHONY: all build setup demo test ci install format clean

all: build

setup:
	@tools/setup

build: setup build/build.ninja
	@ninja -C build --quiet

build/build.ninja:
	@meson setup build >/dev/null

# KEEP=1 leaves the gateway and its engines running.
demo: build
	@tools/demo $(if $(KEEP),--keep)

test:
	@tools/setup --test
	@$(MAKE) --no-print-directory build
	@tools/run-tests build

ci:
	@.ci/run

install: build
	@meson install -C build

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	@rm -rf build build-*
