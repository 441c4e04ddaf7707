#!/bin/sh
# SPDX-License-Identifier: MIT
# DFS beside its references, in one run on one disk, alternating, medians: redis for metadata, fio and nginx for data.
# Client, servers and references share the machine: what one of them costs, the others do not get.

set -eu

usage() {
    cat <<'HELP'
Usage: sh tests/bench/figures.sh [OPTION]...

Starts one NameServer and two StorageServers, redis-server (appendonly, appendfsync always) and nginx (one worker,
sendfile) on loopback, and measures the same kinds of work on each in turn. Prints a table of medians and ratios.

  --rounds N     how often each is measured (default 5)
  --files N      files of dfs-bench meta, requests of redis-benchmark (default 100000)
  --seconds S    length of each put and get (default 5)
  --large SIZE   file of write and read, as dfs-bench takes it (default 1g)
  --only WORDS   some of "meta chunks small large" (default all)
  --dir DIR      where all servers keep their data (default build/figures; removed at the end)
  --bin DIR      the programs (default build/release/bin)
  --json FILE    default build/figures.json
HELP
}

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
PROGRAM=figures ROUNDS=5 FILES=100000 SECONDS_EACH=5 LARGE=1g ONLY="meta chunks small large"
DIR=$ROOT/build/figures BIN=$ROOT/build/release/bin JSON=$ROOT/build/figures.json
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --rounds | --files | --seconds | --large | --only | --dir | --bin | --json)
            [ $# -ge 2 ] || { echo "figures: $1 needs a value" >&2; exit 2; }
            case $1 in
                --rounds) ROUNDS=$2 ;;
                --files) FILES=$2 ;;
                --seconds) SECONDS_EACH=$2 ;;
                --large) LARGE=$2 ;;
                --only) ONLY=$2 ;;
                --dir) DIR=$2 ;;
                --bin) BIN=$2 ;;
                --json) JSON=$2 ;;
            esac
            shift
            ;;
        *) echo "figures: unknown option $1; see --help" >&2; exit 2 ;;
    esac
    shift
done
export LC_ALL=C PATH="$PATH:/usr/sbin"

missing=""
for need in redis-server:redis-server redis-benchmark:redis-tools redis-cli:redis-tools fio:fio nginx:nginx curl:curl wrk:wrk; do
    command -v "${need%%:*}" >/dev/null || missing="$missing ${need##*:}"
done
[ -z "$missing" ] || { echo "figures: needs the references; install them with: apt-get install$missing" >&2; exit 1; }
CHUNKS=$BIN/../bench/chunks
for need in "$BIN/dfs-bench" "$CHUNKS"; do
    [ -x "$need" ] || { echo "figures: $need does not exist: build the release preset" >&2; exit 1; }
done
[ ! -e "$DIR" ] || { echo "figures: $DIR exists: remove it, or choose another --dir" >&2; exit 1; }
. "$(dirname "$0")/parts.sh"

fio_4k() {
    fio_run "$1" 49 1 --rw=write --bs=4k --size=64m --fdatasync=1 --overwrite=1 --runtime="$SECONDS_EACH"
    rm -f "$DIR/data/fio"
}

# Nothing of what is stored is in memory any more. Needs root; without, the cold rows are left out.
drop_caches() { sync && echo 3 2>/dev/null >/proc/sys/vm/drop_caches; }

chunks() { # chunks NAME write|rewrite|read FLAG...
    as=$1
    shift
    "$CHUNKS" "$@" --seconds "$SECONDS_EACH" --json >"$DIR/chunks.json" 2>"$DIR/chunks.log" ||
        fail "chunks $* failed"
    add "$as" "$(sed 's/.*"ops_per_s":\([0-9.]*\).*/\1/' "$DIR/chunks.json")"
}

round_meta() {
    bench ops_per_s create:create stat:stat list:list rename:rename unlink:unlink -- meta -c 50 --files "$FILES"
    redis redis_set set 3 50
    redis redis_get get 3 50
}
round_chunks() {
    chunks chunk_write write -c 8 --depth 8
    fio_4k fio_4k_chunks
    chunks chunk_rewrite rewrite -c 8 --depth 8
    chunks chunk_read read -c 50 --depth 1
    nginx_small nginx_50 50
}
round_small() {
    bench ops_per_s put:put_4k_goal1 -- put --size 4k -c 64 --seconds "$SECONDS_EACH" --goal 1
    fio_4k fio_4k
    bench ops_per_s put:put_4k_goal2 -- put --size 4k -c 64 --seconds "$SECONDS_EACH" --goal 2
    bench ops_per_s get:get_4k -- get --size 4k -c 64 --seconds "$SECONDS_EACH" --cleanup
    nginx_small nginx_64 64
    bench ops_per_s put:put_16_goal1 -- put --size 4k -c 16 --seconds "$SECONDS_EACH" --goal 1 --cleanup
    bench ops_per_s put:put_16_goal2 -- put --size 4k -c 16 --seconds "$SECONDS_EACH" --goal 2 --cleanup
}
round_large() {
    bench bytes_per_s write:write_goal1 -- write --size "$LARGE" --goal 1
    fio_run fio_write 48 1024 --rw=write --bs=1M --size="$LARGE" --end_fsync=1
    bench bytes_per_s write:write_goal2 -- write --size "$LARGE" --goal 2
    bench bytes_per_s read:read -- read --size "$LARGE"
    nginx_large nginx_read
    if drop_caches; then
        bench bytes_per_s read:read_cold -- read --size "$LARGE"
        drop_caches
        fio_run fio_read 7 1024 --rw=read --bs=1M --size="$LARGE"
        cat "$DIR/data/nginx/large" >/dev/null
    fi
    rm -f "$DIR/data/fio"
}

table() {
    heading
    row "meta -c 50: create" create redis_set "/s" 1
    row "meta -c 50: stat" stat redis_get "/s" 1
    row "meta -c 50: list (one folder)" list - "/s" 1
    row "meta -c 50: rename" rename - "/s" 1
    row "meta -c 50: unlink" unlink - "/s" 1
    row "chunk_write 4k, 8 x 8, 1 copy" chunk_write fio_4k_chunks "/s" 1
    row "chunk_write 4k over others, 8 x 8" chunk_rewrite fio_4k_chunks "/s" 1
    row "chunk_read 4k, 50 x 1" chunk_read nginx_50 "/s" 1
    row "put 4k -c 64, 1 copy" put_4k_goal1 fio_4k "/s" 1
    row "put 4k -c 64, 2 copies" put_4k_goal2 fio_4k "/s" 1
    row "get 4k -c 64" get_4k nginx_64 "/s" 1
    row "put 4k -c 16, 2 copies" put_16_goal2 put_16_goal1 "/s" 1
    row "write $LARGE, 1 copy" write_goal1 fio_write "MiB/s" 1048576
    row "write $LARGE, 2 copies" write_goal2 fio_write "MiB/s" 1048576
    row "read $LARGE" read nginx_read "MiB/s" 1048576
    row "read $LARGE, not in memory" read_cold fio_read "MiB/s" 1048576
}

wants() { case " $ONLY " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

start_dfs 2
if wants meta; then start_redis; fi
if wants chunks || wants small || wants large; then start_nginx; fi
if wants large; then large_for_nginx; fi
run_rounds
table
write_json
