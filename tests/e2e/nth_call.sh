#!/bin/sh
# SPDX-License-Identifier: MIT
# The n-th call of a kind fails in a real server, for every n: once, or that one and all that follow. A NameServer and a
# StorageServer of two disks go through a small workload (nth_client.c), from empty folders and from folders that hold
# something; the calls of one of them are counted first, and then fail in turn. Whatever happens: nothing is acknowledged
# that is not there afterwards, no byte is wrong, nothing hangs, and a server that ends says why. After a call that failed
# once, a server that lives must serve. Where memory is out a server may end by abort() (docs/ARCHITECTURE.md).
#
# Which calls, and how many: nth_lib.sh.
#   NTH_ONLY="SERVER SCENARIO CALL [N MODE]"   these only; a failure says which they were
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nth_lib.sh"

client=$DFS_BIN/../tests/dfs-nth-client
[ -x "$client" ] || fail "$client is not built"
set -- ${NTH_ONLY:-}
only_server=${1:-} only_scenario=${2:-} only_call=${3:-} only_n=${4:-} only_mode=${5:-}
served=0

# --- a NameServer and a StorageServer, one of which may be faulty ---

launch() { # launch SERVER: without waiting
    case $1 in
    nm) set -- nm dfs-nm --snapshot-log-size 4k ;;
    ss) set -- ss dfs-ss --data "$T/ss-2" --nm "$DFS_NM" --segment-size 256k ;;
    esac
    server=$1 program=$2
    shift 2
    [ $server = ss ] || [ -e "$T/nm/identity" ] || set -- --init "$@"
    rm -f "$T/$server.port"
    [ "$server" != "$faulty" ] || WITH="$FAULT"
    ${WITH:+env $WITH} "$DFS_BIN/$program" --data "$T/$server" --listen "127.0.0.1:$(cat "$T/$server.is")" \
        --port-file "$T/$server.port" "$@" >>"$T/$server.log" 2>&1 &
    echo $! >"$T/$server.pid"
    WITH=""
}
lives() { kill -0 "$(pid_of "$1")" 2>/dev/null; }
settles() { # settles SERVER: until it listens or has ended; at most 20 s
    tries=1000
    until [ -s "$T/$1.port" ]; do
        lives "$1" || return 1
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "$title: $1 neither serves nor ends"
        sleep 0.02
    done
}
registered() { ! lives ss || ! lives nm || is_up 1; }
quick() { timeout 2 "$DFS_BIN/dfs" "$@"; }
servers_up() { quick -j status 2>>"$T/cli.log" | tr ',{' '\n\n' | grep -c '"state": *"up"' || true; }

# How a server that was to fail ended: a reason is said, and it is no accident.
examine_end() { # examine_end SERVER STATUS
    case $2 in
    0 | 1 | 2) [ -s "$T/$1.log" ] || fail "$title: $1 ended with $2 and said nothing" ;;
    134) # memory is out: by us, libuv or libraft
        case $title in
        *\ malloc\ *) ! grep -q -i assert "$T/$1.log" || fail "$title: $1 failed an assertion" ;;
        *) fail "$title: $1 aborted" ;;
        esac
        ;;
    *) fail "$title: $1 ended with status $2" ;;
    esac
    ended=$((ended + 1))
}
end_all() { # as a crash does; one that has ended is examined
    for server in ss nm; do
        pid=$(pid_of $server)
        if [ -n "$pid" ] && ! lives $server; then
            reap $server
            while [ "$status" = 255 ]; do # dash: not known yet
                status=0
                wait "$pid" || status=$?
            done
            examine_end $server "$status"
        fi
        signal KILL $server
        reap $server
    done
}

