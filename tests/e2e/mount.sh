#!/bin/sh
# SPDX-License-Identifier: MIT
# The cluster as a folder: names, contents, attributes, what other clients see, and how mounting fails.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mount_lib.sh"

start_cluster 2
mount_dfs "$T/mnt"
M=$T/mnt

say "names"
mkdir -p "$M/a/b/c"
echo one >"$M/a/one"
[ "$(cat "$M/a/one")" = one ] || fail "one"
[ "$(dfs cat /a/one)" = one ] || fail "the cluster does not have one"
mv "$M/a/one" "$M/a/b/two"
[ ! -e "$M/a/one" ] && [ "$(cat "$M/a/b/two")" = one ] || fail "mv"
ln "$M/a/b/two" "$M/a/three"
[ "$(stat -c %h "$M/a/three")" = 2 ] || fail "ln"
ln -s b/two "$M/a/link"
[ "$(readlink "$M/a/link")" = b/two ] && [ "$(cat "$M/a/link")" = one ] || fail "ln -s"
rm "$M/a/three"
rmdir "$M/a/b/c"
rmdir "$M/a" 2>/dev/null && fail "a directory that is not empty went"
long=$(printf '%0255d' 0)
echo long >"$M/$long"
[ "$(cat "$M/$long")" = long ] || fail "a name of 255 bytes"
touch "$M/${long}0" 2>/dev/null && fail "a name of 256 bytes"
rm "$M/$long"

say "contents"
random_file "$T/big" 150000000 # three chunks
cp "$T/big" "$M/big"
cmp "$T/big" "$M/big" || fail "big as it was written"
[ "$(dfs cat /big | sha256sum)" = "$(sha256sum <"$T/big")" ] || fail "big in the cluster"
dd if="$T/big" of="$M/odd" bs=12345 count=1000 2>/dev/null
head -c 12345000 "$T/big" | cmp - "$M/odd" || fail "odd writes"
dd if=/dev/zero of="$M/odd" bs=1000 seek=77 count=3 conv=notrunc 2>/dev/null
head -c 77000 "$T/big" | cmp - "$M/odd" -n 77000 || fail "before what was overwritten"
cmp -n 3000 -i 77000:0 "$M/odd" /dev/zero || fail "what was overwritten"
cmp -n 1000000 -i 80000:80000 "$M/odd" "$T/big" || fail "behind what was overwritten"
dfs put "$T/big" /put
cmp "$T/big" "$M/put" || fail "what was put"

