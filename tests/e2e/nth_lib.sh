# SPDX-License-Identifier: MIT
# For the tests in which the n-th call of a kind fails, for every n. To be sourced behind lib.sh.
#
#   $shim                            what is preloaded for that
#   rule CALL PATH [OPTION...]       a rule of it, for files whose path holds PATH (the other kinds have no path)
#   chosen COUNT                     which calls of so many: $samples of them, at random
#   next_modes                       $modes: once and for good, or in turns, where only one of a kind is tried
#   $calls                           the kinds: calls on files, on connections, and for memory
#   counting PATH                    rules that only count them, a line each in $DFS_FAULT_SEEN
#   each_call SEEN TITLE TRY...      TRY CALL N MODE for the chosen ones of those counted in the file SEEN; says how many, behind TITLE
#
#   NTH_SAMPLES=N     that many of each kind of call, chosen at random, each both ways (1, one way; every one with $DFS_TEST_LONG)
#   NTH_SEED=N        chooses the same ones again

[ "$(basename "$0" .sh)" != nth_lib ] || { echo "nth_lib.sh is for the tests beside it"; exit 77; }

samples=${NTH_SAMPLES:-1} seed=${NTH_SEED:-$(date +%s)}
[ -z "${DFS_TEST_LONG:-}" ] || samples=${NTH_SAMPLES:-1000000}
modes="once for-good"
runs=0 ended=0 # those in which what was to fail did not go on, or said so

calls="open read write fsync fdatasync rename unlink fallocate socket-read socket-write malloc"
if ldd "$DFS_BIN/dfs-nm" | grep -q asan; then
    say "SKIPPED: calls for memory (the address sanitizer has its own)"
    calls=${calls% malloc}
fi
shim=$DFS_BIN/../tests/libdfs_fault.so
[ -e "$shim" ] || fail "$shim is not built"
asan=$(ldd "$DFS_BIN/dfs-nm" | sed -n 's/.*=> \(.*libasan[^ ]*\).*/\1/p') # must come first
shim=${asan:+$asan:}$shim

rule() {
    case $1 in
    socket-*) printf '%s,path=socket:' "${1#socket-}" ;;
    malloc) printf malloc ;;
    *) printf '%s,path=%s' "$1" "$2" ;;
    esac
    shift 2
    for option in "$@"; do printf ',%s' "$option"; done
}

counting() {
    rules=""
    for call in $calls; do rules="$rules${rules:+;}$(rule "$call" "$1" n=1000000000)"; done
    echo "$rules"
}

chosen() {
    awk -v n="$1" -v k="$samples" -v seed="$seed$runs" 'BEGIN {
        srand(seed)
        if (k >= n) for (i = 1; i <= n; i++) print i
        else for (i = 0; i < k; i++) print int(1 + (i + rand()) * n / k)
    }'
}

next_modes() {
    if [ "$samples" = 1 ]; then
        if [ "$modes" = once ]; then modes=for-good; else modes=once; fi
    fi
}

each_call() {
    seen=$1 kinds=$2 line=0
    shift 2
    for call in $calls; do
        line=$((line + 1))
        n_calls=$(sed -n ${line}p "$seen")
        [ "${only_call:-$call}" = "$call" ] && [ "$n_calls" != 0 ] || continue
        runs_before=$runs ended_before=$ended
        for n in ${only_n:-$(chosen "$n_calls")}; do
            next_modes
            # Without a connection for good, a client goes on trying for long.
            [ "$samples" != 1 ] || [ -z "${sockets_once:-}" ] || case $call in socket-*) modes=once ;; esac
            for mode in ${only_mode:-$modes}; do
                "$@" "$call" "$n" "$mode"
            done
        done
        say "$kinds$call: $n_calls calls, $((runs - runs_before)) runs, in $((ended - ended_before)) it failed"
    done
}

options_of() { # options_of N MODE
    case $2 in
    once) echo "n=$1" ;;
    *) echo "n=$1 times=0" ;;
    esac
}
