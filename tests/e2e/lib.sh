# SPDX-License-Identifier: MIT
# For the end-to-end tests: real processes on free loopback ports, in a folder of their own. To be sourced, not run.
#
#   . "$(dirname "$0")/lib.sh"      makes $T (removed at the end) and sets a trap that ends what was started
#   start_nm [FLAG...]              the NameServer; $DFS_NM points at it
#   start_ss N [FLAG...]            StorageServer N
#   start_names                     three NameServers nm1, nm2, nm3 instead; start_name N, leader, voters_are N
#   wait_up N                       until N StorageServers are up
#   stop_nm, stop_ss N              SIGTERM, and the exit status must be 0
#   kill_nm, kill_ss N, kill_all    SIGKILL
#   dfs VERB...                     the CLI
#   faulty SETTING... -- start_…    with calls that fail
#   fail MESSAGE                    ends the test, with the last lines of every log
#   pass                            ends the test; a sanitizer's report in any log fails it
#
# Servers keep their port over restarts. $DFS_BIN is the folder of the programs.

set -eu

name=$(basename "$0" .sh)
if [ "$name" = lib ]; then
    echo "lib.sh is for the tests beside it"
    exit 77
fi
DFS_BIN=${DFS_BIN:-$(dirname "$0")/../../build/asan/bin}
for program in dfs dfs-nm dfs-ss; do
    if [ ! -x "$DFS_BIN/$program" ]; then
        echo "$name: $DFS_BIN/$program does not exist: build it, or set DFS_BIN" >&2
        exit 1
    fi
done
T=$(mktemp -d "${TMPDIR:-/tmp}/dfs-$name.XXXXXX")
JOBS="" # pids of background loads, for cleanup
WITH="" # settings of the environment for the next server
export LC_ALL=C
export DFS_CONFIG= # the settings of whoever runs this do not count

say() { echo "$name: $*"; }

dfs() { "$DFS_BIN/dfs" "$@"; }

