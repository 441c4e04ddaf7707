#!/bin/sh
# SPDX-License-Identifier: MIT
# A first look at DFS: builds it, starts a cluster of real processes on this machine, stores a real tree and a large
# file, reads both back, compares checksums, kills a StorageServer and reads again. See --help.

set -eu

usage() {
    cat <<'HELP'
Usage: sh apps/quickstart.sh [OPTION]...

Builds DFS (release) and tries it: one NameServer and three StorageServers as processes on loopback.

  --tree DIR    the tree to store (default /usr/include)
  --size SIZE   the size of the large file, as head -c takes it (default 1G)
  --dir DIR     keep the servers' data in DIR, a new or empty folder (default: a temporary folder)
  --keep        leave the cluster running at the end
  --yes         install missing packages without asking
  --no-build    use what is in build/release/bin
  -h, --help    show this
HELP
}

TREE=/usr/include SIZE=1G DIR="" KEEP=no YES="" BUILD=yes
usage_error() {
    echo "quickstart: $1; see sh apps/quickstart.sh --help" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
        --tree | --size | --dir)
            [ $# -ge 2 ] || usage_error "$1 needs a value"
            case $1 in
                --tree) TREE=$2 ;;
                --size) SIZE=$2 ;;
                --dir) DIR=$2 ;;
            esac
            shift
            ;;
        --keep) KEEP=yes ;;
        --yes) YES=--yes ;;
        --no-build) BUILD=no ;;
        -h | --help) usage; exit 0 ;;
        *) usage_error "unknown option $1" ;;
    esac
    shift
done
[ -d "$TREE" ] || usage_error "--tree $TREE is not a folder"

ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=$ROOT/build/release/bin
LOG=""
PIDS=""
MADE_DIR=""
DONE=no
export LC_ALL=C

now() { date +%s.%N; }
calc() { awk -v a="$1" -v b="$2" "BEGIN { printf \"$3\", $4 }"; }
line() { printf '  %-34s %s\n' "$1" "$2"; }

