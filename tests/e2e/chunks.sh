#!/bin/sh
# SPDX-License-Identifier: MIT
# The measuring program for single requests to a StorageServer: it writes and reads, every block fits its checksum, and
# what it leaves behind is not counted as files.
. "$(dirname "$0")/lib.sh"

CHUNKS=$DFS_BIN/../bench/chunks
[ -x "$CHUNKS" ] || fail "$CHUNKS does not exist"
start_cluster 1
"$CHUNKS" write -c 2 --depth 4 --seconds 300ms --json >"$T/write.json" || fail "write"
grep -q '"op":"chunk_write".*"ops":[1-9]' "$T/write.json" || fail "nothing was written: $(cat "$T/write.json")"
"$CHUNKS" rewrite -c 2 --depth 4 --seconds 300ms --json >"$T/rewrite.json" || fail "rewrite"
grep -q '"op":"chunk_rewrite".*"ops":[1-9]' "$T/rewrite.json" || fail "nothing was written over: $(cat "$T/rewrite.json")"
"$CHUNKS" read -c 3 --depth 2 --seconds 300ms --json >"$T/read.json" || fail "read"
grep -q '"op":"chunk_read".*"ops":[1-9]' "$T/read.json" || fail "nothing was read: $(cat "$T/read.json")"
dfs -j status | grep -q '"files": *0' || fail "files appeared: $(dfs -j status)"

status=0
"$CHUNKS" write --nm 127.0.0.1:1 2>"$T/refused" || status=$?
[ $status -eq 1 ] || fail "without a NameServer: status $status"
grep -q '^chunks: ' "$T/refused" || fail "without a NameServer: $(cat "$T/refused")"
"$CHUNKS" juggle 2>"$T/usage" && fail "an unknown workload was accepted"
pass
