#!/bin/sh
# SPDX-License-Identifier: MIT
# Standard input and output as they really are: closed, trickling, with a reader who sleeps.
. "$(dirname "$0")/lib.sh"

ends_soon() { # ends_soon PID: within three seconds
    tries=30
    while kill -0 "$1" 2>/dev/null; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

say "programs started without standard streams"
mkdir "$T/bare"
"$DFS_BIN/dfs-nm" --data "$T/bare/nm" --init --listen 127.0.0.1:0 --port-file "$T/bare/port" <&- >&- 2>&- &
JOBS=$!
wait_for 10 "a NameServer without streams" test -s "$T/bare/port"
DFS_NM=$(cat "$T/bare/port")
export DFS_NM
dfs mkdir /a >&- || fail "mkdir needs no standard output"
dfs mkdir /b <&- >&- 2>&- || fail "mkdir needs no streams at all"
status=0
dfs ls / >&- 2>"$T/said" || status=$?
[ $status = 1 ] && grep -q "standard output" "$T/said" || fail "ls into a closed standard output: status $status"
[ "$(dfs ls /)" = "a
b" ] || fail "what was made without streams"
kill "$JOBS"
status=0
wait "$JOBS" || status=$?
JOBS=""
[ $status = 0 ] || fail "the NameServer without streams ended with $status"

start_nm --grant-lifetime 2s
start_ss 1
start_ss 2
wait_up 2

say "a trickle, for several times as long as a grant lives"
random_file "$T/part" 70000000
trickle() {
    for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
        echo "line $n"
        sleep 0.2
    done
}
{ cat "$T/part" "$T/part"; trickle; } | dfs put - /trickle || fail "a trickle lost its grants"
[ "$(dfs cat /trickle | tail -n 1)" = "line 30" ] || fail "the end of the trickle"

say "a full disk here is told from a full cluster"
status=0
dfs cat /trickle >/dev/full 2>"$T/said" || status=$?
[ $status = 1 ] && grep -q "cat /trickle: to standard output: No space left" "$T/said" || fail "cat to /dev/full: $status, $(cat "$T/said")"

say "a signal while the reader of standard output sleeps"
for signal in INT TERM; do
    mkfifo "$T/pipe.$signal"
    sleep 60 <"$T/pipe.$signal" &
    JOBS=$!
    "$DFS_BIN/dfs" cat /trickle >"$T/pipe.$signal" &
    pid=$!
    JOBS="$JOBS $pid"
    sleep 1
    kill -0 $pid || fail "cat ended before its reader had read"
    env kill -s $signal $pid
    ends_soon $pid || fail "SIG$signal does not end a cat that waits for its reader"
    end_jobs
done

say "a link that cannot take its place"
mkdir "$T/src"
ln -s nowhere "$T/src/name"
dfs mkdir -p /tree/src/name
status=0
dfs put -r "$T/src" /tree 2>"$T/said" || status=$?
[ $status = 1 ] && grep -q "is a directory" "$T/said" || fail "a link over a directory: status $status"
[ "$(dfs ls /tree/src)" = name ] || fail "something was left beside it: $(dfs ls /tree/src)"
pass