fail() {
    printf '\nquickstart: %s\n' "$1" >&2
    for log in ${LOG:-} "$DIR"/*.log; do
        [ -s "$log" ] || continue
        echo "--- the end of $log" >&2
        tail -n 12 "$log" >&2
    done
    exit 1
}

# Servers end on SIGTERM; after 5 seconds they are killed.
stop_servers() {
    for pid in $PIDS; do kill "$pid" 2>/dev/null || true; done
    tries=50
    for pid in $PIDS; do
        while [ $tries -gt 0 ] && kill -0 "$pid" 2>/dev/null; do
            tries=$((tries - 1))
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    PIDS=""
}
cleanup() {
    if [ "$KEEP" = no ] || [ $DONE = no ]; then
        stop_servers
    fi
    [ -z "$WORK" ] || rm -rf "$WORK"
    if [ "$KEEP" = no ] && [ -n "$MADE_DIR" ]; then rm -rf "$MADE_DIR"; fi
}
WORK=""
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- build ---

build() {
    began=$(now)
    sh "$ROOT/tests/support/install.sh" $YES build || fail "the packages needed to build could not be installed"
    LOG=$WORK/build.txt
    { cmake -S "$ROOT" --preset release -DDFS_TESTS=OFF && cmake --build "$ROOT/build/release" -j "$(nproc)"; } \
        >"$LOG" 2>&1 || fail "the build failed"
    LOG=""
    line "build" "$(calc "$began" "$(now)" '%6.2f s' 'b - a')"
}

# --- cluster ---

wait_until() { # wait_until SECONDS MESSAGE COMMAND...
    tries=$(($1 * 20)) message=$2
    shift 2
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "$message"
        sleep 0.05
    done
}

# start NAME PROGRAM FLAG...: on a free port, which it writes to a file.
start() {
    server=$1 program=$2
    shift 2
    mkdir -p "$DIR/$server"
    "$BIN/$program" --data "$DIR/$server" --listen 127.0.0.1:0 --port-file "$DIR/$server.port" "$@" \
        >"$DIR/$server.log" 2>&1 </dev/null &
    pid=$!
    PIDS="$PIDS $pid"
    wait_until 20 "$server did not start" listens_or_died "$server" $pid
    [ -s "$DIR/$server.port" ] || fail "$server did not start"
}
listens_or_died() { [ -s "$DIR/$1.port" ] || ! kill -0 "$2" 2>/dev/null; }

servers_are() { # servers_are STATE COUNT
    n=$("$BIN/dfs" -j status 2>/dev/null | tr '{,' '\n\n' | grep -c "\"state\": *\"$1\"") || true
    [ "${n:-0}" = "$2" ]
}

start_cluster() {
    began=$(now)
    start nm dfs-nm --init
    port=$(cat "$DIR/nm.port")
    DFS_NM=127.0.0.1:${port##*:}
    export DFS_NM
    for n in 1 2 3; do
        start ss$n dfs-ss --nm "$DFS_NM"
    done
    VICTIM=${PIDS##* }
    wait_until 20 "the StorageServers did not register" servers_are up 3
    line "NameServer, 3 StorageServers up" "$(calc "$began" "$(now)" '%6.2f s' 'b - a')   NameServer at $DFS_NM"
}

# --- what is stored ---

# Checksums of all files and the targets of all links below the folder $1.
describe() {
    (
        cd "$1"
        find . -type f -print0 | sort -z | xargs -0 -r sha256sum
        find . -type l -printf '%p -> %l\n' | sort
        find . -type d | sort
    )
}

describe_source() {
    describe "$TREE" >"$WORK/tree.want"
    FILES=$(find "$TREE" -type f | wc -l)
    LINKS=$(find "$TREE" -type l | wc -l)
    BYTES=$(find "$TREE" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%.0f", n }')
    head -c "$SIZE" /dev/urandom >"$WORK/large" || fail "no room in ${TMPDIR:-/tmp} for a file of $SIZE"
    LARGE=$(stat -c %s "$WORK/large")
    LARGE_SUM=$(sha256sum <"$WORK/large")
}

rates() { # rates SECONDS FILES BYTES
    awk -v s="$1" -v f="$2" -v b="$3" 'BEGIN {
        if (s <= 0) s = 0.001
        printf "%6.2f s", s
        if (f > 1) printf " %8.0f files/s", f / s
        printf " %8.1f MiB/s", b / s / 1048576 }'
}

# timed WHAT FILES BYTES COMMAND...
timed() {
    what=$1 files=$2 bytes=$3
    shift 3
    began=$(now)
    "$@" || fail "$what failed"
    line "$what" "$(rates "$(calc "$began" "$(now)" '%.3f' 'b - a')" "$files" "$bytes")"
}

get_tree() {
    rm -rf "$WORK/tree"
    "$BIN/dfs" get -r /tree "$WORK/tree"
}
check_tree() {
    describe "$WORK/tree" >"$WORK/tree.got"
    cmp -s "$WORK/tree.want" "$WORK/tree.got" || {
        diff "$WORK/tree.want" "$WORK/tree.got" | head -5 >&2
        fail "the tree that came back differs"
    }
    line "  compared" "$FILES files by SHA-256, $LINKS links: identical"
}
get_large() { "$BIN/dfs" get /large "$WORK/large.back"; }
check_large() {
    [ "$(sha256sum <"$WORK/large.back")" = "$LARGE_SUM" ] || fail "the large file that came back differs"
    rm -f "$WORK/large.back"
    line "  compared" "by SHA-256: identical"
}
read_back() {
    timed "read the tree$1" "$FILES" "$BYTES" get_tree
    check_tree
    timed "read the large file$1" 1 "$LARGE" get_large
    check_large
}

how_to_go_on() {
    echo
    if [ "$KEEP" = yes ]; then
        cat <<EOF
The cluster is still running, with one StorageServer killed; its data is in $DIR. Go on with:
  export DFS_NM=$DFS_NM PATH=$BIN:\$PATH
  dfs ls -l /tree      dfs stat /large      dfs status      dfs help
  dfs-ss --data $DIR/ss3 --nm $DFS_NM --listen 127.0.0.1:0 &    # bring the third one back
Stop it with: kill$PIDS
EOF
    else
        cat <<EOF
Everything was stopped and removed. To keep a cluster: sh apps/quickstart.sh --keep, or in one process
  export PATH=$BIN:\$PATH
  dfs up /tmp/my-dfs    and, in another terminal: dfs put FILE /name, dfs ls -l /, dfs help
The README says how to run it on several machines.
EOF
    fi
}

main() {
    echo "DFS quick start"
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/dfs-quickstart.XXXXXX")
    if [ -z "$DIR" ]; then
        DIR=$(mktemp -d "${TMPDIR:-/tmp}/dfs-cluster.XXXXXX")
        MADE_DIR=$DIR
    else
        mkdir -p "$DIR"
        DIR=$(cd "$DIR" && pwd)
        [ -z "$(ls -A "$DIR")" ] || usage_error "--dir $DIR is not empty"
    fi
    [ $BUILD = no ] || build
    [ -x "$BIN/dfs" ] || fail "$BIN/dfs does not exist: run without --no-build"
    start_cluster
    describe_source
    timed "store $TREE" "$FILES" "$BYTES" "$BIN/dfs" put -r "$TREE" /tree
    timed "store a file of $SIZE" 1 "$LARGE" "$BIN/dfs" put "$WORK/large" /large
    read_back ""
    kill -9 "$VICTIM"
    line "killed a StorageServer (kill -9)" "process $VICTIM"
    read_back " again"
    PIDS=${PIDS% "$VICTIM"}
    wait_until 20 "the NameServer did not notice the loss" servers_are up 2
    echo
    "$BIN/dfs" status || fail "dfs status failed"
    DONE=yes
    how_to_go_on
}
main
