#!/bin/sh
# SPDX-License-Identifier: MIT
# The n-th call of a kind fails in the process behind a mount, for every n: once, or that one and all that follow; the servers are
# well. A program goes through a small workload on it, and notes what it was told. Whatever happens: what an fsync, a close, or a
# change of names acknowledged is there afterwards, no byte is wrong, nothing hangs, and a process that ends says why. After a
# call that failed once, a mount that lives must serve. Where memory is out it may end by abort(). Which calls, and how many:
# nth_lib.sh.
#
#   NTH_ONLY="CALL [N MODE]"   these only; a failure says which they were
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mount_lib.sh"
. "$(dirname "$0")/nth_lib.sh"

command -v python3 >/dev/null || { say "skipped: no python3"; exit 77; }
set -- ${NTH_ONLY:-}
only_call=${1:-} only_n=${2:-} only_mode=${3:-}
M=$T/mnt
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # what is open when it ends is not freed
served=0 sockets_once=yes

# work DIR: prints what was acknowledged. verify DIR: reads that, and compares what is in DIR, another mount, with it.
cat >"$T/work.py" <<'PY'
import os, random, sys

what, top = sys.argv[1:3]
r = random.Random(7)
WHOLE, BASE, NEW, PIECE, FAR = (r.randbytes(n) for n in (200000, 150000, 70000, 8192, 5000))
LINE = b"a line\n"
acked = {}


def path(name):
    return top + "/d/" + name


def put(name, content):
    with open(path(name), "wb") as f:
        f.write(content)


def setup():
    os.makedirs(path(""), exist_ok=True)
    for name, content in (("whole", WHOLE), ("edited", BASE), ("cut", BASE), ("log", BASE), ("from", NEW), ("to", BASE), ("gone", BASE)):
        put(name, content)
    for name in ("new",):
        if os.path.exists(path(name)):
            os.unlink(path(name))
    if os.path.exists(path("sub")):
        os.rmdir(path("sub"))


def step(name, act):
    try:
        acked[name] = act() is not False
    except OSError as e:
        acked[name] = False
        print("#", name, e, file=sys.stderr)


def written(name, content, at=0, flags=0, sync=False):
    fd = os.open(path(name), os.O_WRONLY | flags, 0o644)
    try:
        done = 0
        while done < len(content):  # an error in the middle is told as fewer bytes
            rest = content[done:]
            done += os.write(fd, rest) if flags & os.O_APPEND else os.pwrite(fd, rest, at + done)
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)  # its error counts


def read_back(name, want):
    fd = os.open(path(name), os.O_RDONLY)
    try:
        got = b""
        while True:
            piece = os.read(fd, 65536)
            if not piece:
                break
            got += piece
        if got != want:
            sys.exit("%s is read wrong: %d bytes of %d" % (name, len(got), len(want)))
    finally:
        os.close(fd)


def work():
    step("new", lambda: written("new", NEW, flags=os.O_CREAT))
    step("piece", lambda: written("edited", PIECE, at=12288, sync=True))
    step("far", lambda: written("edited", FAR, at=160000))
    step("read", lambda: read_back("whole", WHOLE))
    if acked["new"]:
        step("read new", lambda: read_back("new", NEW))
    step("rename", lambda: os.rename(path("from"), path("to")))
    step("unlink", lambda: os.unlink(path("gone")))
    step("mkdir", lambda: os.mkdir(path("sub")))
    step("append", lambda: written("log", LINE, flags=os.O_APPEND))
    step("cut", lambda: os.truncate(path("cut"), 1000))
    step("list", lambda: os.listdir(path("")))
    for name, ok in acked.items():
        print(name, int(ok))


def fail(text):
    sys.exit("%s (what was acknowledged: %s)" % (text, acked))