free_ports() {
    for server in nm ss; do
        "$DFS_BIN/dfs-nm" --data "$T/port" --init --port-file "$T/port.is" --listen 127.0.0.1:0 >/dev/null 2>&1 &
        job=$!
        until [ -s "$T/port.is" ]; do sleep 0.02; done
        kill -9 $job
        wait $job 2>/dev/null || true
        sed 's/.*://' "$T/port.is" >"$T/$server.is"
        rm -rf "$T/port" "$T/port.is"
    done
    DFS_NM=127.0.0.1:$(cat "$T/nm.is")
    export DFS_NM
}

begin_scenario() { # begin_scenario fresh|again: from empty folders, or from folders that hold something
    rm -rf "$T/nm" "$T/ss" "$T/ss-2" "$T/model"
    if [ "$1" = fresh ]; then
        mkdir "$T/nm" "$T/ss" "$T/ss-2"
    else
        cp -a "$T/template/." "$T"
    fi
    : >"$T/nm.log"
    : >"$T/ss.log"
}
run_both() { # both, and the workload; status 1: a server did not come up
    launch nm
    settles nm || return 1
    launch ss
    settles ss || return 1
    tries=100
    until registered; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1 # it may be refused
        sleep 0.05
    done
    timeout 120 "$client" work "$T/model" >"$T/client.log" 2>&1 || fail "$title: $(tail -n 1 "$T/client.log")"
}

# try SERVER SCENARIO CALL N MODE
try() {
    title="$*"
    runs=$((runs + 1))
    begin_scenario "$2"
    faulty=$1
    FAULT="LD_PRELOAD=$shim DFS_FAULT=$(rule "$3" "$T/$1" $(options_of "$4" "$5"))"
    if run_both && [ "$5" = once ] && lives nm && lives ss; then
        if timeout 60 "$client" probe "$T/model" >"$T/client.log" 2>&1; then
            served=$((served + 1))
        elif lives nm && lives ss; then
            fail "$title: afterwards, $(tail -n 1 "$T/client.log")"
        fi
    fi
    end_all
    faulty=none
    launch nm
    settles nm || fail "$title: the NameServer does not start any more"
    launch ss
    settles ss || fail "$title: the StorageServer does not start any more"
    wait_for 20 "$title: the StorageServer to be up" is_up 1
    timeout 120 "$client" verify "$T/model" >"$T/client.log" 2>&1 || fail "$title: $(tail -n 1 "$T/client.log")"
    timeout 60 "$client" probe "$T/model" >"$T/client.log" 2>&1 || fail "$title: at last, $(tail -n 1 "$T/client.log")"
    end_all
}

count() { # count SERVER SCENARIO: how often each call is made, to $T/seen, in the order of $calls
    title="counting $*"
    begin_scenario "$2"
    faulty=$1
    FAULT="LD_PRELOAD=$shim DFS_FAULT=$(counting "$T/$1") DFS_FAULT_SEEN=$T/seen"
    run_both || fail "$title: the servers do not come up"
    grep -q ' 0 failed' "$T/client.log" || fail "$title: without faults, $(head -n 1 "$T/client.log")"
    stop ss
    stop nm
}

# --- all of them ---

free_ports
faulty=none title="without faults"
begin_scenario fresh
run_both || fail "the servers do not come up"
grep -q ' 0 failed' "$T/client.log" || fail "without faults: $(head -n 1 "$T/client.log")"
stop ss
stop nm
mkdir "$T/template"
cp -a "$T/nm" "$T/ss" "$T/ss-2" "$T/model" "$T/template"

for victim in ${only_server:-nm ss}; do
    for scenario in ${only_scenario:-fresh again}; do
        count $victim $scenario
        cp "$T/seen" "$T/calls"
        each_call "$T/calls" "$victim $scenario " try "$victim" "$scenario"
    done
done
[ -n "$only_server" ] || [ $runs -ge 20 ] || fail "only $runs runs: are calls counted?"
pass "$runs runs, seed $seed, in $served all served on, in $ended a server ended; nothing acknowledged was lost, no byte wrong, nothing hung"
