#!/bin/sh
# SPDX-License-Identifier: MIT
# Access control lists on a mount with -o acl: that they hold for other users, are inherited, and follow the mode and it them; how
# they look from another mount, with the option and without. Needs root, to be somebody else.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mount_lib.sh"

for program in setfacl getfacl setpriv python3; do
    command -v $program >/dev/null || { say "skipped: no $program"; exit 77; }
done
[ "$(id -u)" = 0 ] || { say "skipped: only root can be another user"; exit 77; }
A=65534 B=65533 # two users, each of a group of the same number
as() { user=$1; shift; setpriv --reuid "$user" --regid "$user" --clear-groups "$@"; }

start_cluster 2
M=$T/acl N=$T/acl2 P=$T/plain
chmod 755 "$T"
mount_dfs "$M" -o acl
mount_dfs "$N" -o acl,attr_timeout=0,entry_timeout=0
mount_dfs "$P" -o attr_timeout=0,entry_timeout=0

# acl FILE: "user::rw- user:1:r-- …", numbers, no comments; acl -d for the default one
acl() { getfacl -cpnaE "$@" | grep -v '^$' | sed 's/[[:space:]]*#.*//' | tr '\n' ' ' | sed 's/ $//'; }
inherited() { getfacl -cpndE "$@" | grep -v '^$' | tr '\n' ' ' | sed 's/ $//'; }
mode() { stat -c %a "$1"; }
# is WHAT FILE MODE ACL
is() {
    [ "$(mode "$2")" = "$3" ] || fail "$1: the mode of $2 is $(mode "$2"), not $3"
    [ "$(acl "$2")" = "$4" ] || fail "$1: the ACL of $2 is $(acl "$2"), not $4"
}
may() { as "$@" 2>>"$T/acl.log" || fail "user $* may not"; }
may_not() { if as "$@" 2>>"$T/acl.log"; then fail "user $* may"; fi; }

say "who may do what"
mkdir -m 700 "$M/closed"
echo text >"$M/closed/f"
chmod 600 "$M/closed/f"
may_not $A cat "$M/closed/f"
setfacl -m u:$A:x "$M/closed"
may_not $A cat "$M/closed/f"
setfacl -m u:$A:r "$M/closed/f"
is "one user more" "$M/closed/f" 640 "user::rw- user:$A:r-- group::--- mask::r-- other::---"
may $A cat "$M/closed/f" >/dev/null
may_not $B cat "$M/closed/f"
may_not $A sh -c "echo more >>'$M/closed/f'"
may_not $A ls "$M/closed" >/dev/null
setfacl -m g:$B:rw "$M/closed/f"
may_not $B cat "$M/closed/f" # it cannot get there
setfacl -m g:$B:rx "$M/closed"
may $B sh -c "echo more >>'$M/closed/f'"
may $B ls "$M/closed" >/dev/null
setfacl -m u:$A:--- "$M/closed/f"
may_not $A cat "$M/closed/f"
chmod 777 "$M/closed/f" # the entry of a user counts, not that of others
may_not $A cat "$M/closed/f"
may_not $A setfacl -m u:$A:rwx "$M/closed/f" # only the owner changes it

say "the other mount holds to it, and sees changes"
may_not $A cat "$N/closed/f"
may $B cat "$N/closed/f" >/dev/null
setfacl -m u:$A:r "$N/closed/f"
may $A cat "$N/closed/f" >/dev/null
for i in 1 2 3 4 5 6 7 8 9 10; do # seen here within a second
    if as $A cat "$M/closed/f" >/dev/null 2>&1; then break; fi
    [ $i != 10 ] || fail "a change by the other mount is not seen"
    sleep 0.3
done
[ "$(acl "$M/closed/f")" = "$(acl "$N/closed/f")" ] || fail "two mounts show two ACLs"

