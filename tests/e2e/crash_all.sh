#!/bin/sh
# SPDX-License-Identifier: MIT
# G1, G5: SIGKILL of every process at once under load. After a restart every acknowledged file reads back identical;
# a file that was under way is complete or absent. Several rounds on one cluster: $CRASH_ROUNDS (3; 125, which are 500 kills,
# with $DFS_TEST_LONG); the files of the last three rounds are kept.
. "$(dirname "$0")/lib.sh"

rounds=${CRASH_ROUNDS:-3}
[ -z "${DFS_TEST_LONG:-}" ] || rounds=${CRASH_ROUNDS:-125}
loaders=3

# load N: stores files until killed. The intent is written before, the acknowledgement after each put.
load() {
    i=0
    while :; do
        i=$((i + 1))
        file=$T/load/$round.$1.src # a put of the round before may live on, and finish
        size=$(od -An -N3 -tu4 /dev/urandom)
        random_file "$file" $((size % 200000))
        [ $((i % 10)) -ne 5 ] || random_file "$file" 3000000
        sum=$(sum_of "$file")
        path=r$round/w$1/f$i
        echo "$path $sum" >>"$T/load/intent.$1"
        if dfs put "$file" "/$path" 2>>"$T/cli.log"; then
            echo "$path $sum" >>"$T/load/acked.$1"
        fi
    done
}

acknowledged() { cat "$T"/load/acked.* 2>/dev/null | wc -l; }
acknowledged_more_than() { [ "$(acknowledged)" -gt "$1" ]; }

# Compares what is stored with the lists.
verify() {
    rm -rf "$T/out"
    mkdir "$T/out"
    dfs get -r / "$T/out/all" || fail "round $round: reading everything back failed"
    (cd "$T/out/all" && find . -type f -printf '%P\n' | sort | xargs -r sha256sum | sed 's/\([^ ]*\)  \(.*\)/\2 \1/') |
        sort >"$T/stored"
    sort "$T"/load/acked.* >"$T/acked"
    sort "$T"/load/intent.* >"$T/intent"
    comm -23 "$T/acked" "$T/stored" >"$T/lost"
    [ ! -s "$T/lost" ] || fail "round $round: acknowledged but lost or different: $(head -3 "$T/lost" | tr '\n' ';')"
    comm -13 "$T/intent" "$T/stored" >"$T/wrong"
    [ ! -s "$T/wrong" ] || fail "round $round: neither whole nor absent: $(head -3 "$T/wrong" | tr '\n' ';')"
}

# forget ROUND: its files go
forget() {
    dfs rm -r --now "/r$1"
    for list in "$T"/load/acked.* "$T"/load/intent.*; do
        grep -v "^r$1/" "$list" >"$T/kept" || true
        mv "$T/kept" "$list"
    done
    rm -f "$T/load/$1".*
}

mkdir "$T/load"
start_cluster 3
round=0 files=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    dfs mkdir "/r$round"
    before=$(acknowledged)
    for n in $(seq $loaders); do
        dfs mkdir "/r$round/w$n"
        load $n &
        JOBS="$JOBS $!"
    done
    wait_for 60 "files to be acknowledged" acknowledged_more_than $((before + 20))
    sleep 0.$((round * 3 % 10))
    files=$((files + $(acknowledged) - before))
    kill_all
    end_jobs
    start_nm
    for n in 1 2 3; do start_ss $n; done
    wait_up 3
    verify
    say "round $round: $(acknowledged) acknowledged files intact after SIGKILL of everything"
    [ $round -le 3 ] || forget $((round - 3))
done
pass "$((rounds * 4)) processes killed, more than $files files acknowledged, none lost"
