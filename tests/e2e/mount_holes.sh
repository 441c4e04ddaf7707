#!/bin/sh
# SPDX-License-Identifier: MIT
# Holes in files of a mount: made, found, left by others, copied; copies made without the bytes passing through the program.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mount_lib.sh"

RANGES=$DFS_BIN/../tests/dfs-ranges
start_cluster 2
mount_dfs "$T/mnt"
M=$T/mnt

# The same on the mount and on the disk beside it, which knows what is right.
both() { # both COMMAND… with FILE for the file
    for at in "$T" "$M"; do
        sh -c "$(echo "$*" | sed "s,FILE,$at/f,g")" || fail "$at: $*"
    done
    cmp "$T/f" "$M/f" || fail "after $*"
    [ "$(stat -c %s "$T/f")" = "$(stat -c %s "$M/f")" ] || fail "the size after $*"
}
map_is() {
    map=$("$RANGES" map "$1")
    [ "$map" = "$2" ] || fail "$1 has data at $map instead of $2"
}

say "holes that are punched"
random_file "$T/f" 140000000 # three chunks
cp "$T/f" "$M/f"
map_is "$M/f" 0+140000000
both fallocate -p -o 10000 -l 50000 FILE
both fallocate -p -o 67000000 -l 300000 FILE # over the end of a chunk
both fallocate -p -o 139999000 -l 5000000 FILE
map_is "$M/f" "0+10000 60000+66940000 67300000+72699000"
[ "$("$RANGES" at "$M/f" 20000 data) $("$RANGES" at "$M/f" 20000 hole)" = "60000 20000" ] || fail "in a hole"
[ "$("$RANGES" at "$M/f" 140000000 hole)" = "lseek: No such device or address" ] || fail "at the end"
[ "$("$RANGES" at "$M/f" 139999500 data)" = "lseek: No such device or address" ] || fail "no data any more"
both "printf 0123456789 | dd of=FILE bs=1 seek=30000 conv=notrunc 2>/dev/null"
map_is "$M/f" "0+10000 30000+10 60000+66940000 67300000+72699000"
dfs get /f "$T/got"
cmp "$T/f" "$T/got" || fail "what the cluster has"
before=$(stat -c %Y "$M/f")
touch -d 2001-02-03 "$M/f"
both fallocate -p -o 0 -l 1 FILE
[ "$(stat -c %Y "$M/f")" -ge "$before" ] || fail "a hole that is made is a change"

say "ranges of zeros, sizes that are set aside"
both fallocate -z -o 100000 -l 70000 FILE
both fallocate -z -o 139000000 -l 2000000 FILE
both fallocate -z -n -o 140500000 -l 2000000 FILE
both fallocate -l 150000000 FILE
both fallocate -l 1000 FILE
both fallocate -n -l 160000000 FILE
fallocate -c -o 0 -l 4096 "$M/f" 2>"$T/err" && fail "collapsing is not supported"
fallocate -p -o 0 -l 1000 "$M/none" 2>/dev/null && fail "a hole in nothing"

say "holes that were never written"
truncate -s 300000000 "$M/sparse"
map_is "$M/sparse" ""
printf end | dd of="$M/sparse" bs=1 seek=200000000 conv=notrunc 2>/dev/null
map_is "$M/sparse" "200000000+3"
cp --sparse=always "$M/f" "$M/g"
cmp "$M/f" "$M/g" || fail "cp --sparse"
tar -C "$M" -S -cf "$T/s.tar" sparse
[ "$(stat -c %s "$T/s.tar")" -lt 100000 ] || fail "tar -S sees no holes: $(stat -c %s "$T/s.tar")"

say "space comes back"
random_file "$T/large" 100000000
cp "$T/large" "$M/large"
used() { du -sm "$T/ss1" "$T/ss2" | awk '{ n += $1 } END { print n }'; }
before=$(used)
fallocate -p -o 0 -l 100000000 "$M/large"
map_is "$M/large" ""
freed() { [ $((before - $(used))) -gt 60 ]; } # the segment that is being filled keeps what is dead in it
wait_for 60 "the space of what was punched" freed

say "another mount sees holes, and writes into them"
mount_dfs "$T/mnt2" -o attr_timeout=0,entry_timeout=0
fallocate -p -o 1000000 -l 1000000 "$M/f"
map_is "$T/mnt2/f" "$("$RANGES" map "$M/f")"
cmp "$M/f" "$T/mnt2/f" || fail "the other mount reads something else"
printf there | dd of="$T/mnt2/f" bs=1 seek=1500000 conv=notrunc,fsync 2>/dev/null
[ "$(dd if="$M/f" bs=1 skip=1500000 count=5 2>/dev/null)" = there ] || fail "written into a hole there, not seen here"
umount_dfs "$T/mnt2"

say "copies"
"$RANGES" copy "$M/large" 0 "$M/none" 0 0 || fail "a copy of nothing"
cp "$T/large" "$M/large"
"$RANGES" copy "$M/large" 0 "$M/copy" 0 200000000 || fail "a copy"
cmp "$T/large" "$M/copy" || fail "a copy"
"$RANGES" copy "$M/large" 1234567 "$M/copy" 50000000 30000000 || fail "a copy of a part"
cmp -n 50000000 "$T/large" "$M/copy" || fail "before the part"
cmp -n 30000000 -i 1234567:50000000 "$T/large" "$M/copy" || fail "the part"
cmp -i 80000000:80000000 "$T/large" "$M/copy" || fail "behind the part"
"$RANGES" copy "$M/copy" 0 "$M/copy" 60000000 10000000 || fail "within a file"
cmp -n 10000000 -i 0:60000000 "$M/copy" "$M/copy" || fail "within a file"
[ "$(dfs cat /copy | sha256sum)" = "$(sha256sum <"$M/copy")" ] || fail "the copy in the cluster"
{ head -c 5000 "$T/large"; "$RANGES" copy "$M/large" 0 "$M/tail" 5000 100; } >"$M/tail.1"
[ "$(stat -c %s "$M/tail")" = 5100 ] || fail "a copy behind the end"

say "kill -9 of a StorageServer while holes are made"
mkdir "$M/d"
i=0
while [ $i -lt 20 ]; do
    head -c 300000 "$T/large" >"$M/d/$i"
    i=$((i + 1))
done
(i=0; while [ $i -lt 20 ]; do fallocate -p -o 5000 -l 200000 "$M/d/$i"; i=$((i + 1)); done; echo fine >"$T/punched") &
punching=$!
sleep 0.2
kill_ss 1
sleep 1
start_ss 1
wait $punching
[ "$(cat "$T/punched")" = fine ] || fail "punching did not outlive a StorageServer"
head -c 300000 "$T/large" >"$T/p"
fallocate -p -o 5000 -l 200000 "$T/p"
i=0
while [ $i -lt 20 ]; do
    cmp "$T/p" "$M/d/$i" || fail "a hole after a crash: $i"
    i=$((i + 1))
done
umount_dfs "$M"
pass
