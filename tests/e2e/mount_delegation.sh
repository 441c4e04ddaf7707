#!/bin/sh
# SPDX-License-Identifier: MIT
# Files that a mount makes without asking, in directories it has delegated: that it does, what others see of them and when, what
# else is done with one that is only promised, and holders that die.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mount_lib.sh"

command -v python3 >/dev/null || { say "skipped: no python3"; exit 77; }
start_cluster 2
M=$T/mnt N=$T/mnt2
mount_dfs "$M" -o entry_timeout=0
mount_dfs "$N" -o attr_timeout=0,entry_timeout=0

cat >"$T/lib.py" <<'PY'
import os, signal, threading, time
NM = int(os.environ["NM_PID"])

def make(path, data=b"", at=None):
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640, dir_fd=at)
    if data:
        os.write(fd, data)
    return fd

# A file made without asking, with this content, open: the NameServer does not run meanwhile.
def promised(folder, name, data=b""):
    os.makedirs(folder, exist_ok=True)
    at = os.open(folder, os.O_RDONLY)
    for i in range(20):
        os.close(make(".warm-%d" % time.time_ns(), b"w", at))
        time.sleep(0.01)
    late = threading.Timer(5, os.kill, (NM, signal.SIGCONT))
    os.kill(NM, signal.SIGSTOP)
    late.start()
    start = time.monotonic()
    fd = make(name, data, at)
    late.cancel()
    os.kill(NM, signal.SIGCONT)
    os.close(at)
    assert time.monotonic() - start < 4, "the NameServer was asked"
    return fd
