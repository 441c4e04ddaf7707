#!/bin/sh
# SPDX-License-Identifier: MIT
# dfs-bench: every workload for a moment, what it reports, compares and leaves behind. Nothing here depends on speed.
. "$(dirname "$0")/lib.sh"

bench() { timeout 120 "$DFS_BIN/dfs-bench" "$@"; }
must() { # must FLAG...: it works, and its output is in $T/bench.out
    bench "$@" >"$T/bench.out" 2>"$T/bench.log" || fail "dfs-bench $*: $(cat "$T/bench.out" "$T/bench.log")"
}
has_row() { grep -q -E "^$1 +$2 " "$T/bench.out"; }
row() { has_row "$1" "$2" || fail "no row $1 $2 in: $(cat "$T/bench.out")"; }
exits() { # exits STATUS FLAG...
    want=$1 code=0
    shift
    bench "$@" >"$T/bench.out" 2>"$T/bench.log" || code=$?
    [ "$code" -eq "$want" ] || fail "dfs-bench $*: exit status $code, not $want: $(cat "$T/bench.out" "$T/bench.log")"
}

start_nm
for n in 1 2 3; do start_ss $n; done
wait_up 3

# each workload, with everything read back
must meta --files 100 -c 4
for op in create stat list rename unlink; do row meta $op; done
must put --files 100 --verify
row put put
row put verify
grep -q -- "--cleanup removes it" "$T/bench.out" || fail "what stays is not told: $(cat "$T/bench.out")"
must get --files 100
row get get
grep -q "read back and checked" "$T/bench.out" || fail "what was verified is not told"
must write --size 3m --verify -c 2
must read --size 3m -c 2 --cleanup
must rand --ops 500 --size 1m --verify -c 4 --depth 2 --read-percent 40 --goal 2
for op in rand read write verify; do row rand $op; done
must mix --ops 500 --files 50 --verify --mix 30:30:20:20
for op in mix put get stat remove verify; do row mix $op; done
must put --files 20 --cleanup
[ -z "$(dfs find /dfs-bench -type f)" ] || fail "files are left: $(dfs find /dfs-bench)"

# warm-up: counts for the limit, not for the figures
must put --files 3000 --warmup 100ms --cleanup
row put put

# all of them, in rounds, as JSON
must all --files 20 --ops 60 --size 128k --rounds 2 --cleanup --json "$T/all.json"
for pair in meta:create put:put get:get write:write read:read rand:rand rand:write mix:mix mix:remove; do
    line=$(grep "\"workload\":\"${pair%:*}\",\"op\":\"${pair#*:}\"" "$T/all.json") || fail "no $pair: $(cat "$T/all.json")"
    for member in concurrency connections depth size ops bytes seconds ops_per_s bytes_per_s errors p50_us p90_us p99_us \
        p999_us max_us cpu_nameservers cpu_storage cpu_bench; do
        echo "$line" | grep -q "\"$member\":[0-9]" || fail "no $member in $line"
    done
    echo "$line" | grep -q '"rounds":\[[0-9.]*,[0-9.]*\]' || fail "not two rounds: $line"
done
[ "$(grep -c '"memory_peak":[1-9]' "$T/all.json")" -eq 4 ] || fail "not four servers: $(cat "$T/all.json")"
grep -q '"interrupted":false' "$T/all.json" || fail "no end: $(cat "$T/all.json")"
[ -z "$(dfs find /dfs-bench -type f)" ] || fail "all leaves files: $(dfs find /dfs-bench)"
if command -v python3 >/dev/null; then
    python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$T/all.json" || fail "no JSON: $(cat "$T/all.json")"
fi

# comparing: with a run that was a thousand times slower, as fast, a thousand times faster
must meta --files 50 --json "$T/old.json"
scaled() { # scaled FACTOR: old.json with other rates
    sed 's/"rounds":\[\([0-9.]*\)\]/"rounds":[\1'"$1"']/' "$T/old.json" >"$T/scaled.json"
}
scaled e-3
exits 0 meta --files 50 --compare "$T/scaled.json"
grep -q "create .* faster" "$T/bench.out" || fail "nothing is faster: $(cat "$T/bench.out")"
scaled e3
exits 3 meta --files 50 --compare "$T/scaled.json"
grep -q "create .* slower" "$T/bench.out" || fail "nothing is slower: $(cat "$T/bench.out")"
exits 0 meta --files 50 -c 3 --compare "$T/scaled.json"
grep -q "not measured then" "$T/bench.out" || fail "another concurrency is compared: $(cat "$T/bench.out")"
exits 1 meta --files 50 --compare "$T/nothing.json"
head -c 300 "$T/old.json" >"$T/cut.json"
exits 1 meta --files 50 --compare "$T/cut.json"

# wrong usage
exits 2 nonsense
exits 2 rand --read-percent 101
exits 2 mix --mix 1:2:3
exits 2 mix --mix 0:0:0:0
exits 2 put --rounds 0
exits 1 rand --size 4k

# Ctrl-C: the table so far, and no files; where it came before there was anything to show, once more and later
busy() { [ "$(dfs find /dfs-bench -type f | head -n 5 | wc -l)" -eq 5 ]; }
for pause in 1 4 16 40; do
    "$DFS_BIN/dfs-bench" mix --seconds 100 >"$T/bench.out" 2>"$T/bench.log" &
    pid=$!
    until busy; do sleep 0.1; done
    sleep $pause
    kill -INT $pid
    code=0
    wait $pid || code=$?
    [ $code -eq 1 ] || fail "Ctrl-C: exit status $code"
    [ -z "$(dfs find /dfs-bench -type f)" ] || fail "Ctrl-C leaves files: $(dfs find /dfs-bench)"
    ! has_row mix put || break
done
row mix put

# servers that are gone: errors with names, and where the files are
must put --files 50 --json "$T/put.json"
for n in 1 2 3; do kill_ss $n; done
code=0
timeout 120 "$DFS_BIN/dfs-bench" get --files 1 -c 1 --seconds 1 >"$T/bench.out" 2>"$T/bench.log" || code=$?
[ $code -eq 1 ] || fail "a get without servers: exit status $code"
grep -q "errors, the first: ." "$T/bench.out" || fail "the error is not named: $(cat "$T/bench.out" "$T/bench.log")"
pass
