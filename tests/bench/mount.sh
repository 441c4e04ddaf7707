#!/bin/sh
# SPDX-License-Identifier: MIT
# A DFS mount beside libfuse's passthrough example on the same disk, and beside a MooseFS mount, doing the same work in the same run.

set -eu

usage() {
    cat <<'HELP'
Usage: sh tests/bench/mount.sh [OPTION]...

Measures small files created (open, write, close), looked at, read and removed, by one thread and by several, and one large file
written and read, through a mount of DFS (one NameServer on this machine), with and without -o relaxed, and through what else is
there. Kernel caches are dropped before what reads. Prints medians, and the ratio of DFS to each. Needs root and /dev/fuse.

  --nm ADDRESS   measure this cluster; default: one NameServer and --servers StorageServers of its own
  --servers N    that many (default 1 beside the passthrough example, 2 beside MooseFS)
  --passthrough PROGRAM
                 libfuse's example passthrough_ll, built; it is mounted over a folder on the disk of --dir
  --mfs DIR      a folder on a MooseFS mount (default: the first there is; "none": none)
  --rounds N     how often each is measured (default 3)
  --files N      small files, of 4 KiB (default 4000; a quarter of it where one thread works)
  -c N           threads where several work (default 16)
  --large MIB    size of the large file (default 512)
  --only WORDS   some of "small one large" (default all): small files by several, by one, the large file
  --dir DIR      where servers started here keep their data (default build/mount-bench; removed at the end)
  --bin DIR      the programs (default build/release/bin)
  --json FILE    all values (default build/mount-bench.json)
HELP
}

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
PROGRAM=mount ROUNDS=3 FILES=4000 CONNECTIONS=16 LARGE=512 ONLY="small one large" NM="" MFS="" PASS="" SERVERS=""
DIR=$ROOT/build/mount-bench BIN=$ROOT/build/release/bin JSON=$ROOT/build/mount-bench.json
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --nm | --servers | --passthrough | --mfs | --rounds | --files | -c | --large | --only | --dir | --bin | --json)
            [ $# -ge 2 ] || { echo "mount: $1 needs a value" >&2; exit 2; }
            case $1 in
                --nm) NM=$2 ;;
                --servers) SERVERS=$2 ;;
                --passthrough) PASS=$2 ;;
                --mfs) MFS=$2 ;;
                --rounds) ROUNDS=$2 ;;
                --files) FILES=$2 ;;
                -c) CONNECTIONS=$2 ;;
                --large) LARGE=$2 ;;
                --only) ONLY=$2 ;;
                --dir) DIR=$2 ;;
                --bin) BIN=$2 ;;
                --json) JSON=$2 ;;
            esac
            shift
            ;;
        *) echo "mount: unknown option $1; see --help" >&2; exit 2 ;;
    esac
    shift
done
export LC_ALL=C PATH="$PATH:/usr/sbin"
FOLDER=$(dirname "$BIN")/bench/folder
for program in "$BIN/dfs-mount" "$FOLDER"; do
    [ -x "$program" ] || { echo "mount: $program does not exist: build the release preset, with libfuse3-dev" >&2; exit 1; }
done
[ "$(id -u)" = 0 ] && [ -w /dev/fuse ] || { echo "mount: needs root and /dev/fuse" >&2; exit 1; }
[ ! -e "$DIR" ] || { echo "mount: $DIR exists: remove it, or choose another --dir" >&2; exit 1; }
. "$(dirname "$0")/parts.sh"

[ -n "$MFS" ] || MFS=$(find_mfs)
[ "$MFS" != none ] || MFS=""
[ -n "$PASS" ] || echo "mount: left out: passthrough (needs --passthrough)" >&2
[ -n "$MFS" ] || echo "mount: left out: moosefs (needs a mount)" >&2
[ -n "$SERVERS" ] || SERVERS=$([ -n "$MFS" ] && echo 2 || echo 1)