PY
NM_PID=$(pid_of nm) SS_PIDS="$(pid_of ss1) $(pid_of ss2)"
export NM_PID SS_PIDS PYTHONPATH="$T" M N
py() { python3 -c "
import errno, os, stat, subprocess, sys, time
from lib import *
M, N = os.environ['M'], os.environ['N']
$2" || fail "$1"; }

say "made without asking, and seen by others"
py "what others see of a promised file" '
fd = promised(M + "/a", "f", b"content")
assert os.fstat(fd).st_size == 7 and os.stat(M + "/a/f").st_ino == os.fstat(fd).st_ino
assert "f" in os.listdir(N + "/a"), "not listed by the other mount"
assert os.stat(N + "/a/f").st_ino == os.fstat(fd).st_ino
os.close(fd)
assert open(N + "/a/f").read() == "content"
fd = promised(M + "/a2", "g")
assert os.path.exists(N + "/a2/g"), "not found by the other mount"
os.close(fd)
fd = promised(M + "/a3", "h", b"x" * 70000)
os.close(fd)
assert open(N + "/a3/h").read() == "x" * 70000
ls = subprocess.Popen(["sh", "-c", "read go; ls %s/a4" % N], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
fd = promised(M + "/a4", "slow", b"content")
servers = [int(pid) for pid in os.environ["SS_PIDS"].split()]
for pid in servers: os.kill(pid, signal.SIGSTOP)
os.write(ls.stdin.fileno(), b"go\n") # not started now: it would close what it inherits, and wait for that
time.sleep(1)
for pid in servers: os.kill(pid, signal.SIGCONT)
assert b"slow" in ls.communicate()[0].split(), "listed before it was made"
os.close(fd)
'
dfs ls /a3 | grep -qx h || fail "the command line does not list it"

say "what else is done with one"
py "operations on promised files" '
fd = promised(M + "/b0", "renamed", b"1"); os.rename(M + "/b0/renamed", M + "/b0/other"); os.close(fd)
assert open(N + "/b0/other").read() == "1" and not os.path.exists(N + "/b0/renamed")
fd = promised(M + "/b1", "linked", b"2"); os.link(M + "/b1/linked", M + "/b1/second"); os.close(fd)
assert os.stat(N + "/b1/second").st_nlink == 2 and open(N + "/b1/second").read() == "2"
fd = promised(M + "/b2", "gone", b"3"); os.unlink(M + "/b2/gone"); os.lseek(fd, 0, 0)
assert os.read(fd, 9) == b"3" and os.fstat(fd).st_nlink == 0; os.close(fd)
assert not os.path.exists(N + "/b2/gone")
fd = promised(M + "/b3", "long", b"4"); os.ftruncate(fd, 10); os.close(fd)
assert open(N + "/b3/long", "rb").read() == b"4" + bytes(9)
fd = promised(M + "/b4", "xattr", b"5"); os.setxattr(M + "/b4/xattr", "user.a", b"v"); os.close(fd)
assert os.getxattr(N + "/b4/xattr", "user.a") == b"v"
fd = promised(M + "/b5", "twice", b"6"); fd2 = os.open(M + "/b5/twice", os.O_RDWR | os.O_APPEND)
os.write(fd2, b"7"); os.close(fd2); os.close(fd)
assert open(N + "/b5/twice").read() == "67"
fd = promised(M + "/b6", "synced", b"8"); os.fsync(fd); assert open(N + "/b6/synced").read() == "8"
os.write(fd, b"9"); os.close(fd); assert open(N + "/b6/synced").read() == "89"
fd = promised(M + "/b7", "read", b"ab"); os.lseek(fd, 0, 0); assert os.read(fd, 9) == b"ab"; os.close(fd)
fd = promised(M + "/b8", "times", b"t")
os.utime(fd, ns=(1000000001, 2000000003)); os.fchmod(fd, 0o604); os.close(fd)
for at in M, N:
    s = os.stat(at + "/b8/times")
    assert (s.st_atime_ns, s.st_mtime_ns, s.st_mode & 0o7777) == (1000000001, 2000000003, 0o604), (at, s)
fd = promised(M + "/b13", "written"); time.sleep(0.01); os.write(fd, b"w"); times = os.fstat(fd)
servers = [int(pid) for pid in os.environ["SS_PIDS"].split()]
for pid in servers: os.kill(pid, signal.SIGSTOP)
time.sleep(1.5) # it is being made, and takes long
while_made = os.fstat(fd)
for pid in servers: os.kill(pid, signal.SIGCONT)
os.close(fd)
for s in while_made, os.stat(M + "/b13/written"), os.stat(N + "/b13/written"):
    assert s.st_mtime_ns == times.st_mtime_ns, ("the time moved", times, s)
os.utime(M + "/b8", ns=(5000000000, 6000000000))
fd = promised(M + "/b12", "in", b"i"); os.utime(M + "/b12", ns=(5000000000, 6000000000)); os.close(fd)
for folder in M + "/b8", N + "/b8", M + "/b12", N + "/b12":
    assert os.stat(folder).st_mtime_ns == 6000000000, folder
fd = promised(M + "/b9", "big", b"y" * 3000000); os.write(fd, b"z" * 3000000); os.close(fd)
assert open(N + "/b9/big").read() == "y" * 3000000 + "z" * 3000000
fd = promised(M + "/b9/dir", "in", b"i")
for name in os.listdir(N + "/b9/dir"):
    if name != "in": os.unlink(N + "/b9/dir/" + name)
try: os.rmdir(M + "/b9/dir"); raise AssertionError("a directory with a promised file was removed")
except OSError as e: assert e.errno == errno.ENOTEMPTY, e
os.close(fd)
os.mkdir(M + "/b9/dir2")
try: os.rename(M + "/b9/dir2", M + "/b9/dir"); raise AssertionError("a directory with a file was replaced")
except OSError as e: assert e.errno == errno.ENOTEMPTY, e
os.mkdir(M + "/b11"); os.chown(M + "/b11", -1, 1234 if os.getuid() == 0 else -1); os.chmod(M + "/b11", 0o2775)
fd = promised(M + "/b11", "group"); os.close(fd)
assert os.stat(N + "/b11/group").st_gid == os.stat(M + "/b11/group").st_gid == os.stat(N + "/b11").st_gid
'

say "who waits for one can be killed"
py "a process that waits for a promised file" '
os.mkdir(M + "/c")
told, tell = os.pipe()
pid = os.fork()
if pid == 0: # it has nothing open that its end would have to close
    at = os.open(M + "/c", os.O_RDONLY)
    os.read(told, 1)
    os.link("f", "g", src_dir_fd=at, dst_dir_fd=at)
    os._exit(0)
fd = promised(M + "/c", "f", b"1")
os.kill(NM, signal.SIGSTOP)
os.write(tell, b"!")
time.sleep(0.5)
os.kill(pid, signal.SIGKILL)
gone = False
for _ in range(100):
    gone = gone or os.waitpid(pid, os.WNOHANG)[0] == pid
    if gone: break
    time.sleep(0.1)
os.kill(NM, signal.SIGCONT)
assert gone, "it cannot be killed"
os.close(fd)
assert open(N + "/c/f").read() == "1"
'

say "one of two gets a name"
cat >"$T/race.py" <<'PY'
import errno, os, sys
folder, who, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
won = 0
for i in range(n):
    try:
        fd = os.open("%s/%d" % (folder, i), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except OSError as e:
        assert e.errno == errno.EEXIST, e
        continue
    os.write(fd, who.encode())
    os.close(fd)
    won += 1
print(won)
PY
mkdir "$M/race"
python3 "$T/race.py" "$M/race" m 300 >"$T/won.m" & first=$!
python3 "$T/race.py" "$N/race" n 300 >"$T/won.n" & second=$!
wait $first || fail "the first of two that make files"
wait $second || fail "the second of two that make files"
[ $(($(cat "$T/won.m") + $(cat "$T/won.n"))) = 300 ] || fail "won: $(cat "$T/won.m") and $(cat "$T/won.n") of 300"
[ "$(cat "$N"/race/* | tr -d n | wc -c)" = "$(cat "$T/won.m")" ] || fail "a file has another's content"

say "the NameServer goes and comes"
python3 - "$M/restart" >"$T/restart.log" 2>&1 <<'PY' & writer=$!
import os, sys
os.mkdir(sys.argv[1])
for i in range(1500):
    with open("%s/%d" % (sys.argv[1], i), "x") as f:
        f.write(str(i))
PY
wait_for 20 "some files" sh -c "[ \$(ls '$N/restart' 2>/dev/null | wc -l) -gt 100 ]"
kill_nm
sleep 1
start_nm
wait $writer || { cat "$T/restart.log"; fail "making files while the NameServer restarts"; }
[ "$(ls "$N/restart" | wc -l)" = 1500 ] || fail "$(ls "$N/restart" | wc -l) of 1500 files are there"
[ "$(cat "$N"/restart/1499)" = 1499 ] || fail "the last file's content"
NM_PID=$(pid_of nm)
export NM_PID

say "a mount that is killed"
python3 - "$M/killed" <<'PY' &
import os, sys, time
sys.path.insert(0, os.environ["PYTHONPATH"])
from lib import *
fd = promised(sys.argv[1], "open", b"not closed")
for i in range(100):
    os.close(make("%s/%d" % (sys.argv[1], i), b"closed"))
print("ready", flush=True, file=open(os.environ["PYTHONPATH"] + "/ready", "w"))
time.sleep(60)
PY
holder=$!
wait_for 30 "the files of one that will be killed" [ -s "$T/ready" ]
kill -KILL "$(mount_pid_of "$M")"
kill -KILL $holder
[ "$(timeout 20 ls "$N/killed" | grep -c '^[0-9]*$')" = 100 ] || fail "closed files are gone, or nobody can list them"
dfs umount -l "$M"

say "without delegations, and relaxed"
mount_dfs "$M" -o nodelegate
mkdir "$M/asked"
for i in 1 2 3 4 5 6; do echo $i >"$M/asked/$i"; done
[ "$(cat "$N"/asked/*)" = "$(seq 6)" ] || fail "files made without delegations"
umount_dfs "$M"
mount_dfs "$M" -o relaxed
mkdir "$M/relaxed"
for i in $(seq 200); do echo "$i" >"$M/relaxed/$i"; done
[ "$(ls "$N/relaxed" | wc -l)" = 200 ] || fail "others do not see all that was made"
umount_dfs "$M"
[ "$(cat "$N"/relaxed/* | sort -n)" = "$(seq 200)" ] || fail "files made with -o relaxed"
umount_dfs "$N"
dfs fsck / >/dev/null || fail "fsck"
pass
