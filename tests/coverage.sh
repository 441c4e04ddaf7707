#!/bin/sh
# SPDX-License-Identifier: MIT
# Which lines of lib/ the tests reach: builds with counters, runs the tests, and prints a table of files, those with the most
# lines that were not reached last, and the total. Exit status 1: a test failed, or the total is below $COVERAGE_MIN (90).
#
#   sh tests/coverage.sh                       unit, libuv and fuzz tests, 20 seeds of the simulator, short end-to-end tests
#   sh tests/coverage.sh -LE slow              what ctest is told
#   sh tests/coverage.sh --missed lib/store    the lines of these files that were not reached, of the last run
#
# Processes that are killed count nothing. Needs gcovr.

set -eu

cd "$(dirname "$0")/.."
command -v gcovr >/dev/null || { echo "coverage.sh: gcovr is not installed (apt install gcovr)" >&2; exit 2; }
B=build/coverage

if [ "${1:-}" = --missed ]; then
    gcovr -r . --filter "${2:-lib}" $B --json 2>$B/gcovr.log | python3 -c '
import json, sys
for f in json.load(sys.stdin)["files"]:
    missed = [l["line_number"] for l in f["lines"] if l["count"] == 0]
    if not missed: continue
    text = open(f["file"]).read().split("\n")
    print(f["file"])
    for n in missed: print("%6d  %s" % (n, text[n - 1]))'
    exit
fi

SHORT='^e2e_(append|attributes|backup|chunks|cli|config|files|goals|locks|names|restart|tools|tree|watch)$'
own=$# # what is run was chosen
cmake --preset coverage >/dev/null
cmake --build $B -j "$(nproc)"
find $B -name '*.gcda' -delete
status=0
if [ $own -gt 0 ]; then
    ctest --test-dir $B -j "$(nproc)" --output-on-failure "$@" || status=1
else
    ctest --test-dir $B -j "$(nproc)" --output-on-failure -L 'unit|uv|fuzz' || status=1
    ctest --test-dir $B -j "$(nproc)" --output-on-failure -R "$SHORT" || status=1
    $B/bin/dfs-sim --count 20 >$B/sim.log || status=1
    tail -n 1 $B/sim.log
fi
gcovr -r . --filter lib/ $B --csv 2>$B/gcovr.log | awk -F, -v min="${COVERAGE_MIN:-90}" '
    NR > 1 { printf "%5d of %5d not reached, %5.1f %%  %s\n", $2 - $3, $2, 100 * $3 / $2, $1 | "sort -n"; all += $2; hit += $3 }
    END {
        close("sort -n")
        printf "lines of lib/ that were reached: %d of %d, %.1f %%\n", hit, all, 100 * hit / all
        exit 100 * hit / all < min
    }' || status=1
exit $status
