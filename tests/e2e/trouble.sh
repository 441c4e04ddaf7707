#!/bin/sh
# SPDX-License-Identifier: MIT
# What a user sees when the cluster cannot: full, or its servers gone. Said once and not for every file, in seconds, with the
# next step; and what was interrupted goes on. The full StorageServers stand on a tmpfs, which needs root.
. "$(dirname "$0")/lib.sh"

# gives_up SECONDS WORDS VERB...: within so many seconds, status 1, at most three lines on stderr, one with these words
gives_up() {
    most=$1 words=$2 status=0
    shift 2
    timeout "$most" "$DFS_BIN/dfs" "$@" >"$T/out" 2>"$T/err" || status=$?
    [ $status = 1 ] || fail "dfs $*: status $status: $(tail -n 3 "$T/err")"
    grep -q -- "$words" "$T/err" || fail "dfs $*: says \"$(cat "$T/err")\", not \"$words\""
    [ "$(wc -l <"$T/err")" -le 3 ] || fail "dfs $*: $(wc -l <"$T/err") lines: $(head -n 5 "$T/err")"
}

mkdir -p "$T/tree/a/b"
i=0
while [ $i -lt 600 ]; do
    random_file "$T/tree/a/$i" 200
    i=$((i + 1))
done

full_servers() {
    for i in 1 2; do
        mkdir "$T/ss$i"
        mount -t tmpfs -o size=200m dfs-test "$T/ss$i" 2>/dev/null || return 1
        trap '(cleanup) || true; umount "$T"/ss1 "$T"/ss2 2>/dev/null; rm -rf "$T"; true' EXIT
    done
}

start_nm
if full_servers; then tight=yes; else tight=no; fi
start_ss 1
start_ss 2
wait_up 2

say "a NameServer that is back while some have given up: who says it is stored has stored it"
echo before >"$T/stored"
for i in 1 2 3 4 5 6 7; do dfs put "$T/stored" "/stored$i"; done
echo here >"$T/stored"
kill_nm
for i in 1 2 3 4 5 6 7; do # the first are told that it cannot be reached, the last ones wait
    (dfs put "$T/stored" "/stored$i" 2>>"$T/cli.log" && touch "$T/said$i") &
    JOBS="$JOBS $!"
    sleep 1
done
start_nm
for job in $JOBS; do wait "$job" || true; done
JOBS=""
for i in 1 2 3 4 5 6 7; do
    [ ! -e "$T/said$i" ] || [ "$(dfs cat "/stored$i")" = here ] || fail "put $i ended with 0 and stored nothing"
done
wait_up 2

say "the wrong address"
port=$(cat "$T/ss1.port")
gives_up 20 "this is a StorageServer" --nm "127.0.0.1:${port##*:}" ls /
gives_up 20 "cannot be reached; set DFS_NM or --nm to its address, or start it" --nm 127.0.0.1:1 put -r "$T/tree" /x

say "all StorageServers go in the middle of put -r"
"$DFS_BIN/dfs" put -r "$T/tree" /tree 2>"$T/err" &
put=$!
wait_for 10 "the first files" sh -c "[ -n \"\$('$DFS_BIN/dfs' find /tree -type f 2>/dev/null)\" ]"
kill_ss 1
kill_ss 2
status=0
wait $put || status=$?
if [ $status != 0 ]; then # it may have been done
    [ "$(wc -l <"$T/err")" -le 3 ] || fail "$(wc -l <"$T/err") lines: $(head -n 5 "$T/err")"
    grep -q "with -c added it goes on" "$T/err" || fail "put -r does not say how to go on: $(cat "$T/err")"
fi
start_ss 1
start_ss 2
wait_up 2
dfs put -rc "$T/tree/." /tree
dfs get -r /tree "$T/back"
same_tree "$T/tree" "$T/back" "after going on"

say "what is waited for is said once, also where there is no terminal"
kill_ss 1
kill_ss 2
"$DFS_BIN/dfs" get /tree/a/0 "$T/late" 2>"$T/err" &
get=$!
JOBS=$get
wait_for 25 "dfs get to say so" grep -qx "dfs: get: waiting for 127.0.0.1:[0-9]* (cannot be reached), [0-9]* s" "$T/err"
start_ss 1
start_ss 2
wait $get || fail "dfs get does not go on"
JOBS=""
cmp "$T/late" "$T/tree/a/0"
[ "$(wc -l <"$T/err")" = 1 ] || fail "$(cat "$T/err")"
wait_up 2

[ $tight = yes ] || { say "SKIPPED: full servers (no tmpfs can be mounted here: needs root)"; pass; }
say "full"
head -c 80000000 /dev/urandom >"$T/large"
dfs put "$T/large" /one
gives_up 20 "no space left on StorageServer [12].*dfs df" put "$T/large" /two
mkdir "$T/larges"
for i in 1 2 3 4 5; do ln "$T/large" "$T/larges/$i"; done
gives_up 20 "with -c added, and \"$T/larges/.\" in place of" put -r "$T/larges" /larges
gives_up 20 "with -c added it goes on from there" put -rc "$T/larges/." /larges
gives_up 20 "no space" append "$T/large" /lines
gives_up 5 "no such file" stat /lines
dfs touch /lines
gives_up 20 "no space" append "$T/large" /lines
dfs stat /lines >"$T/out" || fail "append removed a file that was there before"
[ -z "$(dfs find /larges -type f)" ] || fail "something that did not fit is there"
[ "$(dfs ls /larges)" = "" ] || fail "going on began another tree"
pass
