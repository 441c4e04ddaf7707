#!/bin/sh
# SPDX-License-Identifier: MIT
# What a file with the setuid or setgid bit loses when others write to it, in each of the ways there are; root does not count as
# others. Needs root, to be somebody else.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mount_lib.sh"

for program in setpriv fallocate truncate /usr/bin/python3; do
    command -v $program >/dev/null || { say "skipped: no $program"; exit 77; }
done
[ "$(id -u)" = 0 ] || { say "skipped: only root can be another user"; exit 77; }
as() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }

start_cluster 2
M=$T/m N=$T/n
chmod 755 "$T"
mount_dfs "$M" -o suid
mount_dfs "$N" -o attr_timeout=0,entry_timeout=0
chmod 777 "$M"

mode() { stat -c %a "$1"; }
# becomes WHAT MODE MODE COMMAND…: a file of the one mode has the other after it was written to so
becomes() {
    what=$1 before=$2 after=$3
    shift 3
    rm -f "$M/f"
    echo 0123456789 >"$M/f"
    chmod "$before" "$M/f"
    "$@" 2>>"$T/setid.log" || fail "$what: $*: $(tail -n 1 "$T/setid.log")"
    [ "$(mode "$M/f")" = "$after" ] || fail "$what: a file of mode $before has $(mode "$M/f"), not $after"
    [ "$(mode "$N/f")" = "$after" ] || fail "$what: mode $before: the other mount sees $(mode "$N/f"), not $after"
}
as_python() { # as_python CODE: with f, opened to be read and written
    as /usr/bin/python3 -c "import mmap, os
f = os.open('$M/f', os.O_RDWR)
$1"; }

say "each way to write, by others and by root"
for modes in 6777:777 4766:766 2777:777 2767:2767 0777:777; do
    from=${modes%:*} to=${modes#*:}
    becomes "a write" $from $to as sh -c "echo x 1<>'$M/f'"
    becomes "an append" $from $to as sh -c "echo x >>'$M/f'"
    becomes "two writes" $from $to as_python "os.pwrite(f, b'x', 0); os.pwrite(f, b'y', 4)"
    becomes "a write past the page cache" $from $to as_python "
g = os.open('$M/f', os.O_RDWR | os.O_DIRECT)
os.pwritev(g, [mmap.mmap(-1, 4096)], 0)"
    becomes "O_TRUNC" $from $to as sh -c ": >'$M/f'"
    becomes "truncate" $from $to as truncate -s 3 "$M/f"
    becomes "ftruncate" $from $to as_python "os.ftruncate(f, 20)"
    becomes "fallocate" $from $to as fallocate -o 0 -l 100 "$M/f"
    becomes "copy_file_range" $from $to as_python "
g = os.open('$M/g', os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
os.write(g, b'0123456789')
os.copy_file_range(g, f, 5, 0, 0)
os.unlink('$M/g')"
    becomes "reading" $from ${from#0} as cat "$M/f" >/dev/null
    becomes "a write by root" $from ${from#0} sh -c "echo x 1<>'$M/f'"
    becomes "truncate by root" $from ${from#0} truncate -s 3 "$M/f"
    becomes "fallocate by root" $from ${from#0} fallocate -o 0 -l 100 "$M/f"
done

say "what is written is there, at its place"
becomes "a write" 6777 777 as_python "os.pwrite(f, b'abc', 2)"
[ "$(cat "$M/f")" = 01abc56789 ] && [ "$(cat "$N/f")" = 01abc56789 ] || fail "it has $(cat "$M/f")"

say "bits that are set while the file is open, here and through the other mount"
for by in "$M" "$N"; do
    becomes "the second write" 777 777 as_python "
import subprocess, time
os.pwrite(f, b'x', 0)
open('$T/ready', 'w').close()
while os.stat('$M/f').st_mode & 0o7777 != 0o6777: time.sleep(0.02)
os.pwrite(f, b'y', 1)" &
    job=$!
    rm -f "$T/ready"
    chmod 777 "$T"
    wait_for 15 "the first write" test -e "$T/ready"
    chmod 6777 "$by/f"
    wait $job || fail "set through $by"
done

say "a file that is only promised yet"
as mkdir "$M/own"
as sh -c "cd '$M/own' && umask 0 && for i in 1 2 3 4 5 6 7 8; do echo \$i >f\$i; done"
got=$(as /usr/bin/python3 -c "import os
f = os.open('$M/own/new', os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o755)
os.write(f, b'x')
os.fchmod(f, 0o6755)
a = os.fstat(f).st_mode
os.write(f, b'y')
print('%o %o' % (a & 0o7777, os.fstat(f).st_mode & 0o7777))")
[ "$got" = "6755 755" ] || fail "its modes were $got"
[ "$(mode "$N/own/new") $(cat "$N/own/new")" = "755 xy" ] || fail "it is $(mode "$N/own/new") $(cat "$N/own/new")"

say "nobody runs with root's rights what he wrote: the kernel hears of it before the writer does"
cp "$(command -v id)" "$M/f"
chmod 4777 "$M/f"
[ "$(as "$M/f" -u)" = 0 ] || { say "(setuid does nothing here)"; umount_dfs "$M"; umount_dfs "$N"; pass; exit 0; }
cp "$M/f" "$T/id"
as sh -c "cat '$T/id' 1<>'$M/f'" && [ "$(as "$M/f" -u)" = 65534 ] || fail "it ran as root"

umount_dfs "$M"
umount_dfs "$N"
pass
