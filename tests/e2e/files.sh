#!/bin/sh
# SPDX-License-Identifier: MIT
# Files written in place by several programs at once, while StorageServers are killed: no error, and every byte as written.
. "$(dirname "$0")/lib.sh"

WRITER=$(dirname "$DFS_BIN")/tests/dfs-writer
same_files() {
    dfs checksum "$1" >/dev/null 2>"$T/err" || return 1
}

start_cluster 3
say "two write one file, one another"
"$WRITER" /a 1 10 0 2 >"$T/w1" 2>&1 &
w1=$!
"$WRITER" /a 2 10 1 2 >"$T/w2" 2>&1 &
w2=$!
"$WRITER" /b 3 10 0 1 >"$T/w3" 2>&1 &
w3=$!
JOBS="$w1 $w2 $w3"
for i in 1 2 3; do
    sleep 1
    kill_ss $i
    sleep 1
    start_ss $i
    wait_up 3
done
for w in 1 2 3; do
    eval "pid=\$w$w"
    wait "$pid" || fail "writer $w: $(cat "$T/w$w")"
    say "writer $w: $(cat "$T/w$w")"
done
JOBS=""

say "closed, they are files like any other"
wait_for 30 "/a to be settled" same_files /a
wait_for 30 "/b to be settled" same_files /b
dfs get /a "$T/a"
dfs get /b "$T/b"
[ "$(dfs stat -c %s /a)" = "$(wc -c <"$T/a")" ] || fail "the size of /a"
say "made shorter and longer"
dfs put "$T/a" /c
dfs truncate --size 5000 /c
dfs truncate --size 20000 /c
head -c 5000 "$T/a" >"$T/c"
head -c 15000 /dev/zero >>"$T/c"
dfs get /c "$T/c2"
cmp "$T/c" "$T/c2" || fail "what was cut off shows again"
dfs truncate --size 0 /c
[ "$(dfs stat -c %s /c)" = 0 ] || fail "/c is not empty"
dfs truncate --size 0 /none 2>/dev/null && fail "a file that is not there was truncated"
say "all servers restarted"
for i in 1 2 3; do kill_ss $i; done
for i in 1 2 3; do start_ss $i; done
wait_up 3
dfs get /a "$T/a2"
dfs get /b "$T/b2"
cmp "$T/a" "$T/a2" || fail "/a changed"
cmp "$T/b" "$T/b2" || fail "/b changed"
pass
