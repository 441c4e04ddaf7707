#!/bin/sh
# SPDX-License-Identifier: MIT
# G1: the power of real machines is cut. Each machine is a file system of its own (ext4, then XFS, on a loop image) with
# what a server keeps there: one has the NameServer and a StorageServer, two have a StorageServer each. A cut shuts the file system
# down in an instant, so that whatever was not flushed is gone; the image is mounted again and its servers restarted. Cut
# are one machine or all at once; its processes are stopped at the same instant, as power does it, or run on into a disk
# that is gone, as a pulled cable does it. Meanwhile three clients that know what must be (oracle.c), one that stores large
# files, and one that appends to a log. After each cut everything acknowledged is there, once and right.
#
#   POWERCUT_CYCLES=N       cuts on each file system (3; 200 with $DFS_TEST_LONG)
#   POWERCUT_SEED=N         replays a plan
#   POWERCUT_FS="ext4 xfs"  on these only
#   POWERCUT_LIE=1          flushes do nothing: the test must fail. It is run so at the end of the default run.
. "$(dirname "$0")/lib.sh"

cycles=${POWERCUT_CYCLES:-3}
[ -z "${DFS_TEST_LONG:-}" ] || cycles=${POWERCUT_CYCLES:-200}
seed=${POWERCUT_SEED:-$(date +%s)}
oracles=3
oracle=$DFS_BIN/../tests/dfs-oracle
[ -x "$oracle" ] || fail "$oracle is not built"

skip() {
    say "SKIPPED: $1"
    exit 77
}
[ "$(id -u)" = 0 ] || skip "cutting the power of a file system needs root"
for program in xfs_io mkfs.ext4 mkfs.xfs; do
    command -v $program >/dev/null || skip "$program is not installed (xfsprogs, e2fsprogs)"
done

# --- machines ---

mount_machine() { mount -o loop "$T/m$1.img" "$T/m$1" 2>"$T/mount.err"; }
make_machine() { # make_machine FILESYSTEM N SERVER...
    machine=m$2
    rm -f "$T/$machine.img"
    truncate -s 3000M "$T/$machine.img"
    case $1 in
    ext4) mkfs.ext4 -q -F "$T/$machine.img" ;;
    xfs) mkfs.xfs -q -f "$T/$machine.img" ;;
    esac
    mkdir -p "$T/$machine"
    mount_machine "$2" || skip "no loop image can be mounted here: $(cat "$T/mount.err")"
    shift 2
    echo "$*" >"$T/$machine.servers"
    for server in "$@"; do
        mkdir "$T/$machine/$server"
        ln -sfn "$T/$machine/$server" "$T/$server"
    done
    sync -f "$T/$machine"
}
unmount_all() {
    for n in 1 2 3; do
        ! mountpoint -q "$T/m$n" || umount "$T/m$n" || umount -l "$T/m$n"
    done
}
trap 'end_jobs; for f in "$T"/*.pid; do [ ! -e "$f" ] || { s=$(basename "$f" .pid); signal KILL "$s"; reap "$s"; }; done; unmount_all; cleanup' EXIT

start_server() {
    if [ -n "${POWERCUT_LIE:-}" ]; then
        faulty "DFS_FAULT=fsync,times=0,lie;fdatasync,times=0,lie" -- start_honest "$1"
    else
        start_honest "$1"
    fi
}
start_honest() {
    case $1 in
    nm) start_nm --reader-grace 3s ;; # what is replaced would fill the images: the grace begins anew with each start
    ss*) start_ss "${1#ss}" ;;
    esac
}

