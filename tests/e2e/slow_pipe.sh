#!/bin/sh
# SPDX-License-Identifier: MIT
# A put from a pipe that takes several times as long as a grant lives, with more chunks than could be written again.
. "$(dirname "$0")/lib.sh"

start_nm --grant-lifetime 2s
start_ss 1
start_ss 2
wait_up 2

random_file "$T/part" 70000000
{ cat "$T/part"; sleep 4; cat "$T/part"; sleep 4; cat "$T/part"; } | dfs put - /slow || fail "a slow put lost its grants"
cat "$T/part" "$T/part" "$T/part" >"$T/whole"
dfs cat /slow | cmp - "$T/whole" || fail "what was stored slowly reads back differently"
pass
