#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs libFuzzer targets one after the other, again and again, until each has had so many inputs; what was found of use stays in
# build/fuzzing/TARGET for the next time, the counts in build/fuzzing/runs. Ends at the first crash, leak or hang.
#
#   sh tests/fuzz/run.sh                           every target, 10 000 000 inputs each
#   sh tests/fuzz/run.sh nm ss                     these
#   FUZZ_BIN=build/quick/bin sh tests/fuzz/run.sh  programs of another build: without sanitizers they are several times as fast
#
# FUZZ_RUNS: how many. FUZZ_SLICE: seconds in a row for one target (120). Build first: cmake --preset clang && cmake --build build/clang
# or, without sanitizers: cmake -B build/quick -G Ninja -DCMAKE_C_COMPILER=clang -DDFS_FUZZ=ON && cmake --build build/quick
# With -DCMAKE_C_FLAGS=-fno-sanitize-coverage=trace-cmp in addition, nm and ss are twice as fast: what the fuzzer would learn from comparisons
# is of little use where its bytes are decisions.

set -eu

cd "$(dirname "$0")/../.."
BIN=${FUZZ_BIN:-build/clang/bin} RUNS=${FUZZ_RUNS:-10000000} DIR=build/fuzzing
mkdir -p $DIR
touch $DIR/runs
# Inputs beyond that are mostly more of the same, and slow.
longest() {
    case $1 in
        segment) echo 6000 ;;
        nm | ss) echo 250 ;;
        cli) echo 400 ;;
        *) echo 2000 ;;
    esac
}
had() { awk -v t="$1" '$1 == t { n += $2 } END { printf "%d\n", n }' $DIR/runs; }

[ $# -gt 0 ] || set -- $(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_\(.*\)\.c$/\1/')
left=$#
while [ "$left" -gt 0 ]; do
    left=0
    for target in "$@"; do
        n=$(had "$target")
        [ "$n" -lt "$RUNS" ] || continue
        left=$((left + 1))
        mkdir -p "$DIR/$target"
        status=0
        "$BIN/fuzz_$target" -entropic=0 -max_len="$(longest "$target")" -rss_limit_mb=3000 -timeout=600 -max_total_time="${FUZZ_SLICE:-120}" \
            -runs=$((RUNS - n)) -print_final_stats=1 -artifact_prefix="$DIR/$target-" "$DIR/$target" "tests/fuzz/corpus/$target" \
            >"$DIR/$target.log" 2>&1 || status=$?
        echo "$target $(sed -n 's/^stat::number_of_executed_units: *//p' "$DIR/$target.log") $BIN" >>$DIR/runs
        echo "$target: $(had "$target") inputs"
        [ $status = 0 ] || { tail -n 40 "$DIR/$target.log"; exit 1; }
    done
done