say "chmod and the mask"
echo 1 >"$M/f"
setfacl -m u:$A:rw,g:$B:rx "$M/f"
is "two more" "$M/f" 674 "user::rw- user:$A:rw- group::r-- group:$B:r-x mask::rwx other::r--"
chmod 640 "$M/f"
is "chmod" "$M/f" 640 "user::rw- user:$A:rw- group::r-- group:$B:r-x mask::r-- other::---"
may $A cat "$M/f" >/dev/null
may_not $A sh -c "echo 2 >>'$M/f'"
chmod g+w "$M/f"
may $A sh -c "echo 2 >>'$M/f'"
setfacl -m m::0 "$M/f"
is "no mask" "$M/f" 600 "user::rw- user:$A:rw- group::r-- group:$B:r-x mask::--- other::---"
may_not $A cat "$M/f"
setfacl -n -m o::rwx,u::r "$M/f"
[ "$(mode "$M/f")" = 407 ] && [ "$(mode "$N/f")" = 407 ] && [ "$(mode "$P/f")" = 407 ] || fail "owner and others are not the mode's"

say "a program that runs as a group, and an owner who is not of it"
setgid() { # setgid FILE GROUP: $A sets an ACL, and one that is but a mode
    rm -f "$1"
    cp /bin/true "$1"
    chown $A:"$2" "$1"
    for set in u:$B:rx u::rwx,g::rx,o::x; do
        chmod 2755 "$1"
        setpriv --reuid $A --regid $A --groups 7,1234 setfacl -m $set "$1" || fail "the owner may not set an ACL"
        mode "$1"
        setfacl -b "$1"
    done
}
[ "$(setgid "$M/prog" $B | tr '\n' ' ')" = "755 751 " ] || fail "not of the group: $(setgid "$M/prog" $B)"
[ "$(setgid "$M/prog" $A | tr '\n' ' ')" = "2755 2751 " ] || fail "of the group: $(setgid "$M/prog" $A)"
[ "$(setgid "$M/prog" 1234 | tr '\n' ' ')" = "2755 2751 " ] || fail "also of the group: $(setgid "$M/prog" 1234)"
setfacl -m u:$B:r "$M/prog"
[ "$(mode "$M/prog")" = 2751 ] || fail "root: $(mode "$M/prog")"
[ "$(setgid "$T/prog" $B | tr '\n' ' ')" = "755 751 " ] || say "a local disk does otherwise: $(setgid "$T/prog" $B)"

say "what is made inherits"
D=$M/d GIVEN="user::rwx user:$A:rwx group::r-x mask::rwx other::---"
mkdir "$D"
chmod 755 "$D"
setfacl -d -m u::rwx,u:$A:rwx,g::rx,o::- "$D"
is "a default is not what holds" "$D" 755 "user::rwx group::r-x other::r-x"
[ "$(inherited "$D")" = "$GIVEN" ] || fail "the default ACL is $(inherited "$D")"
(umask 077 && echo 1 >"$D/f" && mkdir "$D/sub" && mkfifo "$D/fifo" && ln -s f "$D/link")
for f in "$D/f" "$D/fifo"; do
    is "a file" "$f" 660 "user::rw- user:$A:rwx group::r-x mask::rw- other::---"
done
is "a directory" "$D/sub" 770 "$GIVEN"
[ "$(inherited "$D/sub")" = "$GIVEN" ] || fail "a directory inherits $(inherited "$D/sub")"
[ -z "$(inherited "$D/f")" ] || fail "a file has a default ACL"
may $A sh -c "umask 027; cat '$D/f' >/dev/null; echo 2 >'$D/sub/by-user'; mkdir '$D/sub/dir'"
[ "$(stat -c %u:%a "$D/sub/by-user" "$D/sub/dir" | tr '\n' ' ')" = "$A:660 $A:770 " ] || fail "what a user makes"
may_not $B ls "$D/sub"
python3 -c "
import os, socket, sys
os.umask(0o77)
d = sys.argv[1]
os.close(os.open(d + '/python', os.O_CREAT | os.O_WRONLY, 0o604))
os.mknod(d + '/node', 0o100604)
socket.socket(socket.AF_UNIX).bind(d + '/socket')
" "$D"
for f in "$D/python" "$D/node"; do
    is "open and mknod" "$f" 600 "user::rw- user:$A:rwx group::r-x mask::--- other::---"
