#!/bin/sh
# SPDX-License-Identifier: MIT
# Three NameServers under load from several clients, while random ones of them are killed, stopped for a while and
# restarted: no error reaches a user, every acknowledged file reads back, nothing is applied twice (a mkdir that was
# applied and is applied again would fail). Says how long clients were kept waiting. $DFS_TEST_LONG: 50 rounds.
. "$(dirname "$0")/lib.sh"

rounds=${FAILOVER_ROUNDS:-4}
[ -z "${DFS_TEST_LONG:-}" ] || rounds=50
loaders=3

now_ms() { date +%s%3N; }

# load N: directories and files until killed; any error is written down.
load() {
    i=0
    while :; do
        i=$((i + 1))
        began=$(now_ms)
        dfs mkdir "/w$1/d$i" >>"$T/errors.$1" 2>&1 || echo "mkdir $i failed" >>"$T/errors.$1"
        echo $(($(now_ms) - began)) >>"$T/waits.$1"
        file=$T/load/$1.src
        random_file "$file" $((i * 977 % 40000 + 1))
        sum=$(sum_of "$file")
        dfs put "$file" "/w$1/d$i/f" >>"$T/errors.$1" 2>&1 || echo "put $i failed" >>"$T/errors.$1"
        echo "w$1/d$i/f $sum" >>"$T/acked.$1"
    done
}

disturb() { # disturb ROUND: what happens to whom
    victim=$(leader)
    [ -n "$victim" ] || victim=nm1
    case $(($1 % 4)) in
    1)
        say "round $1: kill -9 of the leader, $victim"
        signal KILL "$victim"
        began=$(now_ms)
        dfs mkdir "/after$1" || fail "a client saw the failover"
        took=$(($(now_ms) - began))
        say "round $1: a client went on after $took ms"
        [ $took -lt 10000 ] || fail "failover took $took ms"
        reap "$victim"
        start_name "${victim#nm}"
        ;;
    2)
        say "round $1: the leader, $victim, is stopped for 3 s"
        signal STOP "$victim"
        sleep 3
        signal CONT "$victim"
        ;;
    3)
        other=nm$((${victim#nm} % 3 + 1))
        say "round $1: kill -9 of a follower, $other"
        signal KILL "$other"
        reap "$other"
        sleep 1
        start_name "${other#nm}"
        ;;
    0)
        say "round $1: $victim hands over and restarts"
        dfs nm transfer || fail "no transfer"
        sleep 1
        stop "$victim"
        start_name "${victim#nm}"
        ;;
    esac
}

mkdir "$T/load"
start_names
for n in 1 2 3; do start_ss $n; done
wait_up 3
for n in $(seq $loaders); do
    dfs mkdir "/w$n"
    load $n &
    JOBS="$JOBS $!"
done

round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    sleep 1
    disturb $round
    wait_for 30 "three voters after round $round" voters_are 3
done
sleep 1
end_jobs
wait_up 3

grep -v '^$' "$T"/errors.* && fail "an error reached a user"
cat "$T"/acked.* | sort >"$T/acked"
dfs get -r / "$T/out" || fail "reading everything back failed"
(cd "$T/out" && find . -type f -printf '%P\n' | sort | xargs -r sha256sum | sed 's/\([^ ]*\)  \(.*\)/\2 \1/') | sort >"$T/stored"
comm -23 "$T/acked" "$T/stored" >"$T/lost"
[ ! -s "$T/lost" ] || fail "acknowledged but lost or different: $(head -3 "$T/lost" | tr '\n' ';')"

# one that is removed stays out, and its folder cannot come back under its id
victim=$(leader)
gone=nm$((${victim#nm} % 3 + 1))
id=$(dfs -j nm list | tr '}' '\n' | sed -n "s/.*\"id\":\([0-9]*\),\"address\":\"$(address_of "$gone")\".*/\1/p")
dfs nm remove "$id" || fail "nm remove $id"
wait_for 10 "the removal" voters_are 2
grep -q 'nm.removed\|nm.refused' "$T/$gone.log" || sleep 2
grep -q 'nm.removed\|nm.refused' "$T/$gone.log" || fail "$gone does not know that it was removed"
dfs mkdir /two-left || fail "two NameServers do not serve"
pass "$rounds rounds, $(wc -l <"$T/acked") files; a mkdir waited at most $(sort -n "$T"/waits.* | tail -1) ms"
