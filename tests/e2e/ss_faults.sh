#!/bin/sh
# SPDX-License-Identifier: MIT
# What disks do to a StorageServer of two folders, in real processes: errors of writes, reads and flushes, a file system
# that becomes read-only, one that is full, short reads and writes, a disk that hangs. Only the second folder is faulty.
# In each: what was acknowledged is read back right, the other folder serves on, the disk is reported, and every file has
# all its copies again.
. "$(dirname "$0")/lib.sh"

number() { dfs -j health 2>>"$T/cli.log" | sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }
is_whole() { [ "$(number under_replicated)" = 0 ] && [ "$(number missing)" = 0 ] && [ "$(number corrupt)" = 0 ]; }
disks_failed() { dfs -j status 2>>"$T/cli.log" | grep -o '"state":"failed"' | wc -l; }
disk_failed() { [ "$(disks_failed)" = 1 ]; }
no_disk_failed() { [ "$(disks_failed)" = 0 ]; }
errors() { dfs -j status 2>>"$T/cli.log" | grep -o "\"$1\":[0-9]*" | cut -d: -f2 | awk '{ n += $1 } END { print n + 0 }'; }
are_read() { [ "$(errors read_errors)" -gt 0 ]; }

bad=$T/bad-disk # its path, and the file while which the faults last
faults() {
    for call in "$@"; do
        printf '%s' "${sep:-}$call,path=$bad/,while=$T/now"
        sep=";"
    done
}

files=0
# Six files of different sizes, so that each folder gets some; all must be stored.
store() {
    for size in 300 5000 70000 200000 1500000 4000; do
        files=$((files + 1))
        random_file "$T/src/f$files" $size
        dfs put "$T/src/f$files" "/f$files" || fail "$1: a file could not be stored"
    done
}
read_back() {
    rm -rf "$T/out"
    mkdir "$T/out"
    for f in "$T"/src/f*; do
        dfs get "/$(basename "$f")" "$T/out/" || fail "$1: $(basename "$f") could not be read"
    done
    same_tree "$T/src" "$T/out" "$1"
}

# with_fault NAME FAULT...: a good time, and then a bad one
with_fault() {
    fault=$1
    shift
    say "$fault"
    : >"$T/ss1.log"
    sep=""
    faulty DFS_FAULT="$(faults "$@")" -- start_ss 1 --data "$bad"
    wait_for 60 "$fault: the server to come up whole" is_whole
    wait_up 3
    no_disk_failed || fail "$fault: a disk is failed before anything happened"
    store "$fault, before"
    touch "$T/now"
}
# Back to a disk that works. What was acknowledged in between is there even if nobody repairs any more.
mend() {
    read_back "$fault"
    rm "$T/now"
    stop_ss 1
}
given_up() {
    i=0 # not every file has a copy on that disk
    while no_disk_failed && [ $i -lt 8 ]; do
        i=$((i + 1))
        store "$fault"
        sleep 0.3
    done
    wait_for 30 "$fault: the disk to be reported" disk_failed
    dfs health >"$T/health.log" && fail "$fault: all is said to be well"
    grep -q 'gave up 1 of its 2 data folders' "$T/health.log" || fail "$fault: no word in: $(cat "$T/health.log")"
    grep -q 'store.disk_failed.*folder=1' "$T/ss1.log" || fail "$fault: the server does not say so"
    wait_for 60 "$fault: every copy to be made again" is_whole
    store "$fault, afterwards"
    [ "$(disks_failed)" = 1 ] || fail "$fault: the other folder does not serve"
    mend
}

mkdir -p "$T/src" "$bad"
start_nm --repair-grace 2s
start_ss 2
start_ss 3

with_fault "a write fails, once" "write"
given_up
with_fault "all writes fail" "write,times=0"
given_up
with_fault "a flush fails, once" "fdatasync"
given_up
with_fault "no file can be made" "fallocate,times=0" "open,times=0"
i=0 # until the folder needs another segment
while no_disk_failed && [ $i -lt 40 ]; do
    i=$((i + 1))
    random_file "$T/fill" 4000000
    dfs put "$T/fill" "/fill$i" || fail "$fault: a file could not be stored"
done
given_up
with_fault "the file system becomes read-only" "write,times=0,errno=EROFS" "open,times=0,errno=EROFS" \
    "fallocate,times=0,errno=EROFS" "unlink,times=0,errno=EROFS"
given_up

with_fault "the disk is full" "write,times=0,errno=ENOSPC" "fallocate,times=0,errno=ENOSPC"
store "$fault"
sleep 2
store "$fault, later"
no_disk_failed || fail "$fault: it was given up for want of space"
rm "$T/now"
sleep 2
store "$fault, no longer"
touch "$T/now"
mend

with_fault "short reads and writes" "write,times=0,short" "read,times=0,short"
store "$fault"
no_disk_failed || fail "$fault: the disk was given up"
[ "$(errors read_errors)$(errors write_errors)$(errors damaged)" = 000 ] || fail "$fault: errors: $(dfs status)"
mend

with_fault "all reads fail" "read,times=0"
i=0
while [ "$(errors read_errors)" = 0 ]; do # a reader may ask another server first
    i=$((i + 1))
    [ $i -lt 10 ] || fail "$fault: no read of the disk failed"
    read_back "$fault"
    sleep 0.5
done
wait_for 60 "$fault: every copy to be made again" is_whole
mend

with_fault "the disk hangs" "write,times=0,delay=20000" "fdatasync,times=0,delay=20000" "read,times=0,delay=20000"
store "$fault" # what is under way there when it begins to may take its deadline
store "$fault, a while later"
grep -q 'store.disk_slow folder=1' "$T/ss1.log" || fail "$fault: the server does not say so"
from=$(date +%s)
store "$fault, for long" # elsewhere: at once
took=$(($(date +%s) - from))
[ $took -lt 10 ] || fail "$fault: storing elsewhere waited for it, $took s"
for n in 1 2 3 4 5 6; do # what has a copy there is read elsewhere, after a while
    from=$(date +%s)
    dfs cat "/f$((files - n))" | cmp - "$T/src/f$((files - n))" || fail "$fault: wrong bytes"
    dfs cat "/f$n" | cmp - "$T/src/f$n" || fail "$fault: wrong bytes"
    took=$(($(date +%s) - from))
    [ $took -lt 20 ] || fail "$fault: a reader waited for it, $took s"
done
no_disk_failed || fail "$fault: being slow is no error"
rm "$T/now"
kill_ss 1
start_ss 1 --data "$bad"
wait_up 3
wait_for 60 "every file to have its copies" is_whole
read_back "in the end"
pass "$files files"