say "sizes"
head -c 100000 "$T/big" >"$T/part"
same() { # same PIECE... : $M/cut is these pieces
    cat "$@" | cmp - "$M/cut" || fail "cut is not $*"
}
head -c 5000 "$T/part" >"$T/part.5000"
head -c 95000 /dev/zero >"$T/zeros"
cp "$T/part" "$M/cut"
truncate -s 5000 "$M/cut"
same "$T/part.5000"
truncate -s 100000 "$M/cut"
same "$T/part.5000" "$T/zeros"
echo short >"$M/cut"
[ "$(cat "$M/cut")" = short ] || fail "> of what was there"
echo more >>"$M/cut"
[ "$(cat "$M/cut")" = "short
more" ] || fail ">>"
truncate -s 70000000 "$M/big" # into the second of three chunks
[ "$(stat -c %s "$M/big")" = 70000000 ] || fail "the size of what was cut"
truncate -s 150000000 "$M/big"
cmp -n 70000000 "$T/big" "$M/big" || fail "before the cut"
cmp -n 80000000 -i 0:70000000 /dev/zero "$M/big" || fail "behind the cut old bytes show"
cp "$T/part" "$M/cut"
fallocate -l 200000 "$M/cut"
[ "$(stat -c %s "$M/cut")" = 200000 ] || fail "fallocate"
cp "$T/part" "$M/cut"
touch -d 2001-02-03 "$T/part"
cp -p "$T/part" "$M/cut"
[ "$(stat -c %Y "$M/cut")" = "$(stat -c %Y "$T/part")" ] || fail "cp -p over a file lost the time"
cp "$T/big" "$M/big"

say "trees"
mkdir "$T/tree"
i=0
while [ $i -lt 300 ]; do
    mkdir -p "$T/tree/d$((i % 7))"
    head -c $((i * 37)) "$T/big" >"$T/tree/d$((i % 7))/f$i"
    i=$((i + 1))
done
ln -s d0/f7 "$T/tree/link"
cp -a "$T/tree" "$M/tree"
same_tree "$T/tree" "$M/tree" "cp -a"
[ "$(stat -c %Y "$T/tree/d3/f3")" = "$(stat -c %Y "$M/tree/d3/f3")" ] || fail "cp -a lost a time"
diff -r "$T/tree" "$M/tree" || fail "diff -r"
rm -r "$M/tree"
[ ! -e "$M/tree" ] || fail "rm -r"
mkdir "$M/many"
(cd "$M/many" && seq 2500 | xargs touch) # more than a page of the listing
[ "$(ls "$M/many" | wc -l)" = 2500 ] || fail "a listing of several pages"
rm -r "$M/many"

say "deep trees"
(
    cd "$M"
    name=$(printf '%0100d' 0)
    for i in $(seq 60); do # to a path longer than PATH_MAX, which find and rm go step by step
        mkdir "$name"
        cd -P "$name"
    done
    echo deep >file
    [ "$(cat file)" = deep ] || fail "a file deep down"
)
[ "$(find "$M"/0* -type f | wc -l)" = 1 ] || fail "find in a deep tree"
rm -r "$M"/0*
deep=$M
for i in $(seq 19); do deep=$deep/$(printf '%0200d' 0); done
mkdir -p "$deep"
echo long >"$deep/file"
[ "$(cat "$deep/file")" = long ] || fail "a path of nearly PATH_MAX"
rm -r "$M"/0*

say "special files"
mkfifo "$M/fifo"
(echo through >"$M/fifo" &)
[ "$(cat "$M/fifo")" = through ] || fail "a FIFO"
[ "$(stat -c %F "$M/fifo")" = fifo ] || fail "stat of a FIFO: $(stat -c %F "$M/fifo")"
mkdir "$M/group"
chgrp 77 "$M/group"
chmod 2775 "$M/group"
mkdir "$M/group/below"
[ "$(stat -c '%g %a' "$M/group/below")" = "77 2755" ] || fail "setgid: $(stat -c '%g %a' "$M/group/below")"
dfs get -r / "$T/all" 2>"$T/err"
grep -q "/fifo: is a fifo: left out" "$T/err" || fail "get -r of a FIFO: $(cat "$T/err")"

say "attributes"
echo x >"$M/x"
chmod 4751 "$M/x"
chown 12:34 "$M/x"
[ "$(stat -c '%a %u:%g %s' "$M/x")" = "751 12:34 2" ] || fail "chmod, chown: $(stat -c '%a %u:%g %s' "$M/x")"
touch -d 2001-02-03T04:05:06.789 "$M/x"
[ "$(stat -c %y "$M/x" | cut -c 1-23)" = "2001-02-03 04:05:06.789" ] || fail "touch: $(stat -c %y "$M/x")"
touch -a -d 1999-01-02T03:04:05.678 "$M/x"
times="$(stat -c %x "$M/x" | cut -c 1-23), $(stat -c %y "$M/x" | cut -c 1-23)"
[ "$times" = "1999-01-02 03:04:05.678, 2001-02-03 04:05:06.789" ] || fail "touch -a: $times"
touch -m -d 2002-01-01 "$M/x"
[ "$(stat -c %x "$M/x" | cut -c 1-10)" = 1999-01-02 ] || fail "touch -m moved the time of access"
cp -p "$M/x" "$M/y"
[ "$(stat -c %x "$M/y" | cut -c 1-10)" = 1999-01-02 ] || fail "cp -p lost the time of access"
[ "$(df -P "$M" | wc -l)" = 2 ] || fail "df"

say "another mount"
mount_dfs "$T/mnt2" -o attr_timeout=0,entry_timeout=0
echo first >"$M/shared"
[ "$(cat "$T/mnt2/shared")" = first ] || fail "what was closed here is not seen there"
echo second, longer >"$T/mnt2/new"
[ "$(cat "$M/new")" = "second, longer" ] || fail "what was closed there is not seen here"
printf X | dd of="$T/mnt2/shared" conv=notrunc 2>/dev/null
[ "$(cat "$M/shared")" = Xirst ] || fail "an overwrite there is not seen here: $(cat "$M/shared")"
umount_dfs "$T/mnt2"

say "what others change is told"
mount_dfs "$T/mnt2" -o attr_timeout=1m,entry_timeout=1m
echo old >"$M/told"
echo old >"$M/gone"
echo here >"$M/moved"
sleep 0.2
cat "$T/mnt2/told" "$T/mnt2/gone" "$T/mnt2/moved" >/dev/null
ls -l "$T/mnt2" >/dev/null
echo newer content 1<>"$M/told"
rm "$M/gone"
mv "$M/moved" "$M/elsewhere"
is_told() { [ "$(stat -c %s "$T/mnt2/told")" = 14 ] && [ ! -e "$T/mnt2/gone" ] && [ ! -e "$T/mnt2/moved" ]; }
wait_for 3 "the other mount to be told" is_told
[ "$(cat "$T/mnt2/told")" = "newer content" ] || fail "old content after all"
umount_dfs "$T/mnt2"

say "part of the cluster, read only"
mount_dfs_of "/a" "$T/mnt2" -o ro
[ "$(cat "$T/mnt2/b/two")" = one ] || fail "a folder of the cluster"
touch "$T/mnt2/b/new" 2>/dev/null && fail "a read-only mount was written to"
umount_dfs "$T/mnt2"

say "what cannot be mounted"
refused() { # refused WORDS COMMAND...
    words=$1
    shift
    "$@" >"$T/refused" 2>&1 && fail "$*: it went well"
    grep -q "$words" "$T/refused" || fail "$*: $(cat "$T/refused")"
}
refused "No such file" dfs mount "$DFS_NM" "$T/nowhere"
refused "Not a directory" dfs mount "$DFS_NM" "$T/big"
refused "cannot be reached" dfs mount 127.0.0.1:1 "$T/mnt2"
refused "no such file" dfs mount "$DFS_NM/no/such" "$T/mnt2"
refused "not a directory" dfs mount "$DFS_NM/big" "$T/mnt2"
refused "not a size" dfs mount "$DFS_NM" "$T/mnt2" -o cache=much
refused "has put nothing there" dfs umount "$T/mnt2"

say "open files, and the end of the process"
exec 9<"$M/big"
refused "files in it are open" dfs umount "$M"
exec 9<&-
umount_dfs "$M"
mount_dfs "$M"
echo kept >"$M/kept"
kill -9 $MOUNT_PID
wait_for 5 "the mount to lose its process" sh -c "! stat '$M/kept' >/dev/null 2>&1"
refused "whose process is gone" dfs mount "$DFS_NM" "$M"
dfs umount "$M"
mount_dfs "$M"
[ "$(cat "$M/kept")" = kept ] || fail "what was closed was lost with the process"
umount_dfs "$M"
pass
