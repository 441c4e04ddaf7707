#!/bin/sh
# SPDX-License-Identifier: MIT
# The NameServer at scale: memory and rates of its tables, restart, listing, snapshots under load, three servers.

set -eu

usage() {
    cat <<'HELP'
Usage: sh tests/bench/nm_scale.sh [OPTION]...

Measures NameServers on loopback, each part in turn, and prints one line for each figure, with what it is held against.

  --only WORDS  some of "core restart idle list snapshot outstanding three failover" (default all)
  --files N     files of the large namespace (default 10000000)
  --window S    how long creates among many files are measured: one that holds a whole snapshot tells more (default 60)
  --rounds N    how often what is compared is measured, alternating (default 3)
  --dir DIR     where the servers keep their data (default build/nm_scale; removed at the end)
  --build DIR   the release build (default build/release)
HELP
}

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
ONLY="core restart idle list snapshot outstanding three failover" FILES=10000000 ROUNDS=3 WINDOW=60
DIR=$ROOT/build/nm_scale BUILD=$ROOT/build/release
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --only | --files | --rounds | --window | --dir | --build)
            [ $# -ge 2 ] || { echo "nm_scale: $1 needs a value" >&2; exit 2; }
            case $1 in
                --only) ONLY=$2 ;;
                --files) FILES=$2 ;;
                --rounds) ROUNDS=$2 ;;
                --window) WINDOW=$2 ;;
                --dir) DIR=$2 ;;
                --build) BUILD=$2 ;;
            esac
            shift
            ;;
        *) echo "nm_scale: unknown option $1; see --help" >&2; exit 2 ;;
    esac
    shift
done
export LC_ALL=C
BIN=$BUILD/bin SCALE=$BUILD/bench/meta_scale
[ -x "$SCALE" ] || { echo "nm_scale: $SCALE does not exist: build the release preset" >&2; exit 1; }
[ ! -e "$DIR" ] || { echo "nm_scale: $DIR exists: remove it, or choose another --dir" >&2; exit 1; }
mkdir -p "$DIR"
PIDS=""