# A signal is obeyed when a thread runs again; one that is in a flush may take a while.
stand_still() { # stand_still PID...
    for pid in "$@"; do
        for thread in /proc/"$pid"/task/*/stat; do
            [ "$(sed 's/.*) \(.\).*/\1/' "$thread")" = T ] || return 1
        done
    done
}
servers_of() { for n in "$@"; do cat "$T/m$n.servers"; done; }
# cut_power HOW N...: the power of these machines, at once; then it is back.
cut_power() {
    how=$1
    shift
    pids=""
    for server in $(servers_of "$@"); do pids="$pids $(pid_of "$server")"; done
    if [ "$how" = instant ]; then
        kill -STOP $pids
        wait_for 60 "the processes to stand still" stand_still $pids
    fi
    for n in "$@"; do xfs_io -x -c shutdown "$T/m$n" || fail "the power of machine $n could not be cut"; done
    [ "$how" = instant ] || sleep 0.2
    kill -9 $pids 2>/dev/null || true # who saw the disk go may have ended
    for server in $(servers_of "$@"); do reap "$server"; done
    for n in "$@"; do umount "$T/m$n"; done
    for n in "$@"; do mount_machine "$n" || fail "machine $n does not come back: $(cat "$T/mount.err")"; done
    for server in $(servers_of "$@"); do start_server "$server"; done
}

# --- clients ---

# Stores files of up to 3 MB, four names in turn, each under a number; what was told is written down.
store() {
    i=0
    while [ ! -e "$T/control/stop" ]; do
        i=$((i + 1))
        slot=$((i % 4))
        size=$(od -An -N3 -tu4 /dev/urandom)
        { echo "$i"; head -c $((size % 3000000)) /dev/urandom; } >"$T/put/$i.src"
        echo "$i $slot $(sum_of "$T/put/$i.src")" >>"$T/put/intents"
        if dfs put "$T/put/$i.src" "/big$slot" 2>>"$T/put.log"; then
            echo "$i $slot" >>"$T/put/acked"
        fi
        rm "$T/put/$i.src"
    done
}
# Appends lines of up to 6 kB to one file, by a command each.
append() {
    i=0
    while [ ! -e "$T/control/stop" ]; do
        i=$((i + 1))
        line=$(printf "line $i %$((i * 97 % 6000))s end" x)
        echo "$line" | dfs append /log 2>>"$T/append.log" || continue
        echo $i >>"$T/appended"
    done
}

# --- checks ---

read_with() { ${POWERCUT_LIE:+timeout 10} "$DFS_BIN/dfs" "$@"; }

# Each large file is the last one acknowledged, or a later one, whole.
check_large() {
    cp "$T/put/acked" "$T/put/acked.then" # before anything is read
    for slot in 0 1 2 3; do
        last=$(awk -v s=$slot '$2 == s { n = $1 } END { print n + 0 }' "$T/put/acked.then")
        [ "$last" != 0 ] || continue
        read_with get "/big$slot" "$T/big" || fail "$1: /big$slot, acknowledged, cannot be read"
        number=$(head -n 1 "$T/big" | tr -d '\0')
        [ "$number" -ge "$last" ] 2>/dev/null || fail "$1: /big$slot is number $number, $last was acknowledged"
        grep -q "^$number $slot $(sum_of "$T/big")\$" "$T/put/intents" || fail "$1: /big$slot has wrong bytes"
    done
}
# Each line acknowledged once, in order and whole; any other was at least begun.
check_log() {
    cp "$T/appended" "$T/appended.then"
    read_with cat /log >"$T/log.now" || fail "$1: the log cannot be read"
    awk '!/^line [0-9]+  *x end$/ || length($0) != length($2) + 10 + ($2 * 97 % 6000 > 1 ? $2 * 97 % 6000 : 1) { print "torn: " substr($0, 1, 60); exit }
         $2 <= last { print "line " $2 " after " last; exit }
         { last = $2 }' "$T/log.now" >"$T/log.wrong"
    [ ! -s "$T/log.wrong" ] || fail "$1: the log: $(cat "$T/log.wrong")"
    awk 'NR == FNR { have[$2]; next } !($1 in have) { print $1; exit }' "$T/log.now" "$T/appended.then" >"$T/log.lost"
    [ ! -s "$T/log.lost" ] || fail "$1: line $(cat "$T/log.lost") was acknowledged and is lost"
}
checked() { # checked ROUND: by every oracle
    for n in $(seq $oracles); do
        kill -0 "$(cat "$T/control/c$n.pid")" 2>/dev/null || fail "oracle $n: $(tail -n 1 "$T/oracle$n.log")"
        [ "$(cat "$T/control/c$n.checked" 2>/dev/null)" = "$1" ] || return 1
    done
}
lines_in() { [ "$(wc -l <"$2")" -gt "$1" ]; }
have_worked() { lines_in "$1" "$T/put/acked" && lines_in "$2" "$T/appended"; }

