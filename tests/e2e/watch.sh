#!/bin/sh
# SPDX-License-Identifier: MIT
# Clients that hold on to what they looked up are told what others change: soon, only of what they looked up, and, after a
# failover, that anything may have changed.
. "$(dirname "$0")/lib.sh"

WATCHER=$DFS_BIN/../tests/dfs-watcher
[ -x "$WATCHER" ] || fail "$WATCHER is not built"

looked() { [ "$(grep -c looked "$T/watch.out")" -ge "$1" ] && [ "$(tail -n 1 "$T/watch.out")" = looked ]; }
told() { grep -qx "$1" "$T/watch.out"; }
ino() { dfs stat -c %i "$1"; }

# changed WHAT LINE COMMAND...: the command makes the line appear within a second.
changed() {
    what=$1 line=$2
    shift 2
    : >"$T/watch.out"
    "$@" || fail "$what: $*"
    wait_for 1 "$what" told "$line"
    wait_for 5 "another look" looked 1
}

start_names
start_ss 1
start_ss 2
wait_up 2
dfs mkdir /d /other
echo one | dfs put - /d/file
root=$(ino /) d=$(ino /d) file=$(ino /d/file)
"$WATCHER" /d /d/file /nothing >>"$T/watch.out" 2>"$T/watch.log" &
watcher=$!
JOBS="$JOBS $watcher"
wait_for 10 "the first look" looked 1

changed "a mode" "$file -" dfs chmod 0600 /d/file
changed "a mode, again" "$file -" dfs chmod 0644 /d/file
changed "a new content" "$file -" sh -c "echo two | $DFS_BIN/dfs put - /d/file"
changed "an entry of a directory" "$d -" dfs touch /d/new
changed "a name that was not there" "$root nothing" dfs touch /nothing
changed "a removal" "$file -" dfs rm /d/file
: >"$T/watch.out"
dfs chmod 0700 /other
dfs touch /other/x
sleep 1
[ ! -s "$T/watch.out" ] || fail "told of what it never looked up: $(cat "$T/watch.out")"
say "the leader is lost"
lost=$(leader)
signal KILL "$lost"
reap "$lost"
wait_for 20 "to be told of everything" told all
wait_for 5 "another look" looked 1
changed "a mode, under another leader" "$d -" dfs chmod 0711 /d
kill -0 $watcher || fail "the watcher ended"
pass