show_logs() {
    for log in "$T"/*.log; do
        [ -s "$log" ] || continue
        echo "--- the end of $(basename "$log")"
        tail -n 15 "$log"
    done >&2
}

fail() {
    echo "$name: FAILED: $*" >&2
    show_logs
    exit 1
}

sanitizer_reports() {
    grep -l -E 'ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:' "$T"/*.log 2>/dev/null || true
}

pass() {
    end_servers
    reports=$(sanitizer_reports)
    if [ -n "$reports" ]; then
        grep -h -A 12 -E 'ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:' $reports | head -40 >&2
        fail "a sanitizer complained"
    fi
    say "passed${1:+: $1}"
    exit 0
}

pid_of() { cat "$T/$1.pid" 2>/dev/null || true; }

# signal SIGNAL SERVER
signal() {
    pid=$(pid_of "$2")
    [ -z "$pid" ] || kill "-$1" "$pid" 2>/dev/null || true
}

# Waits for a server that was signalled; its exit status is in $status.
reap() {
    pid=$(pid_of "$1")
    rm -f "$T/$1.pid"
    status=0
    [ -z "$pid" ] || wait "$pid" 2>/dev/null || status=$?
}

end_jobs() {
    for job in $JOBS; do
        kill -9 "$job" 2>/dev/null || true
        wait "$job" 2>/dev/null || true
    done
    JOBS=""
}

# Ends servers gently, so that leaks are looked for; one that does not go within 10 s is killed.
end_servers() {
    end_jobs
    for file in "$T"/*.pid; do
        [ -e "$file" ] || continue
        signal TERM "$(basename "$file" .pid)"
    done
    for file in "$T"/*.pid; do
        [ -e "$file" ] || continue
        server=$(basename "$file" .pid)
        tries=100
        while [ $tries -gt 0 ] && kill -0 "$(pid_of "$server")" 2>/dev/null; do
            tries=$((tries - 1))
            sleep 0.1
        done
        signal KILL "$server"
        reap "$server"
    done
}

cleanup() {
    end_jobs
    for file in "$T"/*.pid; do
        [ -e "$file" ] || continue
        server=$(basename "$file" .pid)
        signal KILL "$server"
        reap "$server"
    done
    if [ -n "${DFS_E2E_KEEP:-}" ]; then
        say "kept $T"
    else
        rm -rf "$T"
    fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    tries=$(($1 * 10))
    what=$2
    shift 2
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "waited in vain: $what"
        sleep 0.1
    done
}

# start SERVER PROGRAM FLAG...: starts one server on the port it had before, or on a free one, and waits for the port.
start() {
    server=$1 program=$2
    shift 2
    port=$(cat "$T/$server.port" 2>/dev/null || echo 0)
    rm -f "$T/$server.port"
    ${WITH:+env $WITH} "$DFS_BIN/$program" --data "$T/$server" --listen "127.0.0.1:${port##*:}" --port-file "$T/$server.port" "$@" \
        >>"$T/$server.log" 2>&1 &
    echo $! >"$T/$server.pid"
    wait_for 30 "$server to listen" server_listens_or_died "$server"
    [ -s "$T/$server.port" ] || fail "$server did not start"
}

server_listens_or_died() { [ -s "$T/$1.port" ] || ! kill -0 "$(pid_of "$1")" 2>/dev/null; }

start_nm() {
    init=--init
    [ ! -e "$T/nm" ] || init=
    mkdir -p "$T/nm"
    start nm dfs-nm $init "$@"
    port=$(cat "$T/nm.port")
    DFS_NM=127.0.0.1:${port##*:}
    export DFS_NM
}

start_ss() {
    ss=ss$1
    shift
    mkdir -p "$T/$ss"
    start "$ss" dfs-ss --nm "$DFS_NM" "$@"
}

stop() {
    signal TERM "$1"
    reap "$1"
    [ "$status" = 0 ] || fail "$1 ended with status $status on SIGTERM"
}
stop_nm() { stop nm; }
stop_ss() { stop "ss$1"; }

kill_nm() { signal KILL nm; reap nm; }
kill_ss() { signal KILL "ss$1"; reap "ss$1"; }
# All at once: every signal is sent before any process is waited for.
kill_all() {
    pids=$(cat "$T"/*.pid)
    kill -9 $pids
    for file in "$T"/*.pid; do
        reap "$(basename "$file" .pid)"
    done
}

# How many servers the NameServer calls up.
servers_up() { dfs -j status 2>>"$T/cli.log" | tr ',{' '\n\n' | grep -c '"state": *"up"' || true; }
is_up() { [ "$(servers_up)" = "$1" ]; }
wait_up() { wait_for 30 "$1 StorageServers up" is_up "$1"; }

# status_field NAME: a top-level number of `dfs -j status`.
status_field() { dfs -j status | tr ',{}' '\n\n\n' | sed -n "s/^ *\"$1\": *\([0-9]*\).*/\1/p" | tail -n 1; }

# faulty SETTING... -- COMMAND...: the server the command starts has calls that fail, or a clock that is wrong. SETTING is
# DFS_FAULT=… or DFS_CLOCK=…, without spaces: tests/support/preload/fault.c.
faulty() {
    shim=$DFS_BIN/../tests/libdfs_fault.so
    [ -e "$shim" ] || fail "$shim is not built"
    asan=$(ldd "$DFS_BIN/dfs-nm" | sed -n 's/.*=> \(.*libasan[^ ]*\).*/\1/p') # must come first
    WITH="LD_PRELOAD=${asan:+$asan:}$shim"
    while [ "$1" != -- ]; do
        WITH="$WITH $1"
        shift
    done
    shift
    "$@"
    WITH=""
}

# --- several NameServers: nm1, nm2, nm3 ---

start_name() { # start_name N [FLAG...]
    nm=nm$1
    shift
    mkdir -p "$T/$nm"
    start "$nm" dfs-nm "$@"
}

address_of() { port=$(cat "$T/$1.port") && echo "127.0.0.1:${port##*:}"; }

# The NameServer that leads: nm1, nm2 or nm3.
leader() {
    id=$(status_field leader 2>>"$T/cli.log") || return 1
    at=$(dfs -j nm list 2>>"$T/cli.log" | tr '}' '\n' | sed -n "s/.*\"id\":$id,\"address\":\"\([^\"]*\)\".*/\1/p")
    for n in 1 2 3; do
        [ ! -s "$T/nm$n.port" ] || [ "$(address_of nm$n)" != "$at" ] || echo "nm$n"
    done
}

voters_are() { [ "$(dfs -j nm list 2>>"$T/cli.log" | grep -o '"leader"\|"follower"' | wc -l)" = "$1" ]; }

start_names() { # three of them, all voters; $DFS_NM names them
    start_name 1 --init
    start_name 2 --join "$(address_of nm1)"
    start_name 3 --join "$(address_of nm1)"
    DFS_NM=$(address_of nm1),$(address_of nm2),$(address_of nm3)
    export DFS_NM
    wait_for 30 "three voters" voters_are 3
}

start_cluster() { # start_cluster N: a NameServer and N StorageServers, up
    start_nm
    i=1
    while [ $i -le "$1" ]; do
        start_ss $i
        i=$((i + 1))
    done
    wait_up "$1"
}

sum_of() { sha256sum <"$1" | cut -d' ' -f1; }

# random_file PATH SIZE
random_file() { head -c "$2" /dev/urandom >"$1"; }

# Everything below a folder, one line each: type, mode, path, and size and checksum, or target.
describe_tree() {
    (cd "$1" && find . ! -type d ! -type l -printf '%p\0' | sort -z | xargs -0 -r sha256sum --zero | tr '\0' '\n'
     find . -printf '%y %m %p %l\n' | sort)
}

# same_tree A B WHAT
same_tree() {
    describe_tree "$1" >"$T/tree.a"
    describe_tree "$2" >"$T/tree.b"
    if ! diff "$T/tree.a" "$T/tree.b" >"$T/tree.diff"; then
        head -10 "$T/tree.diff" >&2
        fail "$3: the trees differ"
    fi
}
