#!/bin/sh
# SPDX-License-Identifier: MIT
# Copies that are lost or damaged are made again by themselves: a StorageServer killed under load, one that is drained and
# removed, a copy with flipped bytes, a wiped data folder.
. "$(dirname "$0")/lib.sh"

number() { dfs -j health 2>/dev/null | sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }
is_whole() { [ "$(number under_replicated)" = 0 ] && [ "$(number missing)" = 0 ] && [ "$(number corrupt)" = 0 ]; }
is_hurt() { [ "$(number under_replicated)" -gt 0 ]; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
# timed WHAT COMMAND...: its milliseconds to $T/WHAT.ms
timed() {
    what=$1
    shift
    from=$(now_ms)
    "$@" || return 1
    echo $(($(now_ms) - from)) >>"$T/$what.ms"
}
slowest() { sort -n "$T/$1.ms" | tail -1; }
writes() {
    i=0
    while [ ! -e "$T/stop" ]; do
        i=$((i + 1))
        random_file "$T/src/load/f$i" $((i * 7919 % 90000))
        timed write dfs put "$T/src/load/f$i" "/load/f$i" 2>>"$T/load.err" || echo "put /load/f$i failed" >>"$T/load.err"
    done
}
reads() {
    while [ ! -e "$T/stop" ]; do
        n=$((($(date +%s%N) / 1000) % 100 + 1))
        timed read dfs get "/tree/f$n" "$T/read.out" 2>>"$T/load.err" || echo "get /tree/f$n failed" >>"$T/load.err"
    done
}
read_all() {
    rm -rf "$T/out"
    dfs get -r /tree "$T/out" || fail "$1: a file could not be read"
    same_tree "$T/src/tree" "$T/out" "$1"
}
id_of() { # StorageServer N's id
    port=$(cat "$T/ss$1.port")
    dfs server list | awk -v port=":${port##*:}" 'substr($2, length($2) - length(port) + 1) == port { print $1 }' | tail -1
}
state_of() { dfs server list | awk -v id="$1" '$1 == id { print $3 }'; }

mkdir -p "$T/src/tree" "$T/src/load"
for i in $(seq 100); do random_file "$T/src/tree/f$i" $((i * 997)); done
random_file "$T/src/tree/large" 3000000
start_nm --repair-grace 2s
for n in 1 2 3; do start_ss $n; done
wait_up 3
dfs put -r "$T/src/tree" /tree
dfs mkdir /load
is_whole || fail "not whole at the start: $(dfs -j health)"

writes &
JOBS="$JOBS $!"
reads &
JOBS="$JOBS $!"
sleep 2
kill_ss 2
wait_for 30 "the loss to show" is_hurt
wait_for 60 "every goal to be restored" is_whole
touch "$T/stop"
for job in $JOBS; do wait "$job" || true; done
JOBS=""
[ ! -s "$T/load.err" ] || fail "errors under load: $(head -3 "$T/load.err")"
say "slowest read $(slowest read) ms, slowest write $(slowest write) ms"
[ "$(slowest read)" -lt 4000 ] || fail "a read stalled for $(slowest read) ms"
[ "$(slowest write)" -lt 10000 ] || fail "a write took $(slowest write) ms"
[ "$(number copied)" -ge 33 ] || fail "$(number copied) copies were counted"
read_all "after the repair"

# the lost one has nothing any more, and may go; a new one takes its share
lost=$(id_of 2)
dfs server remove "$lost" >/dev/null || fail "the lost server could not be removed"
start_ss 4
wait_up 3

# emptied and removed
gone=$(id_of 1)
dfs server drain "$gone" >/dev/null
drained() { [ "$(state_of "$gone")" = drained ]; }
wait_for 60 "the drain" drained
is_whole || fail "not whole after the drain: $(dfs -j health)"
dfs server remove "$gone" >/dev/null || fail "a drained server could not be removed"
kill_ss 1
read_all "after the drain"

# a copy with flipped bytes is found by its readers and replaced
victim=$(ls -S "$T"/ss3/seg-*.log | head -1)
offset=8192
while [ $offset -lt 400000 ]; do
    printf 'damage' | dd of="$victim" bs=1 seek=$offset conv=notrunc 2>/dev/null
    offset=$((offset + 9000))
done
for round in 1 2 3 4; do read_all "with damaged copies, round $round"; done
wait_for 60 "the damaged copies to be replaced" is_whole
read_all "after damaged copies were replaced"

# a wiped folder
start_ss 5
wait_up 3
stop_ss 3
rm -rf "${T:?}/ss3"
start_ss 3
wait_for 90 "the wiped server's copies to be made again" is_whole
read_all "after a folder was wiped"
pass "slowest read $(slowest read) ms, slowest write $(slowest write) ms"
