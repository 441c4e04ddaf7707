#!/bin/sh
# SPDX-License-Identifier: MIT
# What a mount says of directories whose names come and go: what the cluster says, at once after every change of its own, and
# soon after those of others.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mount_lib.sh"

command -v python3 >/dev/null || { say "skipped: no python3"; exit 77; }
start_cluster 2
M=$T/mnt N=$T/mnt2
mount_dfs "$M" -o attr_timeout=1m,entry_timeout=1m
mount_dfs "$N" -o attr_timeout=0,entry_timeout=0 # asks for everything
mkdir "$M/d" "$M/d/sub" "$M/other"
echo there >"$M/other/file"

say "own changes, one after the other and in between"
cat >"$T/own.py" <<'PY'
import os, sys
m, n = sys.argv[1:]

def look(root, path):
    s = os.stat(root + path)
    return (s.st_mode, s.st_nlink, s.st_uid, s.st_gid, s.st_mtime_ns, s.st_ctime_ns, s.st_atime_ns)

def same(what, *dirs):
    for d in dirs or ["/d"]:
        # as often as it takes to be sure that what is kept is looked at, too
        for i in range(3):
            here, there = look(m, d), look(n, d)
            assert here == there, f"{d} after {what}: {here}, the cluster: {there}"

def changed(what, before, d="/d"):
    assert look(m, d)[4:6] > before[4:6], f"{what} moved no time of {d}"
    same(what, d)

def make(path, flags=os.O_EXCL):
    os.close(os.open(m + path, os.O_CREAT | os.O_WRONLY | flags, 0o644))

same("nothing")
for i in range(20):
    before = look(m, "/d")
    make(f"/d/f{i}")
    changed("a file", before)
for i in range(10):
    before = look(m, "/d")
    os.unlink(f"{m}/d/f{i}")
    changed("a removal", before)
before = look(m, "/d")
make("/d/f15", 0)
same("an open of what is there")
assert look(m, "/d") == before, "an open of what is there moved a time"
try:
    make("/d/f15")
    assert False
except FileExistsError:
    same("an open that failed")
os.utime(m + "/d", ns=(10**18, 2 * 10**18))
make("/d/later0")
same("times that were set")
make("/d/later")
same("a file after times that were set")
assert look(m, "/d")[6] == 10**18, "the time of access that was set"
os.utime(m + "/d", ns=(10**18, 10**18))
same("equal times that were set")
make("/d/later2")
same("a file after equal times that were set")
for what, change in {
    "chmod": lambda: os.chmod(m + "/d", 0o750),
    "chown": lambda: os.chown(m + "/d", os.getuid(), os.getgid()),
    "setxattr": lambda: os.setxattr(m + "/d", "user.a", b"b"),
    "removexattr": lambda: os.removexattr(m + "/d", "user.a"),
    "mkdir": lambda: os.mkdir(m + "/d/new"),
    "rmdir": lambda: os.rmdir(m + "/d/new"),
    "symlink": lambda: os.symlink("x", m + "/d/link"),
    "link": lambda: os.link(m + "/d/f15", m + "/other/f15"),
    "mkfifo": lambda: os.mkfifo(m + "/d/fifo"),
    "rename within": lambda: os.rename(m + "/d/f15", m + "/d/f16"),
    "rename out": lambda: os.rename(m + "/d/f16", m + "/other/f16"),
    "rename in": lambda: os.rename(m + "/other/f16", m + "/d/f16"),
    "rename of a directory": lambda: os.rename(m + "/d/sub", m + "/d/sub2"),
    "its way back": lambda: os.rename(m + "/d/sub2", m + "/d/sub"),
    "rename over": lambda: os.rename(m + "/other/file", m + "/d/f17"),
}.items():
    make("/d/before")
    make("/other/before")
    same("a file before " + what, "/d", "/other")
    change()
    same(what, "/d", "/other", *(["/d/sub2"] if os.path.exists(n + "/d/sub2") else ["/d/sub"]))
    os.unlink(m + "/d/before")
    os.unlink(m + "/other/before")
    same("a removal after " + what, "/d", "/other")
fd = os.open(m + "/d/sub", os.O_RDONLY)
make("/d/sub/f")
os.unlink(m + "/d/sub/f")
os.stat(m + "/d/sub")
os.rmdir(m + "/d/sub")
try:
    os.fstat(fd)
    assert False, "a directory that was removed has attributes"
except OSError:
    pass
same("the removal of a directory")
PY
python3 "$T/own.py" "$M" "$N" || fail "own changes"

say "many at a time"
cat >"$T/many.py" <<'PY'
import os, sys, threading
m, n = sys.argv[1:]
os.mkdir(m + "/many")

def work(t):
    for i in range(100):
        p = f"{m}/many/{t}.{i}"
        os.close(os.open(p, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.stat(m + "/many")
        if i % 3 == 0:
            os.unlink(p)

threads = [threading.Thread(target=work, args=(t,)) for t in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
a, b = os.stat(m + "/many"), os.stat(n + "/many")
assert (a.st_mtime_ns, a.st_ctime_ns) == (b.st_mtime_ns, b.st_ctime_ns), (a, b)
PY
python3 "$T/many.py" "$M" "$N" || fail "many at a time"

say "changes of others"
as_there() { [ "$(stat -c '%y %z %h %a' "$M/other")" = "$(stat -c '%y %z %h %a' "$N/other")" ]; }
for change in "touch $N/other/theirs" "chmod 700 $N/other" "mkdir $N/other/dir" "rm $N/other/theirs" "dfs mkdir /other/dir2"; do
    touch "$M/other/ours"
    stat "$M/other" >/dev/null
    rm "$M/other/ours"
    stat "$M/other" >/dev/null
    $change
    wait_for 5 "the mount to be told of: $change" as_there
done
umount_dfs "$M"
umount_dfs "$N"
pass
