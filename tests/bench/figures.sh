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
ROUNDS=5 FILES=100000 SECONDS_EACH=5 LARGE=1g ONLY="meta chunks small large"
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
mkdir -p "$DIR/data"
DIR=$(cd "$DIR" && pwd)
PIDS=""

cleanup() {
    for pid in $PIDS; do kill "$pid" 2>/dev/null || true; done
    for pid in $PIDS; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$DIR"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
fail() {
    echo "figures: $1" >&2
    tail -n 10 "$DIR"/*.log >&2 || true
    exit 1
}

wait_for() { # wait_for WHAT COMMAND...
    tries=200 what=$1
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "waited in vain: $what"
        sleep 0.05
    done
}

# --- the servers ---

start() { # start NAME COMMAND...
    log=$DIR/$1.log
    shift
    "$@" >"$log" 2>&1 </dev/null &
    PIDS="$PIDS $!"
}

start_dfs() {
    start nm "$BIN/dfs-nm" --data "$DIR/data/nm" --init --listen 127.0.0.1:0 --port-file "$DIR/nm.port"
    wait_for "the NameServer" test -s "$DIR/nm.port"
    port=$(cat "$DIR/nm.port")
    DFS_NM=127.0.0.1:${port##*:}
    export DFS_NM
    for n in 1 2; do
        start ss$n "$BIN/dfs-ss" --data "$DIR/data/ss$n" --nm "$DFS_NM" --listen 127.0.0.1:0
    done
    wait_for "two StorageServers" two_up
}
two_up() { [ "$("$BIN/dfs" -j status | tr '{,' '\n\n' | grep -c '"state": *"up"')" = 2 ]; }

REDIS=$((20000 + $$ % 10000)) NGINX=$((30000 + $$ % 2000))

start_redis() {
    mkdir "$DIR/data/redis"
    start redis redis-server --port $REDIS --bind 127.0.0.1 --dir "$DIR/data/redis" --save "" --appendonly yes \
        --appendfsync always
    wait_for "redis" redis-cli -p $REDIS ping
}

start_nginx() {
    mkdir "$DIR/data/nginx"
    head -c 4096 /dev/urandom >"$DIR/data/nginx/small"
    chmod 755 "$DIR" "$DIR/data" "$DIR/data/nginx"
    cat >"$DIR/nginx.conf" <<CONF
$([ "$(id -u)" != 0 ] || echo "user root;")
worker_processes 1;
daemon off;
pid $DIR/nginx.pid;
error_log $DIR/nginx.log;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    open_file_cache max=100;
    client_body_temp_path $DIR/t1; proxy_temp_path $DIR/t2; fastcgi_temp_path $DIR/t3;
    uwsgi_temp_path $DIR/t4; scgi_temp_path $DIR/t5;
    server { listen 127.0.0.1:$NGINX; root $DIR/data/nginx; }
}
CONF
    start nginx-out nginx -p "$DIR" -c "$DIR/nginx.conf" -e "$DIR/nginx.log"
    wait_for "nginx" curl -sf -o /dev/null "http://127.0.0.1:$NGINX/small"
}

# --- one measurement each; add NAME VALUE notes it ---

add() { echo "$1 $2" >>"$DIR/values"; }

# bench FIELD OP:NAME... -- FLAG...: runs dfs-bench and notes FIELD of each op.
bench() {
    field=$1 pairs=""
    shift
    while [ "$1" != -- ]; do
        pairs="$pairs $1"
        shift
    done
    shift
    "$BIN/dfs-bench" "$@" --json "$DIR/bench.json" >"$DIR/bench.log" 2>&1 || fail "dfs-bench $* failed"
    for pair in $pairs; do
        value=$(grep "\"op\":\"${pair%%:*}\"" "$DIR/bench.json" | sed "s/.*\"$field\":\([0-9.]*\).*/\1/")
        add "${pair#*:}" "$value"
    done
}

redis() { # redis NAME set|get
    value=$(redis-benchmark -p $REDIS -c 50 -t "$2" -n "$FILES" --csv 2>>"$DIR/redis.log" | tail -n 1 | cut -d'"' -f4)
    add "$1" "$value"
}

# FIELD of fio's terse output: 7 is KiB/s read, 48 KiB/s written, 49 writes/s.
fio_run() { # fio_run NAME FIELD FACTOR FLAG...
    as=$1 field=$2 factor=$3
    shift 3
    value=$(fio --name=reference --filename="$DIR/data/fio" --output-format=terse --terse-version=3 "$@" \
        2>>"$DIR/fio.log" | grep '^3;' | cut -d';' -f"$field")
    add "$as" "$((value * factor))"
}
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

nginx_small() { # nginx_small NAME CONNECTIONS
    value=$(wrk -t 1 -c "$2" -d "${SECONDS_EACH}s" "http://127.0.0.1:$NGINX/small" 2>>"$DIR/wrk.log" |
        sed -n 's/^Requests\/sec: *//p')
    add "$1" "$value"
}
nginx_large() {
    value=$(curl -s -o /dev/null -w '%{speed_download}' "http://127.0.0.1:$NGINX/large")
    add nginx_read "$value"
}

round_meta() {
    bench ops_per_s create:create stat:stat list:list rename:rename unlink:unlink -- meta -c 50 --files "$FILES"
    redis redis_set set
    redis redis_get get
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
    nginx_large
    if drop_caches; then
        bench bytes_per_s read:read_cold -- read --size "$LARGE"
        drop_caches
        fio_run fio_read 7 1024 --rw=read --bs=1M --size="$LARGE"
        cat "$DIR/data/nginx/large" >/dev/null
    fi
    rm -f "$DIR/data/fio"
}

# --- the report ---

median() { # of all values noted as $1; "" if there are none
    sed -n "s/^$1 //p" "$DIR/values" | sort -g |
        awk '{ v[NR] = $1 } END { if (NR) printf "%.3f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}
spread() { # lowest and highest of $1 in units of $2
    sed -n "s/^$1 //p" "$DIR/values" | sort -g |
        awk -v u="$2" '{ v[NR] = $1 } END { printf "%.0f..%.0f", v[1] / u, v[NR] / u }'
}

row() { # row WHAT OURS REFERENCE UNIT DIVISOR: reference "-" for none
    ours=$(median "$2")
    [ -n "$ours" ] || return 0
    theirs=""
    [ "$3" = - ] || theirs=$(median "$3")
    awk -v what="$1" -v ours="$ours" -v theirs="${theirs:-0}" -v ref="$3" -v unit="$4" -v by="$5" \
        -v s="$(spread "$2" "$5")" 'BEGIN {
        printf "%-34s %10.0f %-6s", what, ours / by, unit
        if (theirs > 0) printf " %10.0f  %-14s %6.2f", theirs / by, ref, ours / theirs
        else printf " %10s  %-14s %6s", "-", "-", "-"
        printf "   %s\n", s }'
}

table() {
    printf '%-34s %10s %-6s %10s  %-14s %6s   %s\n' "medians of $ROUNDS" dfs "" reference "" ratio "lowest..highest of dfs"
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

write_json() {
    mkdir -p "$(dirname "$JSON")"
    awk 'BEGIN { printf "{" }
        !($1 in list) { order[++n] = $1; list[$1] = "" }
        { list[$1] = list[$1] (list[$1] == "" ? "" : ",") $2 }
        END {
            for (i = 1; i <= n; i++) printf "%s\n  \"%s\": [%s]", (i > 1 ? "," : ""), order[i], list[order[i]]
            print "\n}"
        }' "$DIR/values" >"$JSON"
    echo "All values: $JSON"
}

wants() { case " $ONLY " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

: >"$DIR/values"
start_dfs
if wants meta; then start_redis; fi
if wants chunks || wants small || wants large; then start_nginx; fi
if wants large; then
    head -c "$(echo "$LARGE" | tr kmgt KMGT)" /dev/urandom >"$DIR/data/nginx/large"
    cat "$DIR/data/nginx/large" >/dev/null
fi
round=0
while [ $round -lt "$ROUNDS" ]; do
    round=$((round + 1))
    for part in $ONLY; do
        echo "round $round of $ROUNDS: $part" >&2
        "round_$part"
    done
done
table
write_json