MFS_DIR=$MFS/dfs-mount.$$
also_remove() {
    for at in dfs relaxed pass; do umount -l "$DIR/$at" 2>/dev/null || true; done
    [ -z "$MFS" ] || rm -rf "$MFS_DIR"
}

[ -n "$NM" ] && export DFS_NM="$NM" || start_dfs "$SERVERS"
mkdir "$DIR/dfs" "$DIR/relaxed"
start mount "$BIN/dfs-mount" -f "$DFS_NM" "$DIR/dfs"
MOUNT_PID=${PIDS##* }
start relaxed "$BIN/dfs-mount" -f "$DFS_NM" "$DIR/relaxed" -o relaxed
wait_for "the mounts" mountpoint "$DIR/dfs"
wait_for "the mounts" mountpoint "$DIR/relaxed"
PEERS=""
if [ -n "$PASS" ]; then
    mkdir "$DIR/pass" "$DIR/data/pass"
    start pass "$PASS" -f -o "source=$DIR/data/pass" "$DIR/pass"
    wait_for "the passthrough example" mountpoint "$DIR/pass"
    PEERS="$PEERS pass"
fi
[ -z "$MFS" ] || PEERS="$PEERS moosefs"

where() { # where SYSTEM: a folder there
    case $1 in
        moosefs) echo "$MFS_DIR" ;;
        *) echo "$DIR/$1" ;;
    esac
}
forget() { # forget 2|3: names and inodes, or pages too
    sync
    echo "$1" >/proc/sys/vm/drop_caches
}
measure() { # measure NAME SYSTEM OPERATION ARGUMENT...: in its folder "files"
    as=$1_$2 at=$(where "$2")/files
    op=$3
    shift 3
    mkdir -p "$at"
    add "$as" "$("$FOLDER" "$op" "$at" "$@" 2>>"$DIR/folder.log" || fail "$as")"
}
small_files() { # small_files SUFFIX FILES THREADS
    for fs in dfs $PEERS relaxed; do
        measure "create$1" $fs create "$2" "$3"
        [ $fs = dfs ] && forget 3 || sync
        [ $fs != relaxed ] || { rm -rf "$DIR/relaxed/files"; continue; }
        forget 2
        measure "stat$1" $fs stat "$2" "$3"
        forget 3
        measure "read$1" $fs read "$2" "$3"
        forget 2
        measure "remove$1" $fs remove "$2" "$3"
    done
}
round_small() { small_files "" "$FILES" "$CONNECTIONS"; }
round_one() { small_files _one $((FILES / 4)) 1; }
round_large() {
    for fs in dfs $PEERS; do
        measure write $fs write $((LARGE * 1048576))
        forget 3
        measure scan $fs scan $((LARGE * 1048576))
        rm -f "$(where $fs)/files/large"
    done
}

rows() { # rows WHAT NAME UNIT DIVISOR
    any=""
    for peer in $PEERS; do
        row "$1" "$2_dfs" "$2_$peer" "$3" "$4" $peer
        any=1
    done
    [ -n "$any" ] || row "$1" "$2_dfs" - "$3" "$4"
}
table() {
    heading
    for s in "" _one; do
        threads=$([ -n "$s" ] && echo "1 thread" || echo "$CONNECTIONS threads")
        for op in create stat read remove; do rows "$op 4 KiB, $threads" $op$s "/s" 1; done
        for peer in $PEERS; do
            row "create 4 KiB relaxed, $threads" create${s}_relaxed create${s}_$peer "/s" 1 $peer
        done
    done
    rows "write $LARGE MiB" write "MiB/s" 1048576
    rows "read $LARGE MiB" scan "MiB/s" 1048576
    awk '/VmRSS|VmHWM/ { printf "%s %d MiB\n", $1, $2 / 1024 }' "/proc/$MOUNT_PID/status"
}

run_rounds
table
write_json
