# SPDX-License-Identifier: MIT
# What the scripts that measure DFS beside others share: servers and references, one measurement each, medians and ratios. To be
# sourced, with $PROGRAM (its name), $ROOT, $DIR (made here, and removed at the end), $BIN, $JSON, $ROUNDS, $FILES, $SECONDS_EACH,
# $LARGE and $ONLY set.

mkdir -p "$DIR/data"
DIR=$(cd "$DIR" && pwd)
PIDS=""

cleanup() {
    for pid in $PIDS; do kill "$pid" 2>/dev/null || true; done
    for pid in $PIDS; do wait "$pid" 2>/dev/null || true; done
    also_remove
    rm -rf "$DIR"
}
also_remove() { :; } # for the script that sources this

trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
fail() {
    echo "$PROGRAM: $1" >&2
    tail -n 10 "$DIR"/*.log >&2 || true
    exit 1
}

# The first mount of MooseFS, "" if there is none: its type is fuse.mfs, or fuse with mfs#ADDRESS as its source.
find_mfs() { awk '$3 == "fuse.mfs" || ($3 == "fuse" && $1 ~ /^mfs\\043/) { print $2; exit }' /proc/mounts; }

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

start_dfs() { # start_dfs N: with N StorageServers
    servers=$1
    start nm "$BIN/dfs-nm" --data "$DIR/data/nm" --init --listen 127.0.0.1:0 --port-file "$DIR/nm.port"
    wait_for "the NameServer" test -s "$DIR/nm.port"
    port=$(cat "$DIR/nm.port")
    DFS_NM=127.0.0.1:${port##*:}
    export DFS_NM
    for n in $(seq "$servers"); do
        start ss$n "$BIN/dfs-ss" --data "$DIR/data/ss$n" --nm "$DFS_NM" --listen 127.0.0.1:0
    done
    wait_for "$servers StorageServers" all_up
}
all_up() { [ "$("$BIN/dfs" -j status | tr '{,' '\n\n' | grep -c '"state": *"up"')" = "$servers" ]; }

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

# What nginx serves as its large file, and has in memory.
large_for_nginx() {
    head -c "$(echo "$LARGE" | tr kmgt KMGT)" /dev/urandom >"$DIR/data/nginx/large"
    cat "$DIR/data/nginx/large" >/dev/null
}
default_goal() { "$BIN/dfs" -j status | tr '{,' '\n\n' | sed -n 's/.*"goal": *\([0-9]*\).*/\1/p' | head -n 1; }

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

redis() { # redis NAME set|get BYTES CONNECTIONS
    value=$(redis-benchmark -p $REDIS -c "$4" -d "$3" -t "$2" -n "$FILES" --csv 2>>"$DIR/redis.log" | tail -n 1 | cut -d'"' -f4)
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
nginx_small() { # nginx_small NAME CONNECTIONS
    value=$(wrk -t 1 -c "$2" -d "${SECONDS_EACH}s" "http://127.0.0.1:$NGINX/small" 2>>"$DIR/wrk.log" |
        sed -n 's/^Requests\/sec: *//p')
    add "$1" "$value"
}
nginx_large() { # nginx_large NAME
    value=$(curl -s -o /dev/null -w '%{speed_download}' "http://127.0.0.1:$NGINX/large")
    add "$1" "$value"
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

row() { # row WHAT OURS REFERENCE UNIT DIVISOR [ITS-NAME]: reference "-" for none
    ours=$(median "$2")
    [ -n "$ours" ] || return 0
    theirs=""
    [ "$3" = - ] || theirs=$(median "$3")
    awk -v what="$1" -v ours="$ours" -v theirs="${theirs:-0}" -v ref="${6:-$3}" -v unit="$4" -v by="$5" \
        -v s="$(spread "$2" "$5")" 'BEGIN {
        printf "%-34s %10.0f %-6s", what, ours / by, unit
        if (theirs > 0) printf " %10.0f  %-14s %6.2f", theirs / by, ref, ours / theirs
        else printf " %10s  %-14s %6s", "-", "-", "-"
        printf "   %s\n", s }'
}
heading() {
    printf '%-34s %10s %-6s %10s  %-14s %6s   %s\n' "medians of $ROUNDS" dfs "" reference "" ratio "lowest..highest of dfs"
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

# Each of the parts in $ONLY once in each round, so that what changes on the machine meanwhile meets all of them.
run_rounds() {
    round=0
    : >"$DIR/values"
    while [ $round -lt "$ROUNDS" ]; do
        round=$((round + 1))
        for part in $ONLY; do
            echo "round $round of $ROUNDS: $part" >&2
            "round_$part"
        done
    done
}