done
is "a socket, whose mode the kernel masks" "$D/socket" 700 "user::rwx user:$A:rwx group::r-x mask::--- other::---"

say "without a default the umask counts, that of each process"
(umask 027 && echo 1 >"$M/u1" && mkdir "$M/u2" && mkfifo "$M/u3")
(umask 0 && echo 1 >"$M/u4" && mkdir "$M/u5")
[ "$(stat -c %a "$M"/u[1-5] | tr '\n' ' ')" = "640 750 640 666 777 " ] || fail "modes by umask: $(stat -c %a "$M"/u[1-5])"
(umask 027 && echo 1 >"$P/p1" && mkdir "$P/p2")
[ "$(stat -c %a "$P"/p[12] | tr '\n' ' ')" = "640 750 " ] || fail "the other mount's modes"

say "how they go"
setfacl -b "$M/f"
is "without" "$M/f" 407 "user::r-- group::--- other::rwx"
setfacl -k "$D"
[ -z "$(inherited "$D")" ] || fail "the default ACL is still there"
(umask 022 && echo 1 >"$D/later")
is "made without a default" "$D/later" 644 "user::rw- group::r-- other::r--"
setfacl -b "$D/sub"
[ -z "$(inherited "$D/sub")" ] && is "all gone" "$D/sub" 750 "user::rwx group::r-x other::---"
python3 -c "
import os, sys
f = sys.argv[1]
os.removexattr(f, 'system.posix_acl_access')
assert os.stat(f).st_mode & 0o777 == 0o660, oct(os.stat(f).st_mode)
assert 'system.posix_acl_access' not in os.listxattr(f)
os.removexattr(f, 'system.posix_acl_access') # once more, as on a local disk
" "$D/f" || fail "removexattr"

say "copies"
mkdir "$M/from"
echo 1 >"$M/from/f"
setfacl -m u:$A:rw,d:u:$B:rx "$M/from"
setfacl -m u:$B:r "$M/from/f"
setfattr -n user.a -v b "$M/from/f" 2>/dev/null || true
same() {
    for f in "" /f; do
        [ "$(acl "$M/from$f")" = "$(acl "$1$f")" ] && [ "$(mode "$M/from$f")" = "$(mode "$1$f")" ] || fail "$1$f: $(acl "$1$f")"
    done
    [ "$(inherited "$M/from")" = "$(inherited "$1")" ] || fail "$1: $(inherited "$1")"
}
cp -a "$M/from" "$M/cp"
same "$M/cp"
same "$N/cp"
mv "$M/cp" "$D/mv"
same "$D/mv"
if command -v rsync >/dev/null; then
    rsync -aA "$M/from" "$N/rsync/"
    same "$N/rsync/from"
fi
tar -C "$M" --acls -cf "$T/acl.tar" from && mkdir "$M/tar" && tar -C "$M/tar" --acls -xpf "$T/acl.tar"
same "$M/tar/from"

say "a mount without the option"
[ "$(acl "$P/from/f")" = "user::rw- group::r-- other::r--" ] || fail "it shows $(acl "$P/from/f")"
[ "$(python3 -c "import os, sys; print([n for n in os.listxattr(sys.argv[1]) if n.startswith('system')])" "$P/from")" = "[]" ] || fail "it lists ACLs"
if setfacl -m u:$A:r "$P/from/f" 2>"$T/said"; then fail "it takes an ACL"; fi
grep -q "not supported" "$T/said" || fail "it says $(cat "$T/said")"
chmod 600 "$P/from/f"
is "chmod there" "$N/from/f" 600 "user::rw- user:$B:r-- group::r-- mask::--- other::---"
for i in 1 2 3 4 5 6 7 8; do # many, as it would make them without asking elsewhere
    (umask 022 && echo $i >"$P/from/many$i")
done
for i in 1 2 3 4 5 6 7 8; do
    is "made there" "$N/from/many$i" 644 "user::rw- user:$B:r-x group::r-x mask::r-- other::r--"
done

