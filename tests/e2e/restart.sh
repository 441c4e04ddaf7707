#!/bin/sh
# SPDX-License-Identifier: MIT
# A clean stop (SIGTERM, exit status 0) and start of all servers, in both orders: everything is there, at once.
. "$(dirname "$0")/lib.sh"

mkdir -p "$T/src/deep/er"
for i in $(seq 50); do random_file "$T/src/f$i" $((i * 911)); done
random_file "$T/src/deep/er/large" 5000000
ln -s ../nowhere "$T/src/deep/link"
start_cluster 3
dfs put -r "$T/src" /before
dfs mv /before /after
dfs rm /after/f7
rm "$T/src/f7"

for order in "nm ss1 ss2 ss3" "ss3 ss2 ss1 nm"; do
    for server in $order; do stop "$server"; done
    dfs ls / >"$T/cli.log" 2>&1 & # comes before the servers do, and has to wait for them
    client=$!
    JOBS=$client
    start_nm
    for n in 1 2 3; do start_ss $n; done
    wait_up 3
    wait "$client" || fail "a client that came during the restart did not wait for it"
    JOBS=""
    rm -rf "$T/out"
    dfs get -r /after "$T/out" || fail "after a restart ($order) a file could not be read"
    same_tree "$T/src" "$T/out" "after a restart ($order)"
    if dfs stat /before >/dev/null 2>&1; then fail "a renamed folder is back"; fi
    if dfs stat /after/f7 >/dev/null 2>&1; then fail "a removed file is back"; fi
done
pass
