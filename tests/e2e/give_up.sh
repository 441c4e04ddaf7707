#!/bin/sh
# SPDX-License-Identifier: MIT
# The power fails on all StorageServers while a file is written in place, and one of them never comes back: the file waits
# for it, health says so and what to do, and an administrator lets it go on (CONSISTENCY B11).
. "$(dirname "$0")/lib.sh"

WRITER=$(dirname "$DFS_BIN")/tests/dfs-writer
waits() { dfs -j fsck /f >"$T/fsck"; grep -q '"state":"waiting"' "$T/fsck"; }
readable() { dfs get /f "$T/$1" 2>"$T/err"; }

start_cluster 3
dfs mkdir /d
dfs setgoal 3 /
say "a file with copies on all three is written, and the power fails"
"$WRITER" /f 1 60 0 1 >"$T/w" 2>&1 &
JOBS=$!
sleep 2
kill -9 "$JOBS"
wait "$JOBS" || true
JOBS=""
for i in 1 2 3; do kill_ss $i; done
start_ss 1
start_ss 2
wait_up 2

say "it waits for the third, and says so"
wait_for 30 "/f to wait" waits
dfs health >"$T/health" && fail "health is fine"
grep -q "wait for storage server 3: start it again; if it will not come back: dfs fsck --give-up" "$T/health" ||
    fail "health does not say what to do: $(cat "$T/health")"
dfs fsck --give-up >"$T/out" 2>&1 && fail "--give-up without a path"
grep -q "needs the paths" "$T/out" || fail "$(cat "$T/out")"
dfs fsck --give-up /d | grep -q "^0 chunks go on" || fail "files outside PATH go on"
waits || fail "it does not wait any more"

say "given up, it goes on"
dfs fsck --give-up / >"$T/out" && fail "fsck finds nothing wrong"
grep -q "^[1-9][0-9]* chunks go on" "$T/out" || fail "$(cat "$T/out")"
wait_for 30 "/f to be readable" readable a
waits && fail "it still waits"

say "the lost server comes back after all: what it holds is not believed"
start_ss 3
wait_up 3
wait_for 60 "all copies to be made" dfs health
readable b || fail "$(cat "$T/err")"
cmp "$T/a" "$T/b" || fail "/f changed"
pass