stop_all() {
    for pid in $PIDS; do kill -9 "$pid" 2>/dev/null || true; done
    for pid in $PIDS; do wait "$pid" 2>/dev/null || true; done
    PIDS=""
}
cleanup() {
    stop_all
    rm -rf "$DIR"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.2f", b - a }'; }
figure() { printf '%-52s %12s  %s\n' "$1" "$2" "${3:-}"; }
median() { sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

# start_nm NAME FLAG...: returns once it answers; its folder is $DIR/NAME.
start_nm() {
    name=$1
    shift
    rm -f "$DIR/$name.port"
    "$BIN/dfs-nm" --data "$DIR/$name" --listen 127.0.0.1:0 --port-file "$DIR/$name.port" "$@" >"$DIR/$name.log" 2>&1 &
    PIDS="$PIDS $!"
    until [ -s "$DIR/$name.port" ]; do
        kill -0 $! 2>/dev/null || { cat "$DIR/$name.log" >&2; exit 1; }
        sleep 0.02
    done
    DFS_NM=127.0.0.1:$(sed 's/.*://' "$DIR/$name.port")
    export DFS_NM
    until "$BIN/dfs" stat / >/dev/null 2>&1; do sleep 0.02; done
}

# bench OP FIELD FLAG...: FIELD of OP of one run of dfs-bench meta.
bench() {
    op=$1 field=$2
    shift 2
    "$BIN/dfs-bench" meta --json "$DIR/bench.json" "$@" >"$DIR/bench.log" 2>&1 || { cat "$DIR/bench.log" >&2; exit 1; }
    of "$DIR/bench.json" "$op" "$field"
}
of() { grep "\"op\":\"$2\"" "$1" | sed "s/.*\"$3\":\([0-9.]*\).*/\1/"; }

# fill NAME FILES: a NameServer's folder with so many files of one chunk.
fill() { "$SCALE" --files "$2" --order shuffled --data "$DIR/$1" >"$DIR/fill.log" || { cat "$DIR/fill.log" >&2; exit 1; }; }

part_core() { "$SCALE" --files "$FILES"; }

part_restart() {
    fill large "$FILES"
    start_nm large
    for round in $(seq "$ROUNDS"); do
        bench create ops_per_s -c 50 --seconds "$WINDOW" >>"$DIR/large.rates"
        stop_all
        start_nm "empty$round" --init
        bench create ops_per_s -c 50 --files 10000 >/dev/null
        bench create ops_per_s -c 50 --seconds 4 >>"$DIR/empty.rates"
        stop_all
        begin=$(now)
        start_nm large
        since "$begin" >>"$DIR/restarts"
        echo >>"$DIR/restarts"
    done
    stop_all
    large=$(median <"$DIR/large.rates") empty=$(median <"$DIR/empty.rates")
    figure "creates/s among $FILES files, -c 50" "$large" "ratio $(ratio "$large" "$empty") to a small namespace (0.8)"
    figure "restart with $FILES files and a log behind them, s" "$(median <"$DIR/restarts")" "at most 10"
    rm -rf "$DIR/large" "$DIR"/empty*
}

part_idle() {
    fill idle "$FILES"
    start_nm idle
    figure "the NameServer when nothing happens" "" "less than 1 %"
    "$BUILD/bench/idle" --files "$FILES" | sed 's/^/  /'
    stop_all
    rm -rf "$DIR/idle"
}

part_list() {
    fill list 2000000 # a million in each of two folders
    start_nm list
    for verb in "ls /d0" "ls -l /d0" "-j ls /d0"; do
        begin=$(now)
        # shellcheck disable=SC2086
        [ "$("$BIN/dfs" $verb | wc -l)" -ge 1000000 ] || { echo "nm_scale: dfs $verb: incomplete" >&2; exit 1; }
        figure "dfs $verb, a million entries, s" "$(since "$begin")" "at most 3"
    done
    # shellcheck disable=SC2086
    figure "the NameServer's highest RSS, KiB" "$(sed -n 's/VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/${PIDS##* }/status)"
    stop_all
    rm -rf "$DIR/list"
}

# Stats of one run while another creates; with a small log, snapshots come as often as they may.
part_snapshot() {
    fill snapshot 1000000
    for log in 64g 1m; do
        start_nm snapshot --snapshot-log-size $log
        "$BIN/dfs-bench" meta -c 16 --seconds 8 --json "$DIR/stat.json" >/dev/null 2>&1 &
        reader=$!
        sleep 8.2
        "$BIN/dfs-bench" meta -c 16 --seconds 8 >/dev/null 2>&1 &
        PIDS="$PIDS $!"
        wait $reader
        figure "p99 of stat, $(grep -c snapshot_taken "$DIR/snapshot.log" || true) snapshots of a million files, us" \
            "$(of "$DIR/stat.json" stat p99_us)" "at most 10000"
        stop_all
    done
    rm -rf "$DIR/snapshot"
}

part_outstanding() {
    start_nm outstanding --init
    for round in $(seq "$ROUNDS"); do
        bench create ops_per_s -c 50 --depth 16 --files 400000 >>"$DIR/creates"
        of "$DIR/bench.json" stat ops_per_s >>"$DIR/stats"
    done
    stop_all
    figure "durable creates/s, 800 outstanding" "$(median <"$DIR/creates")" "at least 150000"
    figure "lookups/s, 800 outstanding" "$(median <"$DIR/stats")" "at least 400000"
    rm -rf "$DIR/outstanding"
}

part_three() {
    for round in $(seq "$ROUNDS"); do
        start_nm "one$round" --init
        bench create ops_per_s -c 50 --files 100000 >>"$DIR/one.rates"
        stop_all
        start_nm "a$round" --init
        first=$DFS_NM
        start_nm "b$round" --join "$first"
        start_nm "c$round" --join "$first"
        DFS_NM=$first
        until [ "$("$BIN/dfs" -j status | grep -o '"state":"follower"' | wc -l)" = 2 ]; do sleep 0.1; done
        bench create ops_per_s -c 50 --files 100000 >>"$DIR/three.rates"
        stop_all
    done
    one=$(median <"$DIR/one.rates") three=$(median <"$DIR/three.rates")
    figure "creates/s, three NameServers, -c 50" "$three" "ratio $(ratio "$three" "$one") to one (0.4)"
}

# The leader of three is killed while 16 connections create, and while somebody types a mkdir. It comes back before the next round.
part_failover() {
    start_nm m1 --init
    first=$DFS_NM
    start_nm m2 --join "$first"
    start_nm m3 --join "$first"
    all=""
    for n in 1 2 3; do
        eval "pid$n=$(echo "$PIDS" | awk -v n=$n '{ print $n }') port$n=$(sed 's/.*://' "$DIR/m$n.port")"
        eval "all=$all,127.0.0.1:\$port$n"
    done
    DFS_NM=${all#,}
    for round in $(seq "$ROUNDS"); do
        until [ "$("$BIN/dfs" -j status | grep -o '"state":"follower"' | wc -l)" = 2 ]; do sleep 0.1; done
        "$BIN/dfs-bench" meta -c 16 --seconds 3 --json "$DIR/failover.json" >"$DIR/bench.log" 2>&1 &
        load=$!
        sleep 1
        address=$("$BIN/dfs" -j status | tr '{' '\n' | sed -n 's/.*"address":"\([^"]*\)".*"state":"leader".*/\1/p')
        for n in 1 2 3; do eval "[ 127.0.0.1:\$port$n != '$address' ] || { leader=$n pid=\$pid$n port=\$port$n; }"; done
        sleep 0.$((round * 37 % 90 + 10))
        kill -9 "$pid"
        begin=$(now)
        "$BIN/dfs" mkdir "/after$round"
        since "$begin" >>"$DIR/failover.mkdir"
        echo >>"$DIR/failover.mkdir"
        wait "$load" || { cat "$DIR/bench.log" >&2; exit 1; }
        of "$DIR/failover.json" create max_us | awk '{ printf "%.2f\n", $1 / 1e6 }' >>"$DIR/failover.create"
        wait "$pid" 2>/dev/null || true
        start_nm "m$leader" --listen "127.0.0.1:$port"
        eval "pid$leader=$!"
        DFS_NM=${all#,}
    done
    stop_all
    for what in create mkdir; do
        figure "slowest $what over a kill -9 of the leader, s" "$(sort -g "$DIR/failover.$what" | tail -n 1)" \
            "at most 2; all: $(sort -g "$DIR/failover.$what" | tr '\n' ' ')"
    done
}

for part in $ONLY; do
    "part_$part"
done
