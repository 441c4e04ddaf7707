#!/bin/sh
# SPDX-License-Identifier: MIT
# Files that are open while others remove, replace and rename over them: who has them open keeps what they held, until the
# last of them closes or is gone; then the space comes back.
. "$(dirname "$0")/lib.sh"

LOCKER=$DFS_BIN/../tests/dfs-locker
[ -x "$LOCKER" ] || fail "$LOCKER is not built"

# keep N PATH: opens the file and holds it; ask N: what it holds.
keep() {
    mkfifo "$T/keep$1.in"
    "$LOCKER" keep "$2" - <"$T/keep$1.in" >"$T/keep$1.out" 2>"$T/keep$1.log" &
    eval "keeper$1=$!"
    JOBS="$JOBS $!"
    eval "exec $((4 + $1))>\"$T/keep$1.in\""
    wait_for 10 "keeper $1 to open" grep -q open "$T/keep$1.out"
}
answered() { [ "$(wc -l <"$T/keep$1.out")" -gt "$2" ]; }
ask() { # ask N [append]
    lines=$(wc -l <"$T/keep$1.out")
    echo "${2:-}" >&$((4 + $1))
    wait_for 40 "keeper $1 to answer" answered "$1" "$lines"
    tail -n 1 "$T/keep$1.out"
}
end_keeper() {
    echo quit >&$((4 + $1))
    eval "wait \$keeper$1" || fail "keeper $1: $(cat "$T/keep$1.log")"
}
chunks_are() { [ "$(status_field chunks)" = "$1" ]; }

start_nm --reader-grace 1s --session-ttl 4s
start_ss 1
start_ss 2
wait_up 2
printf one | dfs put - /removed
printf two | dfs put - /replaced
printf three | dfs put - /renamed
keep 1 /removed
keep 2 /replaced
keep 3 /renamed

say "others remove, replace and rename over them"
dfs rm --now /removed
printf new | dfs put - /replaced
printf other | dfs put - /other
dfs mv /other /renamed
dfs ls /removed 2>/dev/null && fail "a removed name is there"
[ "$(dfs cat /replaced)" = new ] || fail "/replaced is $(dfs cat /replaced)"
[ "$(dfs cat /renamed)" = other ] || fail "/renamed is $(dfs cat /renamed)"
sleep 3 # longer than the reader's grace
[ "$(ask 1)" = one ] || fail "the removed file holds $(tail -n 1 "$T/keep1.out")"
[ "$(ask 2)" = two ] || fail "the replaced file holds $(tail -n 1 "$T/keep2.out")"
[ "$(ask 3)" = three ] || fail "the file renamed over holds $(tail -n 1 "$T/keep3.out")"

say "they go on writing to what nobody else sees"
[ "$(ask 2 append)" = two+ ] && [ "$(ask 2)" = two+ ] || fail "the replaced file cannot be written: $(tail -n 1 "$T/keep2.out")"
[ "$(dfs cat /replaced)" = new ] || fail "a write to the replaced file shows in its successor: $(dfs cat /replaced)"

say "the power of all servers fails"
kill_all
start_nm --reader-grace 1s --session-ttl 4s
start_ss 1
start_ss 2
wait_up 2
[ "$(ask 1)" = one ] || fail "after the power failed the removed file holds $(tail -n 1 "$T/keep1.out")"

say "one closes, one is killed"
[ "$(status_field chunks)" = 5 ] || fail "$(status_field chunks) chunks, not 5"
end_keeper 1
kill -9 $keeper2 $keeper3
wait_for 40 "their chunks to go" chunks_are 2
pass
