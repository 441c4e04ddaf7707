#!/bin/sh
# SPDX-License-Identifier: MIT
# The space of removed and replaced files comes back after the reader grace, here one second.
. "$(dirname "$0")/lib.sh"

stored_mib() { du -sm "$T"/ss1 "$T"/ss2 | awk '{ n += $1 } END { print n }'; }
chunks_are() { [ "$(dfs -j status | tr ',{}' '\n\n\n' | sed -n 's/^ *"chunks": *//p' | sort -n | tail -n 1)" = "$1" ]; }
stored_below() { [ "$(stored_mib)" -lt "$1" ]; }

start_nm --reader-grace 1s
start_ss 1
start_ss 2
wait_up 2

head -c 300000000 /dev/urandom >"$T/large"
empty=$(stored_mib)
dfs put "$T/large" /large
for i in 1 2 3; do
    random_file "$T/small" 20000
    dfs put "$T/small" /small
done
full=$(stored_mib)
[ "$full" -ge 570 ] || fail "two copies of 300 MB take only $full MiB"

echo other >"$T/other"
dfs put "$T/other" /large # replaced
dfs rm --now /small
wait_for 60 "removed chunks to leave the map" chunks_are 1
wait_for 60 "space to be returned ($full MiB were used, $empty before)" stored_below $((full / 2))
[ "$(dfs cat /large)" = other ] || fail "the file that stayed is damaged"
pass "$full MiB used, $(stored_mib) MiB after removal"
