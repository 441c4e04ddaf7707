#!/bin/sh
# SPDX-License-Identifier: MIT
# The last resort: the only NameServer's folder is gone and there is no backup. Contents come back from what the
# StorageServers hold; what lacks something is told apart; and none of it happens by accident.
. "$(dirname "$0")/lib.sh"

# refused WHAT PATTERN FLAG...: dfs-nm must exit by itself, not with 0, saying something that matches.
refused() {
    what=$1 pattern=$2
    shift 2
    status=0
    timeout 20 "$DFS_BIN/dfs-nm" --listen 127.0.0.1:0 "$@" >"$T/refused.log" 2>&1 || status=$?
    [ $status -ne 0 ] && [ $status -lt 100 ] || fail "$what: status $status"
    grep -q -i -E -e "$pattern" "$T/refused.log" || fail "$what: no word of '$pattern'"
    say "$what: refused"
}

# Checksums of all files below a folder of the cluster, sorted.
sums_below() {
    rm -rf "$T/back"
    mkdir "$T/back"
    dfs get -r "$1" "$T/back/tree"
    find "$T/back/tree" -type f -print0 | xargs -0 -r sha256sum | cut -d' ' -f1 | sort
}

field() { sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" "$T/$1"; }

flags="--reader-grace 1s --grant-lifetime 2s"
start_nm $flags
for i in 1 2 3; do start_ss $i; done
wait_up 3
mkdir "$T/src"
random_file "$T/src/large" 150000000 # three chunks
random_file "$T/src/exact" 134217728 # two full ones, and nothing behind them
random_file "$T/src/medium" 3000000
for i in 1 2 3 4 5 6 7 8; do random_file "$T/src/small$i" $((i * 997)); done
: >"$T/src/empty"
dfs put -r "$T/src" /src
random_file "$T/piped" 5000000
dfs put - /piped <"$T/piped"
random_file "$T/replaced" 100000
dfs put "$T/replaced" /src/small1
dfs put "$T/src/small1" /src/small1
sleep 4 # the replaced contents are collected
(cd "$T/src" && find . -type f -size +0 -print0 | xargs -0 sha256sum; sha256sum "$T/piped") | cut -d' ' -f1 | sort >"$T/expected"
epoch=$(status_field epoch)
kill_all
rm -rf "$T/nm"

cluster=$("$DFS_BIN/dfs-ss" --dump "$T/ss1" | sed -n 's/.*cluster=\([0-9a-f]*\).*/\1/p' | head -n 1)
refused "--rebuild without --init" '\-\-init' --data "$T/nm" --rebuild "$cluster"
refused "--rebuild of nonsense" 'not the id of a cluster' --data "$T/nm" --init --rebuild 1234
refused "--rebuild into a folder in use" 'not empty|holds a' --data "$T/ss1" --init --rebuild "$cluster"
rm -rf "$T/nm"

# A wrong id: the StorageServers stay away.
wrong=$(echo "$cluster" | tr '0-9' '9876543210')
mkdir "$T/nm"
start nm dfs-nm --init --rebuild "$wrong" $flags
start_ss 1
wait_for 10 "the StorageServer to be refused" grep -q "names another cluster" "$T/ss1.log"
kill_ss 1
stop_nm
rm -rf "$T/nm"

mkdir "$T/nm"
start nm dfs-nm --init --rebuild "$cluster" $flags
[ "$(dfs -j status | tr -d - | grep -c "$cluster")" = 1 ] || fail "it is not the same cluster"
[ "$(dfs -j nm quarantine recover)" = '{"servers":0,"reported":0,"whole":0,"incomplete":0,"chunks_left":0}' ] ||
    fail "recovered something from nobody"

# With one server alone, what has no copy there is incomplete; nothing is lost by having looked too early.
start_ss 1
wait_up 1
[ "$(status_field epoch)" -gt "$epoch" ] || fail "the new epoch is not above the old one"
dfs -j nm quarantine recover >"$T/first"
[ "$(field first reported)" = 1 ] || fail "first: $(cat "$T/first")"
start_ss 2
start_ss 3
wait_up 3
dfs -j nm quarantine recover >"$T/second"
[ "$(field second reported)" = 3 ] || fail "second: $(cat "$T/second")"
[ "$(field second incomplete)" = 0 ] || fail "second: $(cat "$T/second")"
[ "$(field second chunks_left)" = 0 ] || fail "second: $(cat "$T/second")"
total=$(($(field first whole) + $(field second whole)))
[ $total = "$(wc -l <"$T/expected")" ] || fail "$total files came back, not $(wc -l <"$T/expected")"
# copies that were not there yet when their file was recovered are adopted
two_copies() {
    copies=$(dfs -j status | tr '{' '\n' | sed -n 's/.*"uuid".*"chunks":\([0-9]*\).*/\1/p' | awk '{ n += $1 } END { print n + 0 }')
    [ "$copies" = $((2 * $(status_field chunks))) ]
}
wait_for 60 "every chunk to have two copies" two_copies
sums_below /recovered >"$T/came"
diff "$T/expected" "$T/came" >&2 || fail "other contents came back"
dfs stat /recovered | grep -q 'drwx------' || dfs -j stat /recovered | grep -q '"mode":"0700"' || fail "anybody may look into /recovered"

# All is known now; the cluster is one like any other.
wait_for 20 "the quarantine to be empty" eval '[ "$(status_field quarantined)" = 0 ]'
dfs nm quarantine drop
if dfs nm quarantine recover 2>"$T/cli.log"; then
    fail "recovered without a quarantine"
fi
dfs put "$T/piped" /again
dfs mv /recovered /home
kill_all
start_nm $flags
for i in 1 2 3; do start_ss $i; done
wait_up 3
sums_below /home >"$T/came"
diff "$T/expected" "$T/came" >&2 || fail "contents changed after a restart"

# Once more, with two servers for good: of files with both copies there nothing is left, and parts are told as such.
kill_all
rm -rf "$T/nm" "$T/ss3"
mkdir "$T/nm"
start nm dfs-nm --init --rebuild "$cluster" $flags
start_ss 1
wait_up 1
dfs -j nm quarantine recover all >"$T/third"
whole=$(field third whole) incomplete=$(field third incomplete)
dfs ls /recovered >"$T/ls"
[ "$(grep -c -v incomplete "$T/ls")" = "$whole" ] || fail "third: $(cat "$T/third") but $(cat "$T/ls")"
if [ "$incomplete" -gt 0 ]; then
    [ "$(dfs ls /recovered/incomplete | wc -l)" = "$incomplete" ] || fail "third: $(cat "$T/third")"
    dfs get -r /recovered/incomplete "$T/parts"
fi
say "one server of three alone: $whole whole, $incomplete incomplete"
pass "$total files"
