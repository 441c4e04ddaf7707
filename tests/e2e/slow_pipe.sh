#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts from a pipe, which cannot be asked for anything again, of more chunks than are kept: one that takes several times as long
# as a grant lives; one that loses a StorageServer which has a part of it.
. "$(dirname "$0")/lib.sh"

start_nm --grant-lifetime 2s
start_ss 1
start_ss 2
wait_up 2

random_file "$T/part" 70000000
{ cat "$T/part"; sleep 4; cat "$T/part"; sleep 4; cat "$T/part"; } | dfs put - /slow || fail "a slow put lost its grants"
cat "$T/part" "$T/part" "$T/part" >"$T/whole"
dfs cat /slow | cmp - "$T/whole" || fail "what was stored slowly reads back differently"

start_ss 3
wait_up 3
is_down() { "$DFS_BIN/dfs" server list | grep -q -E "^$1 .* down "; }
{
    cat "$T/part" "$T/part"
    sleep 2
    signal KILL ss3
    wait_for 20 "the loss to be noticed" is_down 3 >&2
    cat "$T/part"
} | dfs put - /lost || fail "a put from a pipe did not survive the loss of a StorageServer"
reap ss3
dfs cat /lost | cmp - "$T/whole" || fail "what lost a StorageServer while it was stored reads back differently"
pass
