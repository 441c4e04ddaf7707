#!/bin/sh
# SPDX-License-Identifier: MIT
# Who is who: a data folder serves one process; a NameServer makes no cluster unless told to; a StorageServer belongs to
# the cluster it first joined.
. "$(dirname "$0")/lib.sh"

# refused WHAT PATTERN PROGRAM FLAG...: must exit by itself, not with 0, saying something that matches.
refused() {
    what=$1 pattern=$2 program=$3
    shift 3
    status=0
    timeout 20 "$DFS_BIN/$program" "$@" >"$T/refused.log" 2>&1 || status=$?
    [ $status -ne 0 ] || fail "$what: it started and ended with 0"
    [ $status -ne 124 ] || fail "$what: it was not refused"
    [ $status -lt 100 ] || fail "$what: it crashed with status $status"
    grep -q -i -E "$pattern" "$T/refused.log" || fail "$what: no word of '$pattern'"
    say "$what: refused"
}

mkdir "$T/empty"
refused "NameServer on an empty folder" '\-\-init' dfs-nm --data "$T/empty" --listen 127.0.0.1:0
[ -z "$(ls "$T/empty" | grep -v '^lock$')" ] || fail "a refused start left files: $(ls "$T/empty")"

start_cluster 1
echo precious >"$T/file"
dfs put "$T/file" /file

refused "second NameServer on one folder" 'lock|in use|another process' dfs-nm --data "$T/nm" --listen 127.0.0.1:0
refused "second StorageServer on one folder" 'lock|in use|another process' dfs-ss --data "$T/ss1" --nm "$DFS_NM" \
    --listen 127.0.0.1:0
refused "StorageServer with a wrong flag" '\-\-nonsense' dfs-ss --data "$T/x" --nonsense

stop_nm
refused "--init over a cluster" 'cluster|init|exist' dfs-nm --data "$T/nm" --init --listen 127.0.0.1:0
cp -r "$T/nm" "$T/nm.before"
refused "StorageServer on the NameServer's folder" 'identity' dfs-ss --data "$T/nm" --nm "$DFS_NM" --listen 127.0.0.1:0
diff -r "$T/nm.before" "$T/nm" >&2 || fail "a refused start changed the NameServer's folder"
stop_ss 1
refused "NameServer on a StorageServer's folder" 'identity|--init' dfs-nm --data "$T/ss1" --listen 127.0.0.1:0
refused "new NameServer on a StorageServer's folder" 'empty|holds' dfs-nm --data "$T/ss1" --init --listen 127.0.0.1:0
start_ss 1

# Another cluster takes the NameServer's address: the StorageServer must not hand itself over, and keeps its data.
mv "$T/nm" "$T/nm.first"
start_nm
sleep 3
[ "$(servers_up)" = 0 ] || fail "a StorageServer joined a foreign cluster"
stop_nm
rm -rf "$T/nm"
mv "$T/nm.first" "$T/nm"
start_nm
if ! kill -0 "$(pid_of ss1)" 2>/dev/null; then
    reap ss1
    start_ss 1
fi
wait_up 1
[ "$(dfs cat /file)" = precious ] || fail "the file is not what it was"
pass
