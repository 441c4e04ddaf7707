#!/bin/sh
# SPDX-License-Identifier: MIT
# Several clients that each know exactly what must be (oracle.c), while random servers are killed, stopped for longer than
# every lease, restarted, all of them at once too. After every round all that was acknowledged is read back: it is there,
# once. $EXACTLY_ONCE_SEED replays a plan, $EXACTLY_ONCE_ROUNDS says how long it is; with $DFS_TEST_LONG it has 50 rounds.
. "$(dirname "$0")/lib.sh"

rounds=${EXACTLY_ONCE_ROUNDS:-3}
[ -z "${DFS_TEST_LONG:-}" ] || rounds=${EXACTLY_ONCE_ROUNDS:-50}
seed=${EXACTLY_ONCE_SEED:-$(date +%s)}
clients=4
oracle=$DFS_BIN/../tests/dfs-oracle
[ -x "$oracle" ] || fail "$oracle is not built"
say "seed $seed, $rounds rounds"

mkdir "$T/control"
start_names
for n in 1 2 3; do start_ss $n; done
wait_up 3
for n in $(seq $clients); do
    "$oracle" "c$n" $((seed * 10 + n)) "$T/control" >>"$T/oracle$n.log" 2>&1 &
    echo $! >"$T/control/c$n.pid"
    JOBS="$JOBS $!"
done

# One line a round: what, and two numbers to choose from.
awk -v seed="$seed" -v rounds="$rounds" 'BEGIN {
    srand(seed)
    n = split("kill-leader kill-name stop-leader stop-name restart-leader restart-name kill-names kill-storage stop-storage kill-two kill-all", kinds, " ")
    for (i = 0; i < rounds; i++)
        print kinds[int(rand() * n) + 1], int(rand() * 3) + 1, int(rand() * 3) + 1
}' >"$T/plan"

the_leader() { # the NameServer that leads, or nm$1
    l=$(leader) || l=""
    echo "${l:-nm$1}"
}

pause_for() { # pause_for SECONDS SERVER: longer than the leases (read 0.5 s, serve 2 s, down 2.5 s)
    signal STOP "$2"
    sleep "$1"
    signal CONT "$2"
}

kill_names() { # all these at the same instant, then start them again
    pids=""
    for victim in "$@"; do pids="$pids $(pid_of "$victim")"; done
    kill -9 $pids
    for victim in "$@"; do reap "$victim"; done
    for victim in "$@"; do restart "$victim"; done
}

restart() {
    case $1 in
    nm*) start_name "${1#nm}" ;;
    ss*) start_ss "${1#ss}" ;;
    esac
}

disturb() { # disturb KIND A B
    case $1 in
    kill-leader) kill_names "$(the_leader "$2")" ;;
    kill-name) kill_names "nm$2" ;;
    stop-leader) pause_for 4 "$(the_leader "$2")" ;;
    stop-name) pause_for 4 "nm$2" ;;
    restart-leader) victim=$(the_leader "$2"); stop "$victim"; restart "$victim" ;;
    restart-name) stop "nm$2"; restart "nm$2" ;;
    kill-two) [ "$2" != "$3" ] || set -- "$1" "$2" $(($2 % 3 + 1)); kill_names "nm$2" "nm$3" ;;
    kill-names) kill_names nm1 nm2 nm3 ;;
    kill-storage) kill_names "ss$2" ;;
    stop-storage) pause_for 4 "ss$2" ;;
    kill-all) kill_names nm1 nm2 nm3 ss1 ss2 ss3 ;;
    esac
}

alive() {
    for n in $(seq $clients); do
        kill -0 "$(cat "$T/control/c$n.pid")" 2>/dev/null || fail "oracle $n: $(tail -n 1 "$T/oracle$n.log")"
    done
}

checked() { # checked ROUND: by every client
    alive
    for n in $(seq $clients); do
        [ "$(cat "$T/control/c$n.checked" 2>/dev/null)" = "$1" ] || return 1
    done
}

round=0
while read -r kind a b; do
    round=$((round + 1))
    sleep 1
    say "round $round: $kind $a $b"
    disturb "$kind" "$a" "$b"
    sleep 1
    wait_for 60 "three NameServers after round $round" voters_are 3
    wait_up 3
    echo $round >"$T/control/round"
    wait_for 120 "the check of round $round" checked $round
done <"$T/plan"

touch "$T/control/stop"
for n in $(seq $clients); do
    status=0
    wait "$(cat "$T/control/c$n.pid")" || status=$?
    [ $status = 0 ] || fail "oracle $n: $(tail -n 1 "$T/oracle$n.log")"
    say "$(tail -n 1 "$T/oracle$n.log")"
done
JOBS=""
grep -h -c ' ok$' "$T"/control/*.log | awk '{ n += $1 } END { exit n < 100 }' || fail "hardly anything was done"
pass "$rounds rounds, seed $seed"
