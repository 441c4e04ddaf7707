#!/bin/sh
# SPDX-License-Identifier: MIT
# What is removed waits in the trash, comes back as it was, and gives its space back when its time is over.
. "$(dirname "$0")/lib.sh"

# in_trash: how many entries.
in_trash() { dfs -j trash list | grep -c '"id"' || true; }
# number_of PATH: of its entry in the trash.
number_of() { dfs -j trash list | grep "\"path\":\"$1\"" | sed 's/.*"id":\([0-9]*\).*/\1/'; }
# df_field NAME
df_field() { dfs -j df | tr ',{}' '\n\n\n' | sed -n "s/^\"$1\":\([0-9]*\).*/\1/p"; }
is_field() { [ "$(df_field "$1")" = "$2" ]; }

src=$T/src
mkdir -p "$src/a/b/c" "$src/x"
for i in $(seq 30); do random_file "$src/a/b/$i" $((i * 1000)); done
random_file "$src/x/one" 5000
ln -s ../b/1 "$src/a/b/c/link"

start_cluster 2
dfs put -r "$src" /tree
files=$(status_field files)
dfs rm -r /tree/a
dfs rm /tree/x/one
if dfs stat /tree/a 2>>"$T/cli.log"; then fail "/tree/a is still there"; fi
[ "$(status_field files)" = 0 ] || fail "files of the trash are counted as being there"
[ "$(in_trash)" = 2 ] || fail "the trash holds: $(dfs trash list)"
[ "$(df_field trash_files)" = "$files" ] || fail "df does not show the trash: $(dfs -j df)"
dfs df | grep -q "in the trash" || fail "df does not mention the trash"

# Neither a crash nor a restart from a snapshot and a log makes a difference.
kill_all
start_nm
start_ss 1
start_ss 2
wait_up 2
[ "$(in_trash)" = 2 ] || fail "after a crash the trash holds: $(dfs trash list)"

[ "$(dfs trash restore "$(number_of /tree/a)")" = /tree/a ] || fail "restore does not say where it went"
dfs put "$src/x/one" /tree/x/one
one=$(number_of /tree/x/one)
if dfs trash restore "$one" 2>"$T/refusal"; then fail "restore went over a file"; fi
grep -q -- '--to' "$T/refusal" || fail "the refusal gives no advice: $(cat "$T/refusal")"
dfs trash restore "$one" --to /tree/x/two
dfs cat /tree/x/two | cmp - "$src/x/one" || fail "the file came back with other content"
dfs rm --now /tree/x/two
[ "$(in_trash)" = 0 ] || fail "--now went into the trash"
dfs get -r /tree "$T/out"
same_tree "$src" "$T/out" "after restoring"

# Gone for good.
dfs rm -r /tree/a
dfs rm /tree/x/one
dfs trash empty "$(number_of /tree/x/one)"
[ "$(in_trash)" = 1 ] || fail "empty ID left: $(dfs trash list)"
dfs trash empty
[ "$(in_trash)" = 0 ] || fail "empty left: $(dfs trash list)"
wait_for 10 "the tree to be reclaimed" is_field reclaiming 0
[ "$(df_field chunks)" = 0 ] || fail "$(df_field chunks) chunks are left"

# By time.
dfs put "$src/x/one" /short
dfs trash keep 1s
[ "$(dfs trash keep)" = 1s ] || fail "keep is $(dfs trash keep)"
dfs rm /short
wait_for 10 "the trash to forget" is_field trash_files 0
wait_for 10 "the file to be reclaimed" is_field chunks 0
dfs trash keep 0
dfs put "$src/x/one" /short
dfs rm /short
[ "$(in_trash)" = 0 ] || fail "there is no trash, and yet something in it"
if dfs trash nonsense 2>>"$T/cli.log"; then fail "trash took nonsense"; fi
pass "$files files removed and restored"
