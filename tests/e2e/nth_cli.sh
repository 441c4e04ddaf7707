#!/bin/sh
# SPDX-License-Identifier: MIT
# The n-th call of a kind fails in the command line, for every n: once, or that one and all that follow; the servers are well.
# Each verb is run once to count its calls, and then with each of them failing (which ones, and how many: nth_lib.sh). Whatever
# happens: where it says that it is done, it is; where not, it says why, and what is there is what was before, or all of what was
# to be; no byte is wrong, and nothing hangs. Where memory is out it may end by abort().
#
#   NTH_ONLY="VERB CALL [N MODE]"   these only; a failure says which they were
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nth_lib.sh"

verbs="put get cat put-tree get-tree append mv"
set -- ${NTH_ONLY:-}
only_call=${2:-} only_n=${3:-} only_mode=${4:-}
verbs=${1:-$verbs}
L=$T/l # all that is local

# --- a verb, before and after ---

start_cluster 2
mkdir -p "$L/tree/sub"
random_file "$T/old" 150000
random_file "$T/new" 300000
cp "$T/new" "$L/source"
for i in 1 2; do random_file "$L/tree/f$i" $((i * 9000)); done
random_file "$L/tree/sub/f3" 1
ln -s f1 "$L/tree/link"
{ head -c 9000 /dev/zero | tr "\0" x; echo; } >"$L/line" # lines are appended as they come
dfs mkdir /d
dfs put "$T/new" /d/whole
dfs put -r "$L/tree" /d/stored

prepare() {
    rm -rf "$L/out" "$L/back"
    case $1 in
    put) dfs put "$T/old" /d/file ;;
    get) mkdir "$L/out" && cp "$T/old" "$L/out/file" ;;
    put-tree) dfs rm -r --now -f /d/tree ;;
    append) dfs put "$T/old" /d/log && dfs append /d/log <"$T/old" ;;
    mv) dfs put "$T/old" /d/a && dfs put "$T/new" /d/b ;;
    esac
}
run_verb() { # run_verb VERB SETTING...: status 124: it hung
    verb=$1
    shift
    set -- timeout -k 1 100 env "$@" "$DFS_BIN/dfs"
    case $verb in
    put) "$@" put "$L/source" /d/file ;;
    get) "$@" get /d/whole "$L/out/file" ;;
    cat) "$@" cat /d/whole >"$L/cat" ;;
    put-tree) "$@" put -r "$L/tree" /d/tree ;;
    get-tree) "$@" get -r /d/stored "$L/back" ;;
    append) "$@" append "$L/line" /d/log ;;
    mv) "$@" mv /d/a /d/b ;;
    esac 2>"$T/verb.err"
}

stored_is() { # stored_is PATH FILE: to the byte
    dfs get "$1" - >"$T/stored" 2>>"$T/cli.log" || fail "$title: $1 cannot be read"
    cmp -s "$T/stored" "$2"
}
stored_exists() { dfs stat "$1" >"$T/stat" 2>&1; }
# Each file of a tree that is there is whole.
stored_parts() {
    for f in f1 f2 sub/f3; do
        ! stored_exists "/d/tree/$f" || stored_is "/d/tree/$f" "$L/tree/$f" || fail "$title: a part of $f is stored"
    done
}
local_parts() {
    for f in f1 f2 sub/f3; do
        [ ! -e "$L/back/$f" ] || cmp -s "$L/back/$f" "$L/tree/$f" || fail "$title: a part of $f was fetched"
    done
}
# The log is the old content twice, and what was appended once, or not at all.
log_is() { # log_is TIMES
    cat "$T/old" "$T/old" >"$T/log.is"
    [ "$1" = 0 ] || cat "$L/line" >>"$T/log.is"
    stored_is /d/log "$T/log.is"
}
examine() { # examine VERB DONE
    done=$2
    case $1 in
    put) stored_is /d/file "$T/new" || { [ -z "$done" ] && stored_is /d/file "$T/old"; } ;;
    get) cmp -s "$T/new" "$L/out/file" || { [ -z "$done" ] && cmp -s "$T/old" "$L/out/file"; } ;;
    cat) [ -z "$done" ] || cmp -s "$T/new" "$L/cat" ;;
    put-tree)
        stored_parts
        [ -z "$done" ] || { rm -rf "$L/back" && dfs get -r /d/tree "$L/back" && diff -r --no-dereference "$L/tree" "$L/back" >&2; }
        ;;
    get-tree)
        local_parts
        [ -z "$done" ] || diff -r --no-dereference "$L/tree" "$L/back" >&2
        ;;
    append) log_is 1 || { [ -z "$done" ] && log_is 0; } ;;
    mv)
        if stored_exists /d/a; then
            [ -z "$done" ] && stored_is /d/a "$T/old" && stored_is /d/b "$T/new"
        else
            stored_is /d/b "$T/old"
        fi
        ;;
    esac || fail "$title: it ended with $status, and what is there is wrong: $(cat "$T/verb.err")"
}

# try VERB CALL N MODE
try() {
    title="$*"
    runs=$((runs + 1))
    prepare "$1"
    status=0
    run_verb "$1" LD_PRELOAD="$shim" DFS_FAULT="$(rule "$2" "$L" $(options_of "$3" "$4"))" || status=$?
    case $status in
    0) examine "$1" done ;;
    134) [ "$2" = malloc ] || fail "$title: aborted: $(cat "$T/verb.err")" ;;
    124 | 137) fail "$title: it hangs" ;;
    12[0-9] | 1[3-9]? | 2??) fail "$title: it ended with $status: $(cat "$T/verb.err")" ;;
    esac
    [ $status != 0 ] || return 0
    ended=$((ended + 1))
    [ -s "$T/verb.err" ] || fail "$title: it ended with $status and said nothing"
    examine "$1" ""
}

sockets_once=yes
for verb in $verbs; do
    title="counting $verb"
    prepare "$verb"
    run_verb "$verb" LD_PRELOAD="$shim" DFS_FAULT="$(counting "$L")" DFS_FAULT_SEEN="$T/seen" || fail "$title: $(cat "$T/verb.err")"
    status=0
    examine "$verb" done
    each_call "$T/seen" "$verb " try "$verb"
done
[ -n "${NTH_ONLY:-}" ] || [ $runs -ge 20 ] || fail "only $runs runs: are calls counted?"
pass "$runs runs, seed $seed, in $ended the command failed; what it said was true, no byte wrong, nothing hung"
