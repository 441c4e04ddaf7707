#!/bin/sh
# SPDX-License-Identifier: MIT
# Rules that a compiler does not know: layers (who may include whom), sizes of files and functions, licence lines.
# Usage: check-source.sh [ROOT]. Prints each violation; exit status 1 if there is one.

set -eu
cd "${1:-$(dirname "$0")/../..}"
export LC_ALL=C
REPORT=$(mktemp)
trap 'rm -f "$REPORT"' EXIT

sources() { find "$@" -name '*.[ch]' 2>/dev/null | sort; }

# layer FOLDER ALLOWED: which folders of lib/ the sources of FOLDER may include from.
layer() {
    sources "$1" | while read -r file; do
        sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$file" | sort -u | while read -r used; do
            case " $2 dfs support " in
                *" $used "*) ;;
                *) [ ! -d "lib/$used" ] || echo "$file: must not include from lib/$used" ;;
            esac
        done
    done
}

# only HEADER FOLDER...: no other folder includes <HEADER>.
only() {
    header=$1
    shift
    sources lib apps | while read -r file; do
        grep -q "^#include <$header>" "$file" || continue
        for folder in "$@"; do
            case $file in "$folder"/*) continue 2 ;; esac
        done
        echo "$file: must not include <$header>"
    done
}

{
    layer lib/base "base"
    layer lib/wire "base wire"
    layer lib/meta "base wire meta"
    layer lib/group "base wire meta group"
    layer lib/store "base wire store"
    layer lib/client "base wire client"
    layer lib/uv "base wire uv"
    layer lib/host "base wire meta group store client uv host"
    layer apps/nm "base wire host"
    layer apps/ss "base wire host"
    layer apps/dfs "base host"
    layer apps/bench "base"
    layer apps/mount "base"
    only fuse_lowlevel.h apps/mount
    only raft.h lib/group
    only uthash.h lib/base
    only ini.h lib/host
    only uv.h lib/uv lib/host apps

    sources include lib apps examples tests | while read -r file; do
        case $(head -n 1 "$file") in
            *"SPDX-License-Identifier: MIT"*) ;;
            *) echo "$file: no SPDX-License-Identifier line" ;;
        esac
    done

    # A function starts with a line "{" and ends with a line "}".
    sources include lib apps examples tests | xargs awk '
        FNR == 1 { start = 0 }
        /^\{/ { start = FNR }
        /^\}/ { if (start && FNR - start - 1 > 80) print FILENAME ":" start ": a function of " FNR - start - 1 " lines, 80 are allowed"; start = 0 }
        FNR == 601 { print FILENAME ": more than 600 lines" }'
} >"$REPORT"

cat "$REPORT"
if [ -s "$REPORT" ]; then
    echo "$(wc -l <"$REPORT") violations"
    exit 1
fi
echo "layers, sizes and licence lines are as they should be"
