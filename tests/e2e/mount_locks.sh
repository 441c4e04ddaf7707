#!/bin/sh
# SPDX-License-Identifier: MIT
# flock and fcntl across two mounts and with the library: who waits, who is refused, what the next holder reads.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mount_lib.sh"

for need in flock python3; do
    command -v $need >/dev/null || { say "skipped: no $need"; exit 77; }
done
start_cluster 2
mount_dfs "$T/a"
mount_dfs "$T/b"
echo 0 >"$T/a/count"

say "flock: refused while held, had when it is over"
flock "$T/a/count" sleep 2 &
JOBS="$JOBS $!"
sleep 0.5
flock -n "$T/b/count" true && fail "a lock held in one mount was had in the other"
flock "$T/b/count" true || fail "a lock that was given up was not had"

say "a counter under flock, four processes in two mounts"
cat >"$T/count.sh" <<'S'
i=0
while [ $i -lt 50 ]; do
    flock "$1" sh -c 'n=$(cat "$1"); echo $((n + 1)) 1<>"$1"' - "$1"
    i=$((i + 1))
done
S
PIDS=""
for where in a a b b; do
    sh "$T/count.sh" "$T/$where/count" &
    PIDS="$PIDS $!"
done
for pid in $PIDS; do wait $pid || fail "a counting process"; done
[ "$(cat "$T/a/count")" = 200 ] && [ "$(cat "$T/b/count")" = 200 ] || fail "200 increments gave $(cat "$T/a/count"), $(cat "$T/b/count")"

say "fcntl: ranges, and close gives them up"
cat >"$T/ranges.py" <<'P'
import fcntl, os, sys
def lock(fd, how, start, n):
    try:
        fcntl.lockf(fd, how if how == fcntl.LOCK_UN else how | fcntl.LOCK_NB, n, start)
        return True
    except OSError as e:
        assert e.errno in (11, 13), e
        return False
def other(path, start, n):
    pid = os.fork()
    if pid == 0:
        fd = os.open(path, os.O_RDWR)
        os._exit(0 if lock(fd, fcntl.LOCK_EX, start, n) else 1)
    return os.waitpid(pid, 0)[1] == 0
a, b = sys.argv[1:]
fd = os.open(a, os.O_RDWR)
assert lock(fd, fcntl.LOCK_EX, 0, 10)
assert not other(a, 5, 1) and not other(b, 9, 1) and other(a, 10, 5) and other(b, 10, 5)
assert lock(fd, fcntl.LOCK_UN, 0, 5)
assert other(b, 0, 5) and not other(b, 4, 2)
os.close(os.open(a, os.O_RDONLY))   # POSIX: closing any descriptor of the file gives up all
assert other(b, 0, 10)
assert lock(fd, fcntl.LOCK_SH, 0, 10) and not other(b, 0, 1)
assert lock(fd, fcntl.LOCK_EX, 0, 10)
os.close(fd)
assert other(b, 0, 10)
P
python3 "$T/ranges.py" "$T/a/count" "$T/b/count" || fail "ranges"

say "two mounts append to one file"
cat >"$T/append.sh" <<'S'
i=0
while [ $i -lt 200 ]; do
    echo "$2 $i" >>"$1"
    i=$((i + 1))
done
S
sh "$T/append.sh" "$T/a/log" one &
one=$!
sh "$T/append.sh" "$T/b/log" two
wait $one
for who in one two; do
    seq 0 199 | sed "s/^/$who /" >"$T/wanted"
    grep "^$who " "$T/a/log" | cmp - "$T/wanted" || fail "what $who appended"
done
[ "$(wc -l <"$T/b/log")" = 400 ] || fail "400 lines were appended, there are $(wc -l <"$T/b/log")"
head -c 70000000 /dev/urandom >"$T/long"
cat "$T/long" >>"$T/a/log2" # over the end of a chunk
cmp "$T/long" "$T/b/log2" || fail "what was appended over the end of a chunk"

say "a holder that is killed"
flock -o "$T/a/count" sleep 12 & # it alone has the file open
holder=$!
sleep 0.5
kill -9 $holder
flock -w 10 "$T/b/count" true || fail "the lock of a killed process was not given up"

say "a wait that is interrupted"
flock "$T/a/count" sleep 5 &
JOBS="$JOBS $!"
sleep 0.5
timeout 1 flock "$T/b/count" true && fail "a lock that is held was had"
umount_dfs "$T/b"
pass
