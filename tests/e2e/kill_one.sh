#!/bin/sh
# SPDX-License-Identifier: MIT
# G2: SIGKILL of one of three StorageServers under load. Every file still reads, writes go on without an error, also to files
# that were there; the server takes part again when it is back, which was soon: only what was written to meanwhile is copied.
. "$(dirname "$0")/lib.sh"

load() {
    i=0
    while [ ! -e "$T/stop" ]; do
        i=$((i + 1))
        random_file "$T/src/load$1/f$i" $((i * 7919 % 150000))
        if dfs put "$T/src/load$1/f$i" "/load$1/f$i" 2>>"$T/load.err"; then
            echo "$i" >>"$T/acked"
        else
            echo "put /load$1/f$i failed" >>"$T/load.err"
        fi
    done
}
number() { dfs -j health 2>/dev/null | sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
NOTES=6
notes() { # a line to the end of each of them, again and again
    i=0
    while [ ! -e "$T/stop" ]; do
        i=$((i + 1))
        n=$((i % NOTES + 1))
        from=$(now_ms)
        echo "line $i" >>"$T/src/notes/n$n"
        if ! echo "line $i" | dfs append - "/notes/n$n" 2>"$T/append.err"; then
            if grep -q 'cannot be told' "$T/append.err"; then # who knew was killed: it is there once, or not at all (G4)
                echo "line $i" >>"$T/unknown"
            else
                cat "$T/append.err" >>"$T/load.err"
            fi
        fi
        echo $(($(now_ms) - from)) >>"$T/appends.ms"
    done
}
appended() { wc -l 2>/dev/null <"$T/appends.ms" || echo 0; }
appended_more_than() { [ "$(appended)" -gt "$1" ]; }
acknowledged() { wc -l 2>/dev/null <"$T/acked" || echo 0; }
acknowledged_more_than() { [ "$(acknowledged)" -gt "$1" ]; }
read_back() {
    rm -rf "$T/out"
    dfs get -r /tree "$T/out" || fail "$1: a file could not be read"
    same_tree "$T/src/tree" "$T/out" "$1"
}

: >"$T/unknown"
mkdir -p "$T/src/tree" "$T/src/load1" "$T/src/load2" "$T/src/notes"
for n in $(seq $NOTES); do random_file "$T/src/notes/n$n" 40000; done
for i in $(seq 120); do random_file "$T/src/tree/f$i" $((i * 997)); done
random_file "$T/src/tree/large" 9000000
start_cluster 3
dfs put -r "$T/src/tree" /tree
dfs put -r "$T/src/notes" /notes
notes &
JOBS="$JOBS $!"
for n in 1 2; do
    dfs mkdir "/load$n"
    load $n &
    JOBS="$JOBS $!"
done
wait_for 30 "the load to start" acknowledged_more_than 5

kill_ss 2
before=$(acknowledged)
read_back "right after the kill"
wait_for 30 "writes to go on" acknowledged_more_than $((before + 10))
wait_for 30 "the loss to be noticed" is_up 2
before=$(acknowledged)
wait_for 30 "writes to go on with two servers" acknowledged_more_than $((before + 10))
wait_for 30 "lines to be added with two servers" appended_more_than $(($(appended) + NOTES))
read_back "with one server down"

start_ss 2
wait_up 3
before=$(acknowledged)
wait_for 30 "writes to go on with three servers" acknowledged_more_than $((before + 10))
touch "$T/stop"
for job in $JOBS; do wait "$job"; done
JOBS=""
read_back "with the server back"
for n in 1 2; do
    rm -rf "$T/out"
    dfs get -r "/load$n" "$T/out" || fail "load $n could not be read"
    same_tree "$T/src/load$n" "$T/out" "what was written meanwhile"
done
rm -rf "$T/out"
dfs get -r /notes "$T/out" || fail "the notes could not be read"
for n in $(seq $NOTES); do
    cmp -n 40000 "$T/src/notes/n$n" "$T/out/n$n" >/dev/null || fail "/notes/n$n does not begin as it did"
    for side in src/notes out; do tail -c +40001 "$T/$side/n$n" >"$T/lines.${side%/*}"; done
    [ -z "$(sort "$T/lines.out" | uniq -d)" ] || fail "a line is twice in /notes/n$n: $(sort "$T/lines.out" | uniq -d)"
    for side in src out; do grep -v -x -F -f "$T/unknown" "$T/lines.$side" >"$T/known.$side" || true; done
    cmp "$T/known.src" "$T/known.out" || fail "/notes/n$n does not hold what was added: $(diff "$T/known.src" "$T/known.out" | head -5)"
done
[ "$(wc -l <"$T/unknown")" -le 2 ] || fail "of $(wc -l <"$T/unknown") lines nobody knows whether they were added"
[ ! -s "$T/load.err" ] || fail "writes saw an error: $(head -3 "$T/load.err" | tr '\n' ';')"
slowest=$(sort -n "$T/appends.ms" | tail -1)
[ "$slowest" -lt 15000 ] || fail "an append took $slowest ms"

# the others were not copied: within the grace a server is waited for
is_whole() { [ "$(number under_replicated)" = 0 ] && [ "$(number over_replicated)" = 0 ]; }
wait_for 30 "every goal to be kept" is_whole
copied=$(number copied)
[ "$copied" -le $((4 * NOTES)) ] || fail "$copied copies were made for $NOTES files that were written to"
say "$copied copies, $(number copied_bytes) bytes; slowest append $slowest ms"
pass "$(acknowledged) files written around the kill, none lost, no error"
