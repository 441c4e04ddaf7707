#!/bin/sh
# SPDX-License-Identifier: MIT
# Disks and clocks of NameServers that go wrong, in real processes: a full disk under the log, a flush that fails, clocks
# that are set, a NameServer of another cluster, a folder that was wiped. Needs root for the full disk (a tmpfs).
. "$(dirname "$0")/lib.sh"

logged() { grep -q "$2" "$T/$1.log"; }

# --- a full disk under the log ---

full_disk() {
    if ! mkdir "$T/nm" || ! mount -t tmpfs -o size=96m dfs-test "$T/nm" 2>/dev/null; then
        rmdir "$T/nm"
        say "SKIPPED: a full disk under the log (no tmpfs can be mounted here: needs root)"
        return
    fi
    trap 'cleanup; umount "$T/nm" 2>/dev/null; rmdir "$T/nm" "$T" 2>/dev/null; true' EXIT
    start nm dfs-nm --init
    DFS_NM=$(address_of nm)
    export DFS_NM
    start_ss 1
    wait_up 1
    dfs mkdir /before
    echo precious >"$T/file"
    dfs put "$T/file" /before/file
    say "the disk fills up"
    head -c 200m /dev/zero >"$T/nm/ballast" 2>/dev/null || true
    wait_for 20 "the NameServer to notice" logged nm nm.disk_nearly_full
    status=0
    dfs mkdir /refused >"$T/full.log" 2>&1 || status=$?
    [ $status = 1 ] || fail "mkdir on a full disk ended with $status"
    grep -q 'nearly full' "$T/full.log" || fail "no word of the full disk: $(cat "$T/full.log")"
    [ "$(dfs cat /before/file)" = precious ] || fail "reads do not go on"
    dfs ls / >/dev/null || fail "ls does not go on"
    sleep 3
    [ "$(dfs cat /before/file)" = precious ] || fail "reads do not go on for long"
    say "space returns"
    rm "$T/nm/ballast"
    wait_for 20 "the NameServer to notice" logged nm nm.disk_has_space
    dfs mkdir /after || fail "no recovery when space returned"
    dfs rm --now /before/file
    say "nearly full from the very start"
    stop nm
    stop_ss 1
    head -c 200m /dev/zero >"$T/nm/ballast" 2>/dev/null || true
    : >"$T/nm.log"
    start nm dfs-nm
    wait_for 20 "the NameServer to say so" logged nm nm.disk_nearly_full
    start_ss 2
    wait_for 20 "the StorageServer to say why it is refused" logged ss2 'ss.refused.*nearly full'
    rm "$T/nm/ballast"
    start_ss 1
    wait_up 2
    stop nm
    stop_ss 1
    stop_ss 2
    umount "$T/nm"
    rmdir "$T/nm"
    rm -rf "$T"/nm.port "$T"/ss*
    trap cleanup EXIT
}

# --- a flush that fails: that NameServer is not trusted any more, another takes over ---

failing_flush() {
    gate=$T/fsync-fails
    faulty DFS_FAULT="fdatasync,times=0,path=log-,while=$gate" -- start_name 1 --init
    start_name 2 --join "$(address_of nm1)"
    start_name 3 --join "$(address_of nm1)"
    DFS_NM=$(address_of nm1),$(address_of nm2),$(address_of nm3)
    export DFS_NM
    wait_for 30 "three voters" voters_are 3
    wait_for 10 "nm1 to lead" leads nm1
    i=0
    while [ $i -lt 20 ]; do
        i=$((i + 1))
        [ $i != 10 ] || touch "$gate"
        dfs mkdir "/d$i" || fail "mkdir $i failed while a NameServer's flush fails"
    done
    wait_for 10 "nm1 to end" ended nm1
    reap nm1
    [ "$status" != 0 ] || fail "nm1 ended as if nothing was wrong"
    logged nm1 'not trusted any more' || fail "nm1 does not say why it ended"
    [ "$(leader)" != nm1 ] || fail "nm1 still leads"
    [ "$(dfs ls / | grep -c '^d')" = 20 ] || fail "something acknowledged is lost: $(dfs ls / | tr '\n' ' ')"
    rm "$gate"
    start_name 1
    wait_for 30 "three voters" voters_are 3
}

# --- a flush that never ends: under the leader, then under a follower ---

made=20
go_on() { # go_on WHAT: while nm1's disk hangs
    touch "$gate"
    for i in 1 2 3 4 5; do
        made=$((made + 1))
        timeout 10 "$DFS_BIN/dfs" mkdir "/d$made" || fail "mkdir $made failed, or hung, while the disk of $1 hangs"
    done
    ! ended nm1 || fail "nm1 ended"
    leads nm1 && fail "nm1 leads though its disk hangs"
    rm "$gate"
}
all_there() { [ "$(dfs ls / | grep -c '^d')" = $made ]; }

