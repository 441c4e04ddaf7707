#!/bin/sh
# SPDX-License-Identifier: MIT
# A log file: several append to it while a StorageServer is killed, one follows it. Every line once, none mixed with another.
. "$(dirname "$0")/lib.sh"

LINES=400
# Lines of different lengths, each named by its writer and number, slowly enough that they come as many records.
write_lines() {
    awk -v w="$1" -v n=$LINES 'BEGIN { for (i = 1; i <= n; i++) { s = ""; for (k = 0; k < (i * 7) % 90; k++) s = s "x"
        print "line " w " " i " " s " end"; fflush(); if (i % 8 == 0) system("sleep 0.05") } }' | dfs append /log
}

start_cluster 3
dfs append "$T/none" /log 2>/dev/null && fail "a source that is not there was appended"
printf 'begin\n' | dfs append /log
"$DFS_BIN/dfs" tail -n +1 -f /log >"$T/followed" 2>"$T/follow.err" &
follow=$!
JOBS=$follow
pids=""
for w in 1 2 3 4; do
    write_lines $w 2>"$T/w$w" &
    pids="$pids $!"
done
JOBS="$JOBS $pids"
sleep 1
kill_ss 2
sleep 1
start_ss 2
# One that cannot be told what became of a record, because only copies made since are left of its servers, stops there:
# what it has is then a beginning.
w=0
for p in $pids; do
    w=$((w + 1))
    : >"$T/stopped$w"
    wait "$p" && continue
    grep -q "cannot be told any more" "$T/w$w" || fail "an appender failed: $(cat "$T"/w[1-4])"
    say "writer $w was told that the outcome is unknown"
    echo stopped >"$T/stopped$w"
done
JOBS=$follow
dfs get /log "$T/log"
for w in 1 2 3 4; do
    grep "^line $w " "$T/log" | awk '{ print $3 }' >"$T/order"
    n=$LINES
    [ ! -s "$T/stopped$w" ] || n=$(wc -l <"$T/order")
    seq "$n" | cmp - "$T/order" || fail "the lines of writer $w are not all there, once, in order"
    total=$((${total:-1} + n))
done
[ "$(wc -l <"$T/log")" = $total ] || fail "there are other lines as well"
grep -v '^line [1-4] [0-9]* x* end$' "$T/log" | grep -v '^begin$' && fail "lines are torn"
wait_for 10 "tail -f to have seen all" sh -c "[ \$(wc -l <'$T/followed') = $total ]"
cmp "$T/log" "$T/followed" || fail "tail -f shows something else"
kill "$follow" 2>/dev/null || true
wait "$follow" 2>/dev/null || true
JOBS=""

say "over the end of a chunk: what does not fit begins the next, whole"
chunk=$((64 * 1024 * 1024))

printf 'x' | dfs append /big
dfs truncate --size $((chunk - 40)) /big
printf 'this line still fits\n' | dfs append /big
printf 'this one does not, and goes on in the next chunk\n' | dfs append /big
printf 'nor does this\n' | dfs append /big
[ "$(dfs stat -c %s /big)" = $((chunk + 49 + 14)) ] || fail "the size is $(dfs stat -c %s /big)"
dfs tail -c 63 /big >"$T/tail"
printf 'this one does not, and goes on in the next chunk\nnor does this\n' | cmp - "$T/tail" || fail "the end of /big"
pass
