#!/bin/sh
# SPDX-License-Identifier: MIT
# One StorageServer at scale: memory, restarts and rebuild with many small chunks; space under overwrites and deletions.

set -eu

usage() {
    cat <<'HELP'
Usage: sh tests/bench/ss_scale.sh [OPTION]...

Measures a StorageServer on loopback, each part in turn, and prints one line for each figure, with what it is held against.

  --only WORDS  some of "memory clean kill rebuild space" (default all)
  --files N     chunks of 4 KiB, one a file (default 1000000)
  --rounds N    how often restarts and rebuilds are measured; the median counts (default 3)
  --live SIZE   what is stored while space is watched, in MiB (default 3072)
  --times N     how often as much is written over and deleted (default 6)
  --dir DIR     where the servers keep their data (default build/ss_scale; removed at the end)
  --build DIR   the release build (default build/release)
HELP
}

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
ONLY="memory clean kill rebuild space" FILES=1000000 ROUNDS=3 LIVE=3072 TIMES=6
DIR=$ROOT/build/ss_scale BUILD=$ROOT/build/release
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --only | --files | --rounds | --live | --times | --dir | --build)
            [ $# -ge 2 ] || { echo "ss_scale: $1 needs a value" >&2; exit 2; }
            case $1 in
                --only) ONLY=$2 ;;
                --files) FILES=$2 ;;
                --rounds) ROUNDS=$2 ;;
                --live) LIVE=$2 ;;
                --times) TIMES=$2 ;;
                --dir) DIR=$2 ;;
                --build) BUILD=$2 ;;
            esac
            shift
            ;;
        *) echo "ss_scale: unknown option $1; see --help" >&2; exit 2 ;;
    esac
    shift
done
export LC_ALL=C
BIN=$BUILD/bin
[ -x "$BIN/dfs-bench" ] || { echo "ss_scale: $BIN/dfs-bench does not exist: build the release preset" >&2; exit 1; }
command -v fio >/dev/null || { echo "ss_scale: needs fio; install it with: apt-get install fio" >&2; exit 1; }
[ ! -e "$DIR" ] || { echo "ss_scale: $DIR exists: remove it, or choose another --dir" >&2; exit 1; }
mkdir -p "$DIR"
DIR=$(cd "$DIR" && pwd)
NM="" SS="" LOAD=""

