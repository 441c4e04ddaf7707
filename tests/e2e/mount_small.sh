#!/bin/sh
# SPDX-License-Identifier: MIT
# Small files through two mounts: what goes to the cluster as a whole, what others see of it and when, and files opened to be
# read whose names go.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mount_lib.sh"

command -v python3 >/dev/null || { say "skipped: no python3"; exit 77; }
start_cluster 2
M=$T/mnt N=$T/mnt2
mount_dfs "$M" -o entry_timeout=0
mount_dfs "$N" -o attr_timeout=0,entry_timeout=0
has() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }

say "whole at close"
for i in 1 2 3 4 5; do echo "file $i" >"$M/f$i"; done
for i in 1 2 3 4 5; do has "$N/f$i" "file $i" || fail "through the other mount: f$i"; done
head -c 70000 /dev/urandom >"$T/some"
cp "$T/some" "$M/some"
cmp "$T/some" "$N/some" || fail "through the other mount: a file of several pieces"
echo new >"$M/f1"
has "$N/f1" new || fail "a file that was emptied and written anew"
echo more >>"$M/f1"
has "$N/f1" "$(printf 'new\nmore')" || fail "a file that was added to"

# A shell flushes what it writes to a descriptor of its own; these do not.
say "two write the same empty file"
python3 - "$M/both" "$N/both" <<'PY' || fail "two writers"
import os, sys
a, b = (os.open(path, os.O_CREAT | os.O_WRONLY) for path in sys.argv[1:])
os.write(a, b"first")
os.write(b, b"second2")
os.close(a)
assert open(sys.argv[1]).read() == "first", "the first to close"
os.close(b)
assert open(sys.argv[1]).read() == "second2", "the last to close"
PY

say "what is not closed"
python3 - "$M/open" "$N/open" <<'PY' || fail "a file that stays open"
import os, sys, time
here, there = sys.argv[1:]
a = os.open(here, os.O_CREAT | os.O_WRONLY)
os.write(a, b"waiting")
assert os.stat(here).st_size == 7, "its size, in the same mount"
for i in range(300):
    if os.stat(there).st_size == 7:
        break
    time.sleep(0.05)
assert open(there).read() == "waiting", "it is written without a close"
os.write(a, b" on")
os.close(a)
assert open(there).read() == "waiting on", "the rest at close"
a = os.open(here + "2", os.O_CREAT | os.O_RDWR)
os.write(a, b"read here")
assert os.pread(a, 100, 0) == b"read here", "who reads in the same mount"
PY

say "open to be read"
exec 3<"$M/some"
rm "$M/some" # by the same mount, at once
cmp "$T/some" - <&3 || fail "it was removed here"
cp "$T/some" "$M/some"
exec 3<"$M/some"
sleep 0.2 # the NameServer knows by now
rm "$N/some"
cmp "$T/some" - <&3 || fail "it was removed there"
cp "$T/some" "$M/some"
exec 3<"$M/some"
echo other >"$N/new"
mv "$N/new" "$N/some" # maybe before it knows
cmp "$T/some" - <&3 || fail "another was renamed over it"
has "$M/some" other || fail "who opens it now"
exec 3<&-

say "what another writes is read"
echo one >"$M/shared"
exec 3<"$M/shared"
has "$M/shared" one || fail "at first"
echo two >"$N/shared"
has "$M/shared" two || fail "after an open, while another is open"
read -r line <&3
[ "$line" = two ] || [ "$line" = one ] || fail "through the old descriptor: $line"
exec 3<&-

say "who opens reads what was closed before, however long the kernel keeps what it knows" # C20
mount_dfs "$T/mnt3" -o attr_timeout=60,entry_timeout=60
for i in 1 2 3 4 5 6 7 8 9; do
    echo "round $i" >"$M/shared"
    read -r line <"$T/mnt3/shared" # without asking for attributes
    [ "$line" = "round $i" ] || fail "C20: what was closed in round $i, not \"$line\""
done
umount_dfs "$T/mnt3"

say "what is kept nowhere"
echo old >"$M/old"
exec 3<"$N/old"
has "$N/old" old || fail "at first"
python3 - "$M/old" "$N/old" <<'PY' || fail "a mount with attr_timeout=0 reads what was there before"
import os, sys, time
here, there = sys.argv[1:]
a, b = os.open(here, os.O_WRONLY), os.open(there, os.O_RDONLY)
for i in range(50):
    os.pwrite(a, b"%030d" % i, 0)
    os.fsync(a)
    time.sleep(0.02)  # the kernel keeps attributes, and with them its pages, to the end of its tick, whatever the timeout
    got = os.pread(b, 100, 0)
    assert got == b"%030d" % i, (i, got)
PY
exec 3<&-

say "relaxed"
umount_dfs "$N"
mount_dfs "$N" -o relaxed
for i in $(seq 50); do echo "relaxed $i" >"$N/r$i"; done
umount_dfs "$N"
for i in $(seq 50); do has "$M/r$i" "relaxed $i" || fail "r$i after the mount was taken away"; done

say "told to end while a program waits for a server"
echo waits >"$M/waits"
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # what is open when it ends is not freed
mount_dfs "$T/mnt4"
for i in 1 2; do signal STOP ss$i; done
cat "$T/mnt4/waits" >"$T/waits" 2>&1 &
reader=$!
sleep 0.5
kill "$MOUNT_PID"
status=0
wait "$MOUNT_PID" || status=$?
[ $status = 0 ] || fail "the mount's process ended with $status"
wait $reader && fail "somebody gave an answer"
for i in 1 2; do signal CONT ss$i; done

umount_dfs "$M"
pass
