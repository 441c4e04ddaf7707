#!/bin/sh
# SPDX-License-Identifier: MIT
# The symbols libdfs.so exports are those of cmake/libdfs.symbols: one that goes breaks programs (then the major version moves), a
# new one is written down. Usage: check-abi.sh LIBRARY [--update]

set -eu
library=$1
list=$(dirname "$0")/../../cmake/libdfs.symbols
found=$(mktemp)
trap 'rm -f "$found"' EXIT
export LC_ALL=C
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | grep -v -E '^_(init|fini)$' | sort >"$found"
if [ "${2:-}" = --update ]; then
    cp "$found" "$list"
    exit 0
fi
if ! diff "$list" "$found"; then
    echo "libdfs exports other symbols than cmake/libdfs.symbols lists; if that is meant: $0 $library --update" >&2
    exit 1
fi
echo "$(wc -l <"$list") symbols, as listed"