stop() { # stop SIGNAL PID...
    signal=$1
    shift
    for pid in "$@"; do kill "-$signal" "$pid" 2>/dev/null || true; done
    for pid in "$@"; do wait "$pid" 2>/dev/null || true; done
}
cleanup() {
    stop KILL $NM $SS $LOAD
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
wants() { case " $ONLY " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
fail() {
    echo "ss_scale: $1" >&2
    tail -n 5 "$DIR"/*.log >&2 || true
    exit 1
}
status() { "$BIN/dfs" -j status 2>/dev/null | tr '{,' '\n\n' | sed -n "s/^\"$1\": *\"\{0,1\}\([^\"}]*\).*/\1/p" | tail -n 1; }

# Returns once it listens, which it does when its index is whole.
start_ss() {
    rm -f "$DIR/ss.port"
    "$BIN/dfs-ss" --data "$DIR/ss" --nm "$DFS_NM" --listen "${ADDRESS:-127.0.0.1:0}" --port-file "$DIR/ss.port" \
        >>"$DIR/ss.log" 2>&1 &
    SS=$!
    until [ -s "$DIR/ss.port" ]; do
        kill -0 $SS 2>/dev/null || fail "the StorageServer ended"
        sleep 0.01
    done
    ADDRESS=127.0.0.1:$(sed 's/.*://' "$DIR/ss.port")
}
timed_start() {
    began=$(now)
    start_ss
    since "$began"
}
memory() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$SS/status"; }
drop_caches() { sync && echo 3 2>/dev/null >/proc/sys/vm/drop_caches; }

# What is removed goes soon: by default it is kept for readers for ten minutes.
"$BIN/dfs-nm" --data "$DIR/nm" --init --reader-grace 5s --listen 127.0.0.1:0 --port-file "$DIR/nm.port" >"$DIR/nm.log" 2>&1 &
NM=$!
until [ -s "$DIR/nm.port" ]; do sleep 0.02; done
DFS_NM=127.0.0.1:$(sed 's/.*://' "$DIR/nm.port")
export DFS_NM
start_ss
until [ "$(status goal)" = 1 ]; do sleep 0.05; done
empty=$(memory)

if wants memory || wants clean || wants kill || wants rebuild; then
    "$BIN/dfs-bench" put --size 4k -c 64 --files "$FILES" --goal 1 >"$DIR/put.log" 2>&1 || fail "dfs-bench put failed"
    stop TERM $SS
    start_ss
fi

if wants memory; then
    figure "memory of a chunk, bytes" "$(awk -v a="$empty" -v b="$(memory)" -v n="$FILES" \
        'BEGIN { printf "%.1f", (b - a) * 1024 / n }')" "64 at most"
fi

restarts() { # restarts HOW NAME TARGET: HOW ends the server
    : >"$DIR/times"
    round=0
    while [ $round -lt "$ROUNDS" ]; do
        round=$((round + 1))
        "$1"
        timed_start >>"$DIR/times"
    done
    figure "restart after $2, s" "$(median <"$DIR/times")" "$3"
}
clean_stop() { stop TERM $SS; }
kill_under_load() {
    "$BIN/dfs-bench" put --size 4k -c 64 --seconds 60 --goal 1 >"$DIR/load.log" 2>&1 &
    LOAD=$!
    sleep 4
    stop KILL $SS $LOAD
    LOAD=""
}
if wants clean; then restarts clean_stop "a clean stop" "1 s at most"; fi
if wants kill; then restarts kill_under_load "kill -9 under load" "3 s at most"; fi

# The very same bytes, read one after the other.
sequential() {
    fio --name=reference --opendir="$DIR/ss" --file_service_type=sequential --rw=read --bs=1M --output-format=terse \
        --terse-version=3 2>>"$DIR/fio.log" | grep '^3;' | cut -d';' -f7
}
if wants rebuild; then
    stop TERM $SS
    drop_caches || echo "ss_scale: without root nothing can be made cold: the rates are of memory" >&2
    : >"$DIR/rebuilt" >"$DIR/read"
    round=0
    while [ $round -lt "$ROUNDS" ]; do
        round=$((round + 1))
        bytes=$(du -k "$DIR/ss" | cut -f1)
        drop_caches || true
        sequential >>"$DIR/read"
        drop_caches || true
        began=$(now)
        "$BIN/dfs-ss" --rebuild-index "$DIR/ss" >"$DIR/rebuild.log" 2>&1 || fail "dfs-ss --rebuild-index failed"
        ratio "$bytes" "$(since "$began")" >>"$DIR/rebuilt"
        echo >>"$DIR/rebuilt"
    done
    ours=$(median <"$DIR/rebuilt") theirs=$(median <"$DIR/read")
    figure "rebuild of the index, MiB/s" "$(ratio "$ours" 1024)" "fio reads $(ratio "$theirs" 1024)"
    figure "rebuild beside a sequential read" "$(ratio "$ours" "$theirs")" "0.7 at least"
    start_ss
fi

# Blocks written over at random places of one file, beside small files that are stored and removed, until TIMES as much was
# written as is live. What is taken is du's, with what is preallocated; what is live is what the NameServer counts.
taken() { du -k "$DIR/ss" 2>/dev/null | cut -f1; } # segments go meanwhile
live() { awk -v b="$(status bytes)" 'BEGIN { printf "%d", b / 1024 }'; }
if wants space; then
    "$BIN/dfs-bench" rand --size "${LIVE}m" --block 4k --read-percent 0 -c 8 --depth 8 --ops $((LIVE * 256 * TIMES)) --goal 1 \
        >"$DIR/rand.log" 2>&1 &
    LOAD=$!
    "$BIN/dfs-bench" mix --mix 50:0:0:50 --size 4k --files 20000 -c 8 --seconds 3600 --goal 1 >"$DIR/mix.log" 2>&1 &
    mix=$!
    began=$(now) before=$(live)
    until [ "$(live)" -ge $((before + LIVE * 1024)) ]; do sleep 0.2; done
    : >"$DIR/space"
    while kill -0 $LOAD 2>/dev/null; do
        echo "$(since "$began") $(taken) $(live)" >>"$DIR/space"
        sleep 1
    done
    stop TERM $mix
    wait $LOAD || fail "dfs-bench rand failed"
    LOAD=""
    # The last sample may be of the removal.
    sed '$d' "$DIR/space" | awk '{ t[NR] = $1; r[NR] = $2 / $3 }
        END {
            for (i = 1; i <= NR; i++) {
                if (i > NR / 2 && r[i] > high) high = r[i]
                if (i % int(NR / 8 + 1) == 0) series = series sprintf(" %.2f", r[i])
            }
            print high
            print "over time:" series
        }' >"$DIR/ratios"
    figure "space beside what is live, highest of the second half" "$(sed -n '1s/\(\.[0-9][0-9]\).*/\1/p' "$DIR/ratios")" "1.2 at most"
    sed -n 2p "$DIR/ratios"
fi
