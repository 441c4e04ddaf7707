#!/bin/sh
# SPDX-License-Identifier: MIT
# Servers that die under a mount, files that lose their names while they are open, errors that must reach close and fsync.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mount_lib.sh"

start_cluster 3
mount_dfs "$T/a"
mount_dfs "$T/b"
A=$T/a B=$T/b
random_file "$T/data" 30000000

say "a NameServer that dies and comes back: programs wait, and go on"
cp "$T/data" "$A/before"
kill_nm
(cp "$T/data" "$A/during" && cmp "$T/data" "$A/during" && mkdir "$A/made" && echo fine >"$T/during") 2>"$T/during.err" &
during=$!
sleep 2
start_nm
wait $during || fail "a copy while the NameServer was away: $(cat "$T/during.err")"
[ "$(cat "$T/during")" = fine ] && [ -d "$A/made" ] || fail "what was begun while the NameServer was away"
cmp "$T/data" "$A/before" || fail "what was there before"

say "StorageServers that die in the middle of a write"
wait_up 3
(for i in 1 2 3 4 5 6; do cp "$T/data" "$A/w$i" || exit 1; done) 2>"$T/write.err" &
writing=$!
sleep 0.3
kill_ss 2
sleep 2
start_ss 2
wait $writing || fail "a copy while a StorageServer died: $(cat "$T/write.err")"
for i in 1 2 3 4 5 6; do cmp "$T/data" "$B/w$i" || fail "w$i, written while a StorageServer died"; done

say "one that stays away: who has its place knows what was written before"
for i in 1 2 3; do
    cp "$T/data" "$A/w$i" 2>"$T/write.err" &
    writing=$!
    sleep 0.2
    kill_ss $i
    wait $writing || fail "a copy while a StorageServer went away: $(cat "$T/write.err")"
    cmp "$T/data" "$B/w$i" || fail "w$i, written while a StorageServer went away"
    start_ss $i
    wait_up 3
done

say "kill -9 of everything: what was closed is there"
echo closed >"$A/closed"
kill_all
start_nm
for i in 1 2 3; do start_ss $i; done
wait_up 3
[ "$(cat "$A/closed")" = closed ] && cmp "$T/data" "$B/w1" || fail "after kill -9 of all servers"

say "files without a name"
cp "$T/data" "$A/open"
exec 8<>"$A/open" 9<"$B/open"
rm "$A/open"
has_no_name() { [ ! -e "$B/open" ]; }
wait_for 3 "the other mount to find no name" has_no_name # it may believe what it looked up for a second
cmp "$T/data" - <&9 || fail "what another mount has open went with its name"
cmp -n 1000 "$T/data" - <&8 || fail "what is open went with its name"
echo end >&8
mv "$B/w1" "$B/w2"
cmp "$T/data" "$A/w2" || fail "a rename over a file"
exec 8>&- 9<&-

say "two mounts that write to one file"
: >"$A/both"
dd if=/dev/zero bs=4096 count=500 2>/dev/null | tr '\0' A >"$T/as"
dd if=/dev/zero bs=4096 count=500 2>/dev/null | tr '\0' B >"$T/bs"
(i=0; while [ $i -lt 500 ]; do dd if="$T/as" of="$A/both" bs=4096 count=1 seek=$((2 * i)) conv=notrunc 2>/dev/null; i=$((i + 5)); done) &
one=$!
(i=0; while [ $i -lt 500 ]; do dd if="$T/bs" of="$B/both" bs=4096 count=1 seek=$((2 * i + 1)) conv=notrunc 2>/dev/null; i=$((i + 5)); done) &
two=$!
wait $one
wait $two
i=0
while [ $i -lt 500 ]; do
    cmp -n 4096 -i $((8192 * i)):0 "$A/both" "$T/as" && cmp -n 4096 -i $((8192 * i + 4096)):0 "$B/both" "$T/bs" || fail "piece $i"
    i=$((i + 5))
done

say "errors reach fsync and close"
mount_dfs "$T/soft" -o soft,timeout=3s
S=$T/soft
exec 7>"$S/lost"
kill_nm
for i in 1 2 3; do kill_ss $i; done
echo lost >&7 || fail "a write that only gathers failed"
sync "$S/lost" 2>"$T/err" && fail "fsync of what cannot be written went well"
cat "$A/closed" >/dev/null 2>&1 &
JOBS="$JOBS $!"
stat "$S/closed" 2>"$T/err" && fail "a soft mount waits for servers that are gone"
exec 7>&-
start_nm
for i in 1 2 3; do start_ss $i; done
wait_up 3
[ "$(cat "$S/closed")" = closed ] || fail "a soft mount does not come back"
umount_dfs "$S"
umount_dfs "$B"

say "the mount's process is killed while files are written"
cp "$T/data" "$A/killed" 2>/dev/null &
copy=$!
JOBS="$JOBS $copy"
sleep 0.1
kill -9 "$(mount_pid_of "$A")"
wait_for 5 "the folder to be without a process" sh -c "! ls '$A' >/dev/null 2>&1"
wait $copy || true # it may have been running on while the folder was asked
dfs umount "$A" || fail "umount of a mount whose process was killed"
mount_dfs "$A"
[ "$(cat "$A/closed")" = closed ] || fail "what was closed before"
umount_dfs "$A"
pass
