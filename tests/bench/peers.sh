#!/bin/sh
# SPDX-License-Identifier: MIT
# DFS beside what else is installed, doing the same work in the same run: dfs-bench's workloads, and each peer's own tool.

set -eu

usage() {
    cat <<'HELP'
Usage: sh tests/bench/peers.sh [OPTION]...

Measures dfs-bench meta, put, get, write, read and rand, and after each the same work on every peer that is here: redis
(appendonly, appendfsync always), nginx (one worker, sendfile), fio on the disk of --dir, and fio on a MooseFS mount.
Prints medians, and the ratio of DFS to each. What is not installed is left out, and named. The disk's creates, stats and
unlinks are not durable, DFS's are.

  --nm ADDRESS   measure this cluster; default: one NameServer and three StorageServers of its own
  --mfs DIR      a folder on a MooseFS mount (default: the first there is)
  --rounds N     how often each is measured (default 3)
  --files N      files of meta, requests of redis-benchmark (default 20000)
  --seconds S    length of each put, get and rand (default 3)
  -c N           connections, or jobs (default 16)
  --large SIZE   file of write and read, as dfs-bench takes it (default 512m)
  --only WORDS   some of "meta small large rand" (default all)
  --dir DIR      where servers started here and fio keep their data (default build/peers; removed at the end)
  --bin DIR      the programs (default build/release/bin)
  --json FILE    all values (default build/peers.json)
HELP
}

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
PROGRAM=peers ROUNDS=3 FILES=20000 SECONDS_EACH=3 CONNECTIONS=16 LARGE=512m ONLY="meta small large rand" NM="" MFS=""
DIR=$ROOT/build/peers BIN=$ROOT/build/release/bin JSON=$ROOT/build/peers.json
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --nm | --mfs | --rounds | --files | --seconds | -c | --large | --only | --dir | --bin | --json)
            [ $# -ge 2 ] || { echo "peers: $1 needs a value" >&2; exit 2; }
            case $1 in
                --nm) NM=$2 ;;
                --mfs) MFS=$2 ;;
                --rounds) ROUNDS=$2 ;;
                --files) FILES=$2 ;;
                --seconds) SECONDS_EACH=$2 ;;
                -c) CONNECTIONS=$2 ;;
                --large) LARGE=$2 ;;
                --only) ONLY=$2 ;;
                --dir) DIR=$2 ;;
                --bin) BIN=$2 ;;
                --json) JSON=$2 ;;
            esac
            shift
            ;;
        *) echo "peers: unknown option $1; see --help" >&2; exit 2 ;;
    esac
    shift
done
export LC_ALL=C PATH="$PATH:/usr/sbin"
[ -x "$BIN/dfs-bench" ] || { echo "peers: $BIN/dfs-bench does not exist: build the release preset" >&2; exit 1; }
[ ! -e "$DIR" ] || { echo "peers: $DIR exists: remove it, or choose another --dir" >&2; exit 1; }
. "$(dirname "$0")/parts.sh"

