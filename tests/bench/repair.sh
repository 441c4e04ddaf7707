#!/bin/sh
# SPDX-License-Identifier: MIT
# How fast lost copies are made again, and what others notice of it. One NameServer and three StorageServers on this machine,
# goal 2; one StorageServer is killed. Small chunks: copies a second. Large ones: bytes a second, beside cp and sync of as
# many bytes on the same disk. Foreground: p99 of small gets and puts before, and while a repair runs, of small chunks and of large ones. Stall: the slowest
# operation of a load in the middle of which the server is killed.

set -eu

usage() {
    cat <<'HELP'
Usage: sh tests/bench/repair.sh [OPTION]...

  --files N     small files of 4 KiB (default 60000)
  --large SIZE  bytes of large files, in MiB (default 1024)
  --only WORDS  some of "small large foreground beside_large stall" (default all)
  --dir DIR     where all servers keep their data (default build/repair; removed at the end)
  --bin DIR     the programs (default build/release/bin)
HELP
}

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
FILES=60000 LARGE=1024 ONLY="small large foreground beside_large stall" DIR=$ROOT/build/repair BIN=$ROOT/build/release/bin
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --files) FILES=$2 ;;
        --large) LARGE=$2 ;;
        --only) ONLY=$2 ;;
        --dir) DIR=$2 ;;
        --bin) BIN=$2 ;;
        *) echo "repair: unknown option $1; see --help" >&2; exit 2 ;;
    esac
    shift 2
done
export LC_ALL=C
PIDS="" GRACE=1000
end() {
    for pid in $PIDS; do kill -9 "$pid" 2>/dev/null || true; done
    for pid in $PIDS; do wait "$pid" 2>/dev/null || true; done
    PIDS=""
    rm -rf "$DIR"
}
trap end EXIT
trap 'exit 1' INT TERM

serve() { # NAME PROGRAM FLAG...
    what=$1 program=$2
    shift 2
    "$BIN/$program" --data "$DIR/$what" --listen 127.0.0.1:0 --port-file "$DIR/$what.port" "$@" >"$DIR/$what.log" 2>&1 &
    pid=$!
    PIDS="$PIDS $pid"
    until [ -s "$DIR/$what.port" ]; do sleep 0.05; done
}
start() {
    end
    mkdir -p "$DIR"
    serve nm dfs-nm --init --repair-grace ${GRACE}ms
    DFS_NM=127.0.0.1:$(sed 's/.*://' "$DIR/nm.port")
    export DFS_NM
    for n in 1 2 3; do serve "ss$n" dfs-ss --nm "$DFS_NM"; done
    victim=$pid
    until [ "$("$BIN/dfs" -j status | grep -o '"state":"up"' | wc -l)" -ge 3 ]; do sleep 0.1; done
}
number() { "$BIN/dfs" -j health 2>/dev/null | sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }
ms() { echo $(($(date +%s%N) / 1000000)); }
lose() { # kills the victim; $lost chunks; repair begins at $begun
    kill -9 "$victim"
    until [ "$(number under_replicated)" -gt 0 ]; do sleep 0.01; done
    begun=$(($(ms) + GRACE))
    lost=$(number under_replicated)
}
whole() { until [ "$(number under_replicated)" = 0 ]; do sleep 0.02; done; }
field() { # FILE OP NAME
    sed -n "s/.*\"op\":\"$2\".*\"$3\":\([0-9]*\).*/\1/p" "$1" | tail -1
}

small() {
    start
    "$BIN/dfs-bench" put --files "$FILES" --size 4k -c 32 >/dev/null
    lose
    whole
    took=$(($(ms) - begun))
    echo "small: $lost chunks of 4 KiB made again in $took ms: $((lost * 1000 / took)) chunks/s"
}
large() {
    start
    dd if=/dev/urandom of="$DIR/source" bs=1M count="$LARGE" 2>/dev/null
    sync
    from=$(ms)
    cp "$DIR/source" "$DIR/copy"
    sync "$DIR/copy"
    copying=$(($(ms) - from))
    rm "$DIR/copy"
    "$BIN/dfs" put "$DIR/source" /large
    rm "$DIR/source"
    sleep 2
    lose
    whole
    took=$(($(ms) - begun))
    echo "large: $lost chunks of 64 MiB in $took ms: $((lost * 64 * 1000 / took)) MiB/s; cp and sync: $((LARGE * 1000 / copying)) MiB/s;" \
        "ratio $((lost * 64 * 100 * copying / took / LARGE)) %"
}
foreground() {
    for op in put get; do
        start
        "$BIN/dfs-bench" put --files "$FILES" --size 4k -c 32 >/dev/null
        sync
        "$BIN/dfs-bench" $op --seconds 5 --size 4k -c 8 --json "$DIR/before" >/dev/null
        lose
        until [ "$(ms)" -ge "$begun" ]; do sleep 0.01; done
        "$BIN/dfs-bench" $op --seconds 2 --size 4k -c 8 --json "$DIR/during" >/dev/null
        echo "foreground: p99 of ${op}s $(field "$DIR/before" $op p99_us) us, while repairing $(field "$DIR/during" $op p99_us) us" \
            "($lost to $(number under_replicated) chunks left)"
    done
}
# Of gets of small files that are all there, while large ones are made again.
beside_large() {
    start
    "$BIN/dfs-bench" put --files 2000 --size 4k -c 32 >/dev/null
    "$BIN/dfs-bench" write --size "$((LARGE / 2))m" --files 4 -c 2 >/dev/null
    sync
    "$BIN/dfs-bench" get --seconds 5 --size 4k -c 8 --json "$DIR/before" >/dev/null
    lose
    sleep 2
    "$BIN/dfs-bench" get --warmup 500ms --seconds 3 --size 4k -c 8 --json "$DIR/during" >/dev/null
    echo "beside_large: p99 of gets $(field "$DIR/before" get p99_us) us, while large chunks are repaired" \
        "$(field "$DIR/during" get p99_us) us ($(number under_replicated) of $lost chunks left)"
}
stall() {
    for load in "mix -c 16" "rand -c 4 --depth 4 --size 64m"; do
        start
        "$BIN/dfs-bench" $load --seconds 12 --verify --json "$DIR/stall" >/dev/null 2>"$DIR/stall.err" &
        loading=$!
        sleep 5
        kill -9 "$victim"
        wait $loading || echo "stall: ${load%% *}: FAILED: $(head -2 "$DIR/stall.err")"
        for op in $(grep -o '"op":"[a-z_]*"' "$DIR/stall" | sed 's/.*:"\(.*\)"/\1/' | sort -u); do
            echo "stall: ${load%% *}: slowest $op $(($(field "$DIR/stall" "$op" max_us) / 1000)) ms," \
                "errors $(field "$DIR/stall" "$op" errors)"
        done
    done
}
for what in $ONLY; do $what; done