def now(name):
    try:
        with open(path(name), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def over(content, piece, at):
    content = content.ljust(at, b"\0")
    return content[:at] + piece + content[at + len(piece):]


def one_of(name, ok, after, *before):
    got = now(name)
    if got != after and (ok or got not in before):
        fail("%s is wrong: %s" % (name, "not there" if got is None else "%d bytes" % len(got)))


# Each block of what was not acknowledged was written or not.
def mixed(name, states):
    got = now(name)
    if got is None:
        if None not in states:
            fail(name + " is not there")
        return
    states = [s or b"" for s in states]
    if not min(map(len, states)) <= len(got) <= max(map(len, states)):
        fail("%s has %d bytes" % (name, len(got)))
    for at in range(0, len(got), 4096):
        block = got[at:at + 4096]
        if not any(block == s[at:at + len(block)].ljust(len(block), b"\0") for s in states):
            fail("%s is wrong at %d" % (name, at))


def verify():
    for line in sys.stdin:
        name, ok = line.rsplit(None, 1)
        acked[name] = ok == "1"
    for name in ("new", "piece", "far", "rename", "unlink", "mkdir", "append", "cut"):
        acked.setdefault(name, False)
    mixed("new", [NEW] if acked["new"] else [None, b"", NEW])
    states = [BASE, over(BASE, PIECE, 12288)]
    if acked["piece"]:
        del states[0]
    states += [over(s, FAR, 160000) for s in states]
    if acked["far"]:
        states = states[len(states) // 2:]
    mixed("edited", states)
    one_of("whole", True, WHOLE)
    if now("from") is None:
        one_of("to", True, NEW)
    else:
        one_of("to", acked["rename"], None, BASE)
        one_of("from", True, NEW)
    one_of("gone", acked["unlink"], None, BASE)
    if not os.path.isdir(path("sub")) and acked["mkdir"]:
        fail("the folder is not there")
    one_of("log", acked["append"], BASE + LINE, BASE)
    one_of("cut", acked["cut"], BASE[:1000], BASE)


def probe():
    put("probe", NEW)
    read_back("probe", NEW)
    read_back("whole", WHOLE)


{"setup": setup, "work": work, "verify": verify, "probe": probe}[what]()
PY

start_cluster 2
mount_dfs "$T/good" -o attr_timeout=0,entry_timeout=0
MOUNTS="$MOUNTS $M"

on_mount() { timeout -k 1 "$1" python3 "$T/work.py" "$2" "$3"; }
lives() { kill -0 $MOUNT 2>/dev/null; }
# mount_faulty SETTING...: until it is there, or has ended
mount_faulty() {
    mkdir -p "$M"
    : >"$T/bad.log"
    env "$@" "$DFS_BIN/dfs-mount" "$DFS_NM" "$M" -f -o soft,timeout=3s >"$T/bad.log" 2>&1 &
    MOUNT=$!
    tries=200
    until grep -q " $M fuse.dfs " /proc/mounts || ! lives; do # to ask the mount itself may take its time
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "$title: it neither mounts nor ends"
        sleep 0.05
    done
}
# Takes it away. status: how it ended.
end_mount() {
    umount "$M" 2>/dev/null || fusermount3 -q -u "$M" 2>/dev/null || umount -l "$M" 2>/dev/null || true
    tries=400
    while lives; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "$title: it does not end"
        [ $tries != 300 ] || kill $MOUNT
        sleep 0.05
    done
    status=0
    wait $MOUNT || status=$?
    umount -l "$M" 2>/dev/null || true
}

# try CALL N MODE
try() {
    title="$*"
    runs=$((runs + 1))
    on_mount 30 setup "$T/good" || fail "$title: the other mount does not work"
    mount_faulty LD_PRELOAD="$shim" DFS_FAULT="$(rule "$1" /dev/fuse $(options_of "$2" "$3"))"
    : >"$T/acked"
    if lives; then
        status=0
        on_mount 100 work "$M" >"$T/acked" 2>"$T/work.log" || status=$?
        [ $status = 0 ] || fail "$title: $(tail -n 1 "$T/work.log") (status $status; 124: it hangs)"
        if [ "$3" = once ] && lives; then
            # It may be the first of these that meets the call.
            on_mount 100 probe "$M" 2>"$T/work.log" || on_mount 100 probe "$M" 2>"$T/work.log" || { lives && fail "$title: afterwards, $(tail -n 1 "$T/work.log")"; }
            served=$((served + 1))
        fi
    fi
    lived=yes
    lives || lived=""
    end_mount
    case $status in
    0) ;;
    1 | 2) [ -s "$T/bad.log" ] || fail "$title: it ended with $status and said nothing" ;;
    134) [ "$1" = malloc ] || fail "$title: it aborted" ;;
    *) fail "$title: it ended with status $status" ;;
    esac
    [ -n "$lived" ] || ended=$((ended + 1))
    on_mount 60 verify "$T/good" <"$T/acked" 2>"$T/work.log" || fail "$title: $(tail -n 1 "$T/work.log")"
}

title=counting
on_mount 30 setup "$T/good"
mount_faulty LD_PRELOAD="$shim" DFS_FAULT="$(counting /dev/fuse)" DFS_FAULT_SEEN="$T/seen"
on_mount 30 work "$M" >"$T/acked" || fail "without faults"
! grep ' 0$' "$T/acked" || fail "without faults, something was refused"
on_mount 30 probe "$M"
end_mount
[ $status = 0 ] || fail "without faults it ended with $status"
on_mount 30 verify "$T/good" <"$T/acked" || fail "without faults"

each_call "$T/seen" "" try
pass "$runs runs, seed $seed, in $served it served on, in $ended it ended; nothing acknowledged was lost, no byte wrong, nothing hung"
