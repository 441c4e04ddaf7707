#!/bin/sh
# SPDX-License-Identifier: MIT
# The server programs as an administrator meets them: help, versions, mistakes on the command line, ports and limits, logs,
# orderly ends; and a whole cluster in one process by `dfs up`.
. "$(dirname "$0")/lib.sh"

# usage STATUS PATTERN PROGRAM FLAG...
usage() {
    want=$1 pattern=$2 program=$3
    shift 3
    status=0
    timeout 20 "$DFS_BIN/$program" "$@" >"$T/usage.log" 2>&1 || status=$?
    [ $status -eq "$want" ] || fail "$program $*: status $status instead of $want: $(cat "$T/usage.log")"
    grep -q -e "$pattern" "$T/usage.log" || fail "$program $*: no word of '$pattern': $(cat "$T/usage.log")"
}

usage 0 '--data DIR' dfs-nm --help
usage 0 '--domain NAME' dfs-ss --help
usage 0 '^dfs-nm [0-9]' dfs-nm --version
usage 0 '^dfs-ss [0-9]' dfs-ss --version
usage 2 '--data DIR is missing' dfs-nm
usage 2 '--nonsense' dfs-nm --nonsense
usage 2 '--nm HOST:PORT is missing' dfs-ss --data "$T/x"
usage 2 'not HOST:PORT' dfs-ss --data "$T/x" --nm a:b:c
usage 2 'full or relaxed' dfs-nm --data "$T/x" --durability often
usage 2 'unexpected argument' dfs-nm --data "$T/x" more
usage 2 '--insecure' dfs-nm --data "$T/x" --init --listen 0.0.0.0:0
usage 2 '--advertise' dfs-nm --data "$T/x" --init --listen 0.0.0.0:0 --insecure
usage 1 'not a directory' dfs-ss --data /dev/null/x --nm 127.0.0.1:1 --listen 127.0.0.1:0
[ ! -e "$T/x" ] || fail "a start that was refused made a data folder"

start_cluster 2
usage 1 'in use' dfs-ss --data "$T/y" --nm "$DFS_NM" --listen "$DFS_NM"
for server in nm ss1; do
    kb=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(pid_of $server)/status")
    say "$server idle: $kb KiB"
    case $server in nm) most=8192 ;; *) most=12288 ;; esac
    # a sanitizer's shadow memory is not ours
    grep -q -l libasan "/proc/$(pid_of $server)/maps" || [ "$kb" -le $most ] || fail "$server takes $kb KiB when idle"
done
stop_ss 1
stop_nm
start_nm --log-json
start_ss 1
wait_up 2
tail -n 1 "$T/nm.log" | grep -q '^{.*}$' || fail "--log-json writes no JSON: $(tail -n 1 "$T/nm.log")"
# clients and servers find it again; a request under way when SIGTERM comes is answered
random_file "$T/file" 3000000
dfs put "$T/file" /file
dfs cat /file | cmp - "$T/file" || fail "not what was put"
stop_ss 1
stop_ss 2
stop_nm

# Everything in one process; the same folder goes on after a stop.
for round in 1 2; do
    rm -f "$T/up.port"
    "$DFS_BIN/dfs" up "$T/up" --listen 0 --port-file "$T/up.port" >>"$T/up.log" 2>&1 &
    echo $! >"$T/up.pid"
    wait_for 30 "dfs up to listen" server_listens_or_died up
    DFS_NM=$(cat "$T/up.port")
    wait_up 3
    [ $round = 2 ] || dfs put "$T/file" /kept
    dfs cat /kept | cmp - "$T/file" || fail "dfs up, round $round: not what was put"
    signal INT up
    reap up
    [ "$status" = 0 ] || fail "dfs up ended with status $status on Ctrl-C"
done
grep -q "export DFS_NM=127.0.0.1:" "$T/up.log" || fail "dfs up does not say how to use it"
pass
