#!/bin/sh
# SPDX-License-Identifier: MIT
# StorageServers that come back from the past: stopped for longer than every time-out, and continued; a data folder as it was some time
# ago; a clock that is a day off. Nobody reads what was overwritten, and no late write lands. Files are written in place by two
# clients, which read back all the time what they wrote; one that was stopped still believes that it serves their chunks.
. "$(dirname "$0")/lib.sh"

WRITER=$DFS_BIN/../tests/dfs-writer
[ -x "$WRITER" ] || fail "$WRITER is not built"
number() { dfs -j health 2>/dev/null | sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }
is_whole() { [ "$(number under_replicated)" = 0 ] && [ "$(number missing)" = 0 ] && [ "$(number corrupt)" = 0 ]; }

# write_for SECONDS: two writers of one file, in the background; written: both have found what they wrote.
write_for() {
    WRITERS=""
    for share in 0 1; do
        "$WRITER" /written "$((share + 1))" "$1" "$share" 2 >"$T/writer$share.log" 2>&1 &
        WRITERS="$WRITERS $!"
    done
    JOBS=$WRITERS
}
written() {
    for pid in $WRITERS; do wait "$pid" || fail "$1: $(cat "$T"/writer?.log)"; done
    JOBS=""
}
current() {
    [ "$(dfs cat /replaced)" = "new $1" ] || fail "$2: /replaced holds $(dfs cat /replaced)"
    dfs cat /appended >"$T/appended"
    [ "$(sum_of "$T/appended")" = "$(seq "$1" | sum_of /dev/stdin)" ] || fail "$2: /appended ends with $(tail -n 2 "$T/appended" | tr '\n' ' ')"
    if dfs cat /removed 2>/dev/null; then fail "$2: a removed file is there"; fi
}
change() { # to state N
    echo "new $1" | dfs put - /replaced
    echo "$1" | dfs append - /appended
}

start_nm --repair-grace 2s
echo -86400 >"$T/clock"
start_ss 1
start_ss 2
faulty DFS_CLOCK="$T/clock" -- start_ss 3
wait_up 3
echo one | dfs put - /removed
for n in 1 2; do change $n; done
dfs rm --now /removed

say "each is stopped for longer than every time-out"
write_for 16
state=2
for n in 1 2 3; do
    signal STOP ss$n
    sleep 3.5
    state=$((state + 1))
    change $state
    signal CONT ss$n
    current $state "ss$n goes on"
    sleep 0.7
    current $state "ss$n is back"
done
written "servers were stopped"
wait_for 60 "every goal to be kept" is_whole

say "a folder as it was some time ago"
stop_ss 2
cp -a "$T/ss2" "$T/ss2.before"
start_ss 2
wait_up 3
write_for 2
state=$((state + 1))
change $state
echo two | dfs put - /removed
written "before the folder is restored"
dfs rm --now /removed
stop_ss 2
rm -rf "${T:?}/ss2"
mv "$T/ss2.before" "$T/ss2"
start_ss 2
current $state "a folder was restored"
wait_up 3
current $state "a folder was restored, and its server is up"
wait_for 90 "what it lacks to be copied" is_whole
current $state "all are whole again"
pass "$state changes"