have() { for p in "$@"; do command -v "$p" >/dev/null || return 1; done; }
PEERS=""
if have redis-server redis-benchmark redis-cli; then PEERS="$PEERS redis"; fi
if have nginx wrk curl; then PEERS="$PEERS nginx"; fi
if have fio; then PEERS="$PEERS disk"; fi
[ -n "$MFS" ] || MFS=$(find_mfs)
if have fio && [ -n "$MFS" ]; then PEERS="$PEERS moosefs"; fi
on() { case " $PEERS " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
for peer in redis:redis-server,redis-tools nginx:nginx,wrk,curl disk:fio moosefs:fio,a-mount; do
    on "${peer%%:*}" || echo "peers: left out: ${peer%%:*} (needs ${peer#*:})" >&2
done
MFS_DIR=$MFS/dfs-peers.$$
also_remove() { [ -z "$MFS" ] || rm -rf "$MFS_DIR"; }

# --- the same work on a file system: files of 4 KiB, each made durable; one large file; random blocks ---

# fs_run PEER FIELD:NAME[,FIELD:NAME] FACTOR FLAG...: in a folder of its own, which stays for the next
fs_run() {
    peer=$1 notes=$2 factor=$3
    shift 3
    where=$DIR/data/fio
    [ "$peer" = disk ] || where=$MFS_DIR
    mkdir -p "$where"
    line=$(fio --name=reference --directory="$where" --output-format=terse --terse-version=3 --group_reporting "$@" \
        2>>"$DIR/fio.log" | grep '^3;') || fail "fio says nothing: $*"
    for note in $(echo "$notes" | tr , ' '); do
        value=$(echo "$line" | cut -d';' -f"${note%%:*}")
        add "${note#*:}_$peer" "$((${value%.*} * factor))"
    done
}
each_fs() { for fs in disk moosefs; do if on $fs; then fs_run $fs "$@"; fi; done; }
forget_fs() { rm -rf "$DIR/data/fio" && if on moosefs; then rm -rf "$MFS_DIR"; fi; }
per_job=$(((FILES + CONNECTIONS - 1) / CONNECTIONS))
small_fs() { # small_fs FIELD:NAME FLAG...
    small_note=$1
    shift
    each_fs "$small_note" 1 --bs=4k --filesize=4k --nrfiles=$per_job --openfiles=1 --file_service_type=sequential \
        --numjobs="$CONNECTIONS" --thread "$@"
}

round_meta() {
    bench ops_per_s create:create stat:stat list:list rename:rename unlink:unlink -- meta -c "$CONNECTIONS" --files "$FILES"
    if on redis; then
        redis create_redis set 3 "$CONNECTIONS"
        redis stat_redis get 3 "$CONNECTIONS"
    fi
    small_fs 8:create --ioengine=filecreate --create_on_open=1 --fallocate=none
    small_fs 8:stat --ioengine=filestat
    small_fs 8:unlink --ioengine=filedelete
    forget_fs
}
round_small() {
    bench ops_per_s put:put -- put --size 4k -c "$CONNECTIONS" --seconds "$SECONDS_EACH"
    if on redis; then redis put_redis set 4096 "$CONNECTIONS"; fi
    small_fs 49:put --rw=write --fsync_on_close=1 --create_on_open=1 --fallocate=none
    bench ops_per_s get:get -- get --size 4k -c "$CONNECTIONS" --seconds "$SECONDS_EACH" --cleanup
    if on redis; then redis get_redis get 4096 "$CONNECTIONS"; fi
    if on nginx; then nginx_small get_nginx "$CONNECTIONS"; fi
    small_fs 8:get --rw=read
    forget_fs
}
round_large() {
    bench bytes_per_s write:write -- write --size "$LARGE"
    each_fs 48:write 1024 --rw=write --bs=1M --size="$LARGE" --end_fsync=1
    bench bytes_per_s read:read -- read --size "$LARGE" --cleanup
    each_fs 7:read 1024 --rw=read --bs=1M --size="$LARGE"
    if on nginx; then nginx_large read_nginx; fi
    forget_fs
}
round_rand() {
    bench ops_per_s read:rand_read write:rand_write -- rand -c "$CONNECTIONS" --seconds "$SECONDS_EACH" --size 256m
    each_fs 8:rand_read,49:rand_write 1 --rw=randrw --rwmixread=70 --bs=4k --size=256m --filename=rand --fdatasync=1 --thread \
        --numjobs="$CONNECTIONS" --time_based --runtime="$SECONDS_EACH"
    forget_fs
}

rows() { # rows WHAT NAME UNIT DIVISOR
    any=""
    for peer in redis nginx disk moosefs; do
        [ -n "$(median "$2_$peer")" ] || continue
        row "$1" "$2" "$2_$peer" "$3" "$4" $peer
        any=1
    done
    [ -n "$any" ] || row "$1" "$2" - "$3" "$4"
}
table() {
    heading
    for op in create stat list rename unlink; do rows "meta: $op" $op "/s" 1; done
    rows "put 4k, durable" put "/s" 1
    rows "get 4k" get "/s" 1
    rows "write $LARGE, durable" write "MiB/s" 1048576
    rows "read $LARGE" read "MiB/s" 1048576
    rows "rand 4k: reads, 70 of 100" rand_read "/s" 1
    rows "rand 4k: durable writes" rand_write "/s" 1
}

if [ -n "$NM" ]; then
    DFS_NM=$NM
    export DFS_NM
else
    start_dfs 3
fi
if on redis; then start_redis; fi
if on nginx; then
    start_nginx
    large_for_nginx
fi
run_rounds
table
echo "$CONNECTIONS connections. redis and nginx keep one copy, DFS as many as its goal says: here $(default_goal)."
write_json
