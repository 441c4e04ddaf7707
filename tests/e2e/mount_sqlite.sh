#!/bin/sh
# SPDX-License-Identifier: MIT
# Databases on a mount: several processes write them at once, with a rollback journal and with a write-ahead log (which is
# mapped memory), while servers are killed. What was committed is there afterwards, and the file is whole.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mount_lib.sh"
command -v sqlite3 >/dev/null || { say "skipped: no sqlite3"; exit 77; }

start_nm
for i in 1 2 3; do start_ss $i; done
wait_up 3
mount_dfs "$T/mnt"
M=$T/mnt

sql() { sqlite3 -cmd ".timeout 60000" "$@"; }

# writer MODE N: transactions one after the other until told to stop; what was committed is noted outside.
writer() {
    i=0
    while [ ! -e "$T/stop.$1" ]; do
        i=$((i + 1))
        sql "$M/$1.db" "BEGIN IMMEDIATE; INSERT INTO t VALUES($2, $i, hex(randomblob(700)));
            UPDATE sums SET n = n + 1 WHERE writer = $2; COMMIT;" >>"$T/writer.$1.$2.log" 2>&1 || return 1
        echo $i >"$T/done.$1.$2"
    done
}

check() {
    [ "$(sql "$M/$1.db" "PRAGMA integrity_check;")" = ok ] || fail "$1: $(sql "$M/$1.db" "PRAGMA integrity_check;" | head -3)"
    for n in 1 2 3; do
        told=$(cat "$T/done.$1.$n")
        rows=$(sql "$M/$1.db" "SELECT count(*) FROM t WHERE writer = $n;")
        sum=$(sql "$M/$1.db" "SELECT n FROM sums WHERE writer = $n;")
        most=$(sql "$M/$1.db" "SELECT max(i) FROM t WHERE writer = $n;")
        [ "$rows" = "$told" ] && [ "$sum" = "$told" ] && [ "$most" = "$told" ] ||
            fail "$1, writer $n: $told transactions were committed; $rows rows, sum $sum, the last is $most"
    done
}

for mode in delete wal; do
    say "journal mode $mode"
    [ "$(sql "$M/$mode.db" "PRAGMA journal_mode = $mode;")" = $mode ] || fail "journal mode $mode is refused"
    sql "$M/$mode.db" "CREATE TABLE t(writer, i, data); CREATE TABLE sums(writer, n);
        INSERT INTO sums VALUES(1, 0), (2, 0), (3, 0); CREATE INDEX by_data ON t(data);"
    pids=""
    for n in 1 2 3; do
        writer $mode $n &
        pids="$pids $!"
    done
    sleep 2
    kill_ss 1
    sleep 2
    kill_nm
    sleep 1
    start_nm
    start_ss 1
    sleep 3
    kill_ss 2
    sleep 1
    start_ss 2
    sleep 2
    touch "$T/stop.$mode"
    for pid in $pids; do
        wait "$pid" || fail "$mode: a writer failed: $(cat "$T"/writer.$mode.*.log | tail -3)"
    done
    check $mode
    say "$(cat "$T"/done.$mode.* | awk '{ n += $1 } END { print n }') transactions"
done

say "another mount, after the first is gone"
umount_dfs "$M"
mount_dfs "$T/mnt2"
M=$T/mnt2
check delete
check wal
umount_dfs "$M"
pass
