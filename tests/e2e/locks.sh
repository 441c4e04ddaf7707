#!/bin/sh
# SPDX-License-Identifier: MIT
# Locks between processes: none is held by two, they pass on when their holder is gone or paused, and then the old holder
# writes nothing any more; they live through failovers; the command line.
. "$(dirname "$0")/lib.sh"

LOCKER=$DFS_BIN/../tests/dfs-locker
[ -x "$LOCKER" ] || fail "$LOCKER is not built"

said() { [ "$(tail -n 1 "$T/$1")" = "$2" ]; }
holds_text() { dfs cat /held 2>/dev/null | grep -q "^$1"; }

for n in 1 2 3; do
    init=--init
    [ $n = 1 ] || init="--join $(address_of nm1)"
    start_name $n $init --lock-ttl 3s
done
DFS_NM=$(address_of nm1),$(address_of nm2),$(address_of nm3)
export DFS_NM
wait_for 30 "three voters" voters_are 3
for n in 1 2; do start_ss $n; done
wait_up 2

say "one process, two owners"
"$LOCKER" alone /alone - || fail "locks within one process"

say "eight processes count, and the leader is lost"
COUNTERS=""
for n in 1 2 3 4 5 6 7 8; do
    "$LOCKER" count /count 25 2>"$T/count$n.log" &
    COUNTERS="$COUNTERS $!"
    JOBS="$JOBS $!"
done
sleep 1
lost=$(leader)
signal KILL "$lost"
reap "$lost"
start_name "${lost#nm}" --lock-ttl 3s
for pid in $COUNTERS; do wait "$pid" || fail "a counter: $(cat "$T"/count*.log)"; done
[ "$(dfs cat /count)" = 0000000200 ] || fail "200 times one is $(dfs cat /count)"

say "a paused holder loses its lock, and writes nothing after that"
mkfifo "$T/first.in" "$T/second.in"
"$LOCKER" hold /held first <"$T/first.in" >"$T/first.out" 2>"$T/first.log" &
first=$!
exec 5>"$T/first.in"
wait_for 10 "the first lock" said first.out locked
"$LOCKER" hold /held second <"$T/second.in" >"$T/second.out" 2>"$T/second.log" &
second=$!
JOBS="$JOBS $first $second"
exec 6>"$T/second.in"
sleep 5
! said second.out locked || fail "two hold the lock: an idle holder lost it"
echo >&5
wait_for 10 "a write of the first" said first.out written
kill -STOP $first
wait_for 20 "the second to get the lock" said second.out locked
holds_text second || fail "the second has the lock, but /held says $(dfs cat /held)"
echo >&5
kill -CONT $first
wait_for 40 "the first to hear that its lock is gone" said first.out EBADF
holds_text second || fail "the first has written without its lock: $(dfs cat /held)"
echo >&6
wait_for 10 "a write of the second" said second.out written

say "a killed holder's lock passes on"
kill -9 $second
dfs lock -w 20 /held true || fail "nobody gets the lock of a killed process"
exec 5>&- 6>&-

say "the command line"
dfs lock /job sh -c 'exit 7' && fail "the command's status is lost"
[ $? = 7 ] || fail "the command's status became $?"
[ "$(dfs lock /job -- echo fine)" = fine ] || fail "-- before the command"
dfs lock /job echo -n -s --flag >"$T/out" || fail "a command with flags"
[ "$(cat "$T/out")" = "-s --flag" ] || fail "the command's flags became $(cat "$T/out")"
dfs lock /job sh -c "touch $T/go; while [ -e $T/go ]; do sleep 0.1; done" &
job=$!
JOBS="$JOBS $job"
wait_for 10 "the job to run" test -e "$T/go"
dfs lock -n /job true && fail "-n got a lock that is held"
[ $? = 1 ] || fail "-n gives $?"
dfs lock -n -E 9 /job true && fail "-n -E got a lock that is held"
[ $? = 9 ] || fail "-E 9 gives $?"
dfs lock -s -w 500ms /job true && fail "-w got a lock that is held"
dfs lock /job true & # and is interrupted while it waits
waiter=$!
JOBS="$JOBS $waiter"
sleep 0.5
kill -TERM $waiter
status=0
wait $waiter || status=$?
[ $status = 143 ] || fail "a signal while waiting gives $status"
rm "$T/go"
wait $job || fail "the job"
dfs lock -n /job true || fail "a lock that was waited for by a process that ended is held"
dfs lock -s /job dfs_no_such_command 2>"$T/err" && fail "a command that is not there"
grep -q "no such file" "$T/err" || fail "a command that is not there: $(cat "$T/err")"
"$DFS_BIN/dfs" lock -s /job "$DFS_BIN/dfs" lock -n -s /job "$DFS_BIN/dfs" lock -n -x /job true && fail "an exclusive lock beside two shared"

say "shared locks without end, and one that wants it alone"
SHARERS=""
touch "$T/stream"
for n in 1 2 3 4 5 6 7 8; do
    (while [ -e "$T/stream" ]; do dfs lock -s /stream sh -c "touch $T/shared$n; sleep 1"; done) &
    JOBS="$JOBS $!" SHARERS="$SHARERS $!"
done
for n in 1 2 3 4 5 6 7 8; do wait_for 10 "shared lock $n" test -e "$T/shared$n"; done
dfs lock -w 20 /stream true || fail "a stream of shared locks keeps an exclusive one out"
rm "$T/stream"
for pid in $SHARERS; do wait "$pid" || fail "a shared lock"; done
pass