say "the command line"
dfs put "$T/said" /from/put
is "put" "$N/from/put" 644 "user::rw- user:$B:r-x group::r-x mask::r-- other::r--"
dfs mkdir /from/dir
[ "$(inherited "$N/from/dir")" = "$(inherited "$N/from")" ] || fail "mkdir inherits $(inherited "$N/from/dir")"
dfs xattr list /from/put | grep -qx system.posix_acl_access || fail "it does not list the ACL"
if dfs xattr set /from/put system.posix_acl_access rubbish 2>"$T/said"; then fail "it takes rubbish for an ACL"; fi

say "as on a local disk"
cat >"$T/both.py" <<'PY'
import errno, os, random, struct, sys
mount, local, other, seed, steps = sys.argv[1:4] + [int(a) for a in sys.argv[4:]]
ACLS = ["system.posix_acl_access", "system.posix_acl_default"]
rand = random.Random(seed)

def outcome(what, *args):
    try:
        return what(*args)
    except OSError as e:
        return errno.errorcode[e.errno]

def look(path):
    st = os.lstat(path)
    said = [oct(st.st_mode), st.st_uid, st.st_gid]
    return said + [outcome(os.getxattr, path, name) for name in ACLS]

def value(): # mostly good ones
    perm = lambda: rand.choice([0, 1, 4, 5, 6, 7, 7])
    named = [(2, perm(), rand.randrange(1, 9)) for _ in range(rand.choice([0, 0, 1, 2]))]
    groups = [(8, perm(), rand.randrange(1, 9)) for _ in range(rand.choice([0, 0, 1, 2]))]
    mask = [(16, perm(), -1)] if named or groups or rand.random() < 0.3 else []
    v = [(1, perm(), -1)] + named + [(4, perm(), -1)] + groups + mask + [(32, perm(), -1)]
    if rand.random() < 0.05:
        rand.shuffle(v)
    if rand.random() < 0.1:
        v.pop(rand.randrange(len(v)))
    if rand.random() < 0.03:
        v = []
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *e) for e in v)

def create(path, mode, umask):
    os.umask(umask)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, mode))
def mkdir(path, mode, umask):
    os.umask(umask)
    os.mkdir(path, mode)
def mknod(path, mode, umask):
    os.umask(umask)
    os.mknod(path, 0o010000 | mode)

paths = [""]
for step in range(steps):
    path = rand.choice(paths)
    mode = rand.randrange(0o10000) if rand.random() < 0.3 else rand.choice([0o600, 0o644, 0o666, 0o777, 0o755])
    umask = rand.choice([0, 0o022, 0o027, 0o077, rand.randrange(0o1000)])
    kind = rand.choice(["make", "make", "chmod", "chown", "set", "set", "set", "remove"])
    if kind == "make":
        path += "/%d" % step
        what, args = rand.choice([create, mkdir, mkdir, mknod]), (mode, umask)
    elif kind == "chmod":
        what, args = os.chmod, (mode,)
    elif kind == "chown":
        what, args = os.chown, (rand.randrange(9), rand.randrange(9))
    elif kind == "set":
        what, args = os.setxattr, (rand.choice(ACLS), value())
    else:
        what, args = os.removexattr, (rand.choice(ACLS),)
    said = [outcome(what, root + path, *args) for root in (mount, local)]
    assert said[0] == said[1], (seed, step, kind, path, args, said)
    if kind == "make" and said[0] is None:
        paths.append(path)
    if os.path.lexists(local + path):
        a, b, c = look(mount + path), look(local + path), look(other + path)
        assert a == b == c, (seed, step, what, path, args, a, b, c)
print(len(paths), "made")
PY
mkdir "$T/local"
if setfacl -m u:1:r "$T/local" 2>/dev/null; then
    for seed in ${SEEDS:-1 2 3}; do
        mkdir "$M/both$seed" "$T/local/both$seed"
        setfacl -b -k "$T/local/both$seed"
        python3 "$T/both.py" "$M/both$seed" "$T/local/both$seed" "$N/both$seed" "$seed" 400 >>"$T/both.log" 2>&1 || fail "seed $seed: it differs"
    done
else
    say "not compared with a local disk: it has no ACLs"
fi
umount_dfs "$M"
umount_dfs "$N"
umount_dfs "$P"
pass
