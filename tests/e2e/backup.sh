#!/bin/sh
# SPDX-License-Identifier: MIT
# Every NameServer's folder is lost, a backup is there: old files come back, nothing is deleted that the backup does not
# know, new files are written, and what the quarantine kept goes only when told.
. "$(dirname "$0")/lib.sh"

# refused WHAT PATTERN VERB...
refused() {
    what=$1 pattern=$2
    shift 2
    if dfs "$@" >"$T/refused.out" 2>"$T/refused.log"; then
        fail "$what: it was not refused"
    fi
    grep -q -E "$pattern" "$T/refused.log" || fail "$what: no word of '$pattern', but: $(cat "$T/refused.log")"
    say "$what: refused"
}

quarantined() { status_field quarantined; }
quarantined_is() { [ "$(quarantined)" = "$1" ]; }
# How many copies were deleted, ever; the StorageServers are stopped for it.
deleted() {
    for i in 1 2; do
        "$DFS_BIN/dfs-ss" --dump "$T/ss$i"
    done | grep -c ' delete chunk=' || true
}

flags="--reader-grace 1s --grant-lifetime 1s"
start_nm $flags
start_ss 1
start_ss 2
wait_up 2
random_file "$T/old" 300000
random_file "$T/big" 70000000
dfs mkdir /docs
dfs put "$T/old" /docs/old
dfs put "$T/big" /docs/big
dfs put "$T/old" /docs/doomed
dfs put "$T/old" /docs/trashed
dfs rm /docs/trashed

# Sessions that end and servers that report change the state now and then: two backups are equal if nothing came between.
backups_equal() {
    dfs nm backup "$T/backup" && dfs nm backup - >"$T/backup.stdout" && cmp -s "$T/backup" "$T/backup.stdout"
}
wait_for 10 "a backup on standard output that equals the one in a file" backups_equal
[ "$(ls "$T" | grep -c 'backup.tmp')" = 0 ] || fail "a temporary file was left"

# Life goes on: new files, and a removal the backup does not know of.
for i in 1 2 3 4 5; do
    random_file "$T/new$i" 50000
    dfs put "$T/new$i" "/docs/new$i"
done
dfs rm --now /docs/old
dfs put "$T/old" /docs/old
epoch=$(status_field epoch)
kill_all
rm -rf "$T/nm"

# What is no backup is refused, by name and reason, and leaves no NameServer behind.
refused "a file that is not there" "$T/none: " nm restore "$T/none" "$T/nm"
refused "some other file" "$T/old: it is no backup" nm restore "$T/old" "$T/nm"
head -c 1000 "$T/backup" >"$T/short"
refused "a backup cut short" "$T/short: it is cut short" nm restore "$T/short" "$T/nm"
cp "$T/backup" "$T/flipped"
[ "$(dd if="$T/backup" bs=1 skip=700 count=1 2>/dev/null)" = X ] && other=Y || other=X
printf $other | dd of="$T/flipped" bs=1 seek=700 conv=notrunc 2>/dev/null
refused "a damaged backup" "$T/flipped: it is damaged" nm restore "$T/flipped" "$T/nm"
refused "a folder in use" 'not empty' nm restore "$T/backup" "$T/ss1"
[ ! -e "$T/nm/identity" ] || fail "a refused restore left a NameServer"
refused "an unknown thing" 'expected' nm nonsense

rm -rf "$T/nm"
dfs nm restore "$T/backup" "$T/nm" >"$T/restore.out"
grep -q '3 files' "$T/restore.out" || fail "restore says: $(cat "$T/restore.out")"
refused "a folder that holds one" 'not empty' nm restore "$T/backup" "$T/nm"

before=$(deleted)
start_nm $flags
start_ss 1
start_ss 2
wait_up 2
[ "$(status_field epoch)" -gt "$epoch" ] || fail "the new epoch is not above the old one"
dfs get /docs/big "$T/big.back"
cmp "$T/big" "$T/big.back" || fail "a file came back wrong"
dfs get /docs/doomed "$T/doomed.back"
cmp "$T/old" "$T/doomed.back" || fail "a file came back wrong"
dfs ls /docs >"$T/ls"
[ "$(tr '\n' ' ' <"$T/ls")" = "big doomed old " ] || fail "other names came back: $(cat "$T/ls")"
[ "$(dfs -j trash list | tr ',' '\n' | grep -c removed)" = 1 ] || fail "the trash did not come back"

# Five new files and the second /docs/old, two copies each, are unknown; counted, and kept through every report.
wait_for 20 "the quarantine to count 12 copies" quarantined_is 12
dfs nm quarantine | grep -q '12 copies' || fail "dfs nm quarantine says: $(dfs nm quarantine)"
[ "$(dfs -j nm quarantine)" = '{"quarantine":true,"copies":12}' ] || fail "JSON: $(dfs -j nm quarantine)"
dfs status | grep -q 'dfs nm quarantine' || fail "status does not tell of the quarantine"

dfs health >"$T/health" || true
grep -q 'dfs nm quarantine drop' "$T/health" || fail "health does not tell of the quarantine"

# The new life works: writes, removals. What is removed of the earlier life is kept as well.
random_file "$T/after" 400000
dfs put "$T/after" /docs/after
dfs put "$T/after" /docs/gone
dfs rm --now /docs/doomed
dfs rm --now /docs/gone
sleep 4
stop_ss 1
stop_ss 2
# only the two copies of /docs/gone, which belongs to the new life
n=$(($(deleted) - before))
[ $n = 2 ] || fail "$n copies were deleted, not 2"
start_ss 1
start_ss 2
wait_up 2
wait_for 20 "the quarantine to count 14 copies" quarantined_is 14

# A restart of the NameServer changes nothing.
stop_nm
start_nm $flags
wait_up 2
wait_for 20 "14 copies after a restart" quarantined_is 14

dfs nm quarantine drop
[ "$(dfs -j nm quarantine)" = '{"quarantine":false,"copies":0}' ] || fail "JSON: $(dfs -j nm quarantine)"
sleep 3
stop_ss 1
stop_ss 2
n=$(($(deleted) - before))
[ $n = 16 ] || fail "$n copies were deleted in all, not 16"
start_ss 1
start_ss 2
wait_up 2
dfs get /docs/big "$T/big.back"
cmp "$T/big" "$T/big.back" || fail "a file is damaged after the quarantine"
dfs get /docs/after "$T/after.back"
cmp "$T/after" "$T/after.back" || fail "a file of the new life is damaged"

# A second NameServer joins the restored one.
mkdir "$T/nm2"
start nm2 dfs-nm --join "$DFS_NM"
wait_for 30 "the second NameServer" eval 'dfs -j status | grep -q "\"state\":\"follower\""'
pass