hanging_flush() {
    gate=$T/fsync-hangs
    hang="times=0,delay=600000,path=$T/nm1,while=$gate"
    stop nm1
    faulty DFS_FAULT="fdatasync,$hang;fsync,$hang" -- start_name 1
    wait_for 30 "three voters" voters_are 3
    dfs nm transfer 1
    wait_for 10 "nm1 to lead" leads nm1
    go_on "the leader"
    logged nm1 nm.disk_hangs || fail "nm1 does not say that its disk hangs"
    wait_for 30 "three voters" voters_are 3
    all_there || fail "something acknowledged is lost: $(dfs ls / | tr '\n' ' ')"
    go_on "a follower"
    wait_for 30 "three voters" voters_are 3
    wait_for 30 "nm1, whose disk is well, to lead again" takes_over nm1
    all_there || fail "what was acknowledged is not at nm1: $(dfs ls / | tr '\n' ' ')"
}

leads() { [ "$(leader)" = "$1" ]; }
takes_over() { # it may have to catch up first, and is passed over then
    leads "$1" || dfs nm transfer "${1#nm}" >/dev/null 2>&1 || true
    leads "$1"
}
ended() { ! kill -0 "$(pid_of "$1")" 2>/dev/null; }

# --- clocks that are set ---

clocks() {
    for n in 1 2 3; do
        stop nm$n
    done
    for n in 1 2 3; do
        faulty DFS_CLOCK="$T/clock$n" -- start_name $n
    done
    wait_for 30 "three voters" voters_are 3
    start_ss 1
    start_ss 2
    wait_up 2
    echo kept >"$T/file"
    dfs put "$T/file" /trashed
    dfs put "$T/file" /kept
    dfs rm /trashed
    for days in 2 -3 30 -1; do
        for n in 1 2 3; do echo $((days * 86400 + n)) >"$T/clock$n"; done
        say "all clocks $days days off"
        dfs mkdir "/clock$days" || fail "a mutation failed when clocks were set"
        sleep 2
        [ "$(servers_up)" = 2 ] || fail "a StorageServer went down when clocks were set"
        [ "$(dfs cat /kept)" = kept ] || fail "a read failed when clocks were set"
    done
    echo $((90 * 86400)) >"$T/clock1"
    echo $((-90 * 86400)) >"$T/clock2"
    say "clocks apart by half a year"
    for n in 1 2; do
        dfs nm transfer || fail "no transfer"
        sleep 1
        dfs mkdir "/apart$n" || fail "a mutation failed when clocks disagreed"
    done
    [ -n "$(dfs trash list | grep /trashed)" ] || fail "a clock set forward emptied the trash"
    [ "$(dfs cat /kept)" = kept ] || fail "the file is not what it was"
}

# --- another cluster's NameServer, and a wiped one ---

strangers() {
    dfs mkdir /mine
    victim=nm3
    [ "$(leader)" != nm3 ] || victim=nm2
    stop $victim
    mv "$T/$victim" "$T/$victim.mine"
    say "a NameServer of another cluster at the address of $victim"
    start_name "${victim#nm}" --init
    wait_for 20 "the others to say so" foreign_named
    wait_for 10 "the others to miss it" voters_are 2
    dfs mkdir /still || fail "two of three do not serve"
    stop $victim
    rm -rf "$T/$victim"
    mkdir "$T/$victim"
    say "an empty folder in the place of $victim"
    status=0
    timeout 20 "$DFS_BIN/dfs-nm" --data "$T/$victim" --listen 127.0.0.1:0 >"$T/wiped.log" 2>&1 || status=$?
    [ $status != 0 ] && [ $status != 124 ] || fail "a wiped folder started (status $status)"
    grep -q -e '--join' "$T/wiped.log" || fail "no word of what to do with a wiped folder"
    status=0
    timeout 20 "$DFS_BIN/dfs-nm" --data "$T/$victim" --listen "$(address_of $victim)" --join "$DFS_NM" >"$T/wiped.log" 2>&1 || status=$?
    [ $status != 0 ] && [ $status != 124 ] || fail "a wiped voter joined at its old address (status $status)"
    grep -q 'remove it first' "$T/wiped.log" || fail "no word of removing it first: $(cat "$T/wiped.log")"
    rm -rf "$T/$victim"
    mv "$T/$victim.mine" "$T/$victim"
    start_name "${victim#nm}"
    wait_for 30 "three voters" voters_are 3
}

foreign_named() { cat "$T"/nm?.log | grep -q -i 'another cluster'; }

full_disk
failing_flush
hanging_flush
clocks
strangers
pass
