#!/bin/sh
# SPDX-License-Identifier: MIT
# A mount of a cluster whose disks are full: programs hear of it soon, what was acknowledged stays, what was not is there or not
# block by block, and it goes on once something was removed. The disks are small ones in memory.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mount_lib.sh"

command -v python3 >/dev/null || { say "skipped: no python3"; exit 77; }
cleanup_disks() {
    umount -l "$T/ss1" "$T/ss2" 2>/dev/null || true
    cleanup_mounts
}
trap cleanup_disks EXIT
for n in 1 2; do
    mkdir "$T/ss$n"
    mount -t tmpfs -o size=300m tmpfs "$T/ss$n" 2>/dev/null || { say "skipped: may not mount a tmpfs"; exit 77; }
done
start_nm --reader-grace 1s
for n in 1 2; do start_ss $n; done
wait_up 2
mount_dfs "$T/mnt" -o timeout=5m
mount_dfs "$T/relaxed" -o timeout=5m,relaxed

cat >"$T/fill.py" <<'PY'
import errno, os, struct, sys, threading, time
m, other, closes = sys.argv[1], sys.argv[2], sys.argv[3] == "closes"
BLOCK, MIB = 4096, 1 << 20
tail = os.urandom(BLOCK - 16)
began = time.monotonic()
acked, tried = {}, {} # of each file: by block, what is there for sure; what may have come over it since
last = 0

def is_full(f):
    try:
        f()
    except OSError as e:
        assert e.errno == errno.ENOSPC, e
        return True
    return False

def write(fd, name, first, n):
    """Another content of these blocks."""
    global last
    last += 1
    for i in range(first, first + n):
        tried.setdefault(name, {}).setdefault(i, set()).add(last)
    data = b"".join(struct.pack("<QQ", last, i) + tail for i in range(first, first + n))
    at = first * BLOCK
    while data:
        done = os.pwrite(fd, data, at)
        data, at = data[done:], at + done

def durable(name):
    for i, v in tried.pop(name, {}).items():
        acked.setdefault(name, {})[i] = max(v)

def rewrite(name, mib):
    fd = os.open(m + "/" + name, os.O_CREAT | os.O_WRONLY)
    try:
        write(fd, name, 0, mib * MIB // BLOCK)
        closes or os.fsync(fd)
    except OSError:
        is_full(lambda: os.close(fd))
        raise
    os.close(fd)
    durable(name)

def check(name):
    """Here, and where no kernel has pages of it from before."""
    sure, maybe = acked.get(name, {}), tried.get(name, {})
    def read(where):
        with open(where + "/" + name, "rb") as f:
            return f.read()
    assert read(m) == read(other), f"{name}: the kernel shows what was lost"
    for where in m, other:
        data = read(where)
        for i in sorted(set(sure) | set(maybe)):
            got = data[i * BLOCK:(i + 1) * BLOCK]
            number, index = struct.unpack("<QQ", got[:16]) if any(got) else (0, i)
            may = {sure.get(i, 0)} | maybe.get(i, set())
            whole = not any(got) or (len(got) == BLOCK and index == i and got[16:] == tail)
            assert whole and number in may, f"{where}/{name}: block {i} is {number}, {index}, not of {may}"

rewrite("kept", 3)
a = os.open(m + "/big", os.O_CREAT | os.O_WRONLY)
b = os.open(m + "/big", os.O_WRONLY)
n, told = 0, False
while n < 1000 and not told and not is_full(lambda: write(a, "big", n * MIB // BLOCK, MIB // BLOCK)):
    n += 1
    if n % 20 == 0:
        told = is_full(lambda: os.fsync(a))
        told or durable("big")
assert n < 1000, "write() does not tell"
assert told or is_full(lambda: os.fsync(a)), "fsync does not tell"
assert not is_full(lambda: os.fsync(a)), "fsync tells twice"
assert is_full(lambda: os.fsync(b)), "fsync does not tell through the other descriptor"
os.close(a)
os.close(b)
check("big")
assert len(acked["big"]) >= 100 * MIB // BLOCK, "little was stored"

full = [0, 0]
def again(k):
    full[k] = any(is_full(lambda: rewrite(f"small{i}" if k else "kept", 2)) for i in range(100 if k else 1))
both = [threading.Thread(target=again, args=[k]) for k in (0, 1)] # there is room for some of it, perhaps
[t.start() for t in both]
[t.join() for t in both]
assert full[1], "small files do not tell"
os.mkdir(m + "/directory")
assert time.monotonic() - began < 120, "it took too long until that was told"
for name in [*acked]:
    check(name)
os.unlink(m + "/big")
for i in range(120):
    if not is_full(lambda: rewrite("kept", 3)): # longer than the last one
        break
    time.sleep(0.5)
check("kept")
assert not tried.get("kept"), "there is no space again"
for name in os.listdir(m):
    name == "directory" or os.unlink(m + "/" + name)
os.rmdir(m + "/directory")
PY
room_is_back() { [ "$(df -m "$T/ss1" | awk 'NR == 2 { print $4 }')" -gt 150 ]; }
say "durable at close"
python3 "$T/fill.py" "$T/mnt" "$T/relaxed" closes || fail "a full cluster"
wait_for 60 "space to come back" room_is_back
say "durable at fsync"
python3 "$T/fill.py" "$T/relaxed" "$T/mnt" relaxed || fail "a full cluster, relaxed"
umount_dfs "$T/mnt"
umount_dfs "$T/relaxed"
pass
