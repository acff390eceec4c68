#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs a build into a folder of its own and uses what is there as a stranger would: the program
# alone, and a C99 program built with pkg-config against headers and library.
#
#   tests/api/installed.sh BUILD CONSUMER.c
set -eu
build=$1 consumer=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

DESTDIR=$folder meson install --no-rebuild -C "$build" >/dev/null

program=$(find "$folder" -path '*/bin/moaoff')
"$program" --version

pc=$(find "$folder" -name moaoff.pc)
export PKG_CONFIG_SYSROOT_DIR="$folder" PKG_CONFIG_PATH="${pc%/*}"
# shellcheck disable=SC2046,SC2086 # the words of a compiler and flags are separate
${CC:-cc} -std=c99 -pedantic-errors -Wall -Wextra -Werror ${SANITIZE-} "$consumer" \
    $(pkg-config --cflags --libs moaoff) -o "$folder/consumer"
library=$(find "$folder" -name libmoaoff.so)
LD_LIBRARY_PATH=${library%/*} "$folder/consumer"