# --- the story ---

cycles_on() { # cycles_on FILESYSTEM
    fs=$1
    say "$fs, $cycles cuts, seed $seed"
    rm -rf "$T/control" "$T/put" "$T"/*.port
    mkdir "$T/control" "$T/put"
    : >"$T/put/acked"
    : >"$T/put/intents"
    : >"$T/appended"
    make_machine "$fs" 1 nm ss1
    make_machine "$fs" 2 ss2
    make_machine "$fs" 3 ss3
    start nm dfs-nm --init
    DFS_NM=$(address_of nm)
    export DFS_NM
    stop nm
    for server in nm ss1 ss2 ss3; do start_server $server; done
    wait_up 3
    for n in $(seq $oracles); do
        "$oracle" "c$n" $((seed * 10 + n)) "$T/control" >"$T/oracle$n.log" 2>&1 &
        echo $! >"$T/control/c$n.pid"
        JOBS="$JOBS $!"
    done
    store &
    storing=$!
    append &
    appending=$!
    JOBS="$JOBS $storing $appending"
    awk -v seed="$seed" -v cycles="$cycles" 'BEGIN {
        srand(seed)
        for (i = 0; i < cycles; i++) {
            how = rand() < 0.7 ? "instant" : "running"
            which = rand() < 0.6 ? "1 2 3" : int(rand() * 3) + 1
            print int(rand() * 1000), how, which
        }
    }' >"$T/plan"
    cycle=0
    while read -r ms how which; do
        cycle=$((cycle + 1))
        title="$fs, cut $cycle ($how, machines $which)"
        wait_for 60 "$title: files to be stored, lines appended" have_worked "$(wc -l <"$T/put/acked")" $(($(wc -l <"$T/appended") + 5))
        sleep "$(printf '0.%03d' "$ms")"
        cut_power "$how" $which
        wait_up 3
        echo $cycle >"$T/control/round"
        check_large "$title"
        check_log "$title"
        wait_for 120 "$title: the oracles to have checked" checked $cycle
        [ "$cycles" -gt 20 ] && [ $((cycle % 10)) != 0 ] || say "$title: all there"
    done <"$T/plan"
    touch "$T/control/stop"
    wait $storing || true
    wait $appending || true
    for n in $(seq $oracles); do
        status=0
        wait "$(cat "$T/control/c$n.pid")" || status=$?
        [ $status = 0 ] || fail "oracle $n: $(tail -n 1 "$T/oracle$n.log")"
        say "$(tail -n 1 "$T/oracle$n.log")"
    done
    JOBS=""
    check_large "$fs, in the end"
    check_log "$fs, in the end"
    say "$fs: $cycles cuts, $(wc -l <"$T/put/acked") large files and $(wc -l <"$T/appended") lines acknowledged, none lost"
    end_servers
    unmount_all
}

for fs in ${POWERCUT_FS:-ext4 xfs}; do
    cycles_on "$fs"
done

if [ -z "${POWERCUT_LIE:-}${DFS_TEST_LONG:-}${POWERCUT_CYCLES:-}" ]; then
    say "and with flushes that do nothing: it must be noticed"
    status=0
    POWERCUT_LIE=1 POWERCUT_FS=ext4 POWERCUT_CYCLES=5 sh "$0" >"$T/lie.log" 2>&1 || status=$?
    [ $status = 1 ] || fail "flushes that do nothing are not noticed: status $status"
    say "noticed: $(grep FAILED "$T/lie.log" | head -n 1)"
fi
pass "${POWERCUT_FS:-ext4 xfs}, $cycles cuts each, seed $seed"
