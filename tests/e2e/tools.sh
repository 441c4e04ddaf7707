#!/bin/sh
# SPDX-License-Identifier: MIT
# dfs-ss --check, --dump and --rebuild-index on the folder of a stopped server; what scrub or a start finds is in status.
. "$(dirname "$0")/lib.sh"

tool() { # tool STATUS FLAG...: must exit with STATUS
    want=$1 status=0
    shift
    timeout 60 "$DFS_BIN/dfs-ss" "$@" >"$T/tool.log" 2>&1 || status=$?
    [ "$status" = "$want" ] || fail "dfs-ss $*: status $status, not $want: $(tail -n 3 "$T/tool.log")"
}
says() { grep -q -- "$1" "$T/tool.log" || fail "no '$1' in: $(tail -n 5 "$T/tool.log")"; }

start_cluster 1
random_file "$T/file" 300000
echo small >"$T/small"
dfs put "$T/small" /small
for i in 1 2 3 4 5; do dfs put "$T/file" /file$i; done

tool 1 --check "$T/ss1"
says 'in use'
tool 1 --check "$T/nowhere"
[ ! -e "$T/nowhere" ] || fail "looking made a folder"
stop_ss 1
tool 0 --check "$T/ss1"
says 'damaged=0'
tool 0 --check "$T/ss1" --json
says '"damaged":0}'
tool 0 --dump "$T/ss1"
says 'data *chunk='
tool 0 --dump "$T/ss1" -j
says '"kind":"data"'
tool 0 --rebuild-index "$T/ss1"
start_ss 1
wait_up 1
dfs cat /file3 | cmp - "$T/file" || fail "after --rebuild-index the content is another"
scrubbed() { dfs status | grep -q 'verified since its start: [1-9]'; }
wait_for 30 "status to say what was verified" scrubbed
stop_ss 1
tool 0 --check "$T/ss1"

large=$(ls -S "$T"/ss1/seg-* | head -n 1) # of these the payload of /file1 comes first
printf 'rot' | dd of="$large" bs=1 seek=100000 conv=notrunc 2>/dev/null
tool 1 --check "$T/ss1"
says 'damaged=1'
says 'data do not fit their checksums'
pass "looked, found, changed nothing"
