#!/bin/sh
# SPDX-License-Identifier: MIT
# Goals, StorageServers that come and go, health and fsck, as an administrator types them.
. "$(dirname "$0")/lib.sh"

says() { # FILE TEXT WHAT
    grep -q -- "$2" "$1" || fail "$3: $(cat "$1")"
}
health() { # LEVEL WHAT
    code=0
    dfs health >"$T/health" || code=$?
    [ "$code" -eq "$1" ] || fail "$2: exit status $code: $(cat "$T/health")"
}
is_green() { dfs health >"$T/health"; }
is_level() {
    code=0
    dfs health >"$T/health" || code=$?
    [ "$code" -eq "$1" ]
}
state_of() { dfs server list | awk -v id="$1" '$1 == id { print $3 }'; }
has_state() { [ "$(state_of "$1")" = "$2" ]; }

start_nm
health 1 "no StorageServer"
says "$T/health" "dfs-ss --data" "health without a server names the way to one"
start_ss 1
wait_up 1
health 0 "one server"
says "$T/health" "two" "health of one server says what a second one brings"
for n in 2 3; do start_ss $n; done
wait_up 3
health 0 "three servers"

# goals are chosen, inherited and shown
dfs mkdir -p /important/deep /plain
echo one >"$T/file"
dfs put "$T/file" /plain/f
dfs put "$T/file" /important/old
dfs setgoal -r 3 /important
dfs put "$T/file" /important/deep/new
mkdir "$T/many" # so that every server has something, and every two have a file that is not on the third
for i in $(seq 40); do echo "$i" >"$T/many/$i"; done
dfs put -r "$T/many" /plain/many
[ "$(dfs getgoal -r /important | awk '{ print $1 }' | sort -u)" = 3 ] || fail "getgoal -r: $(dfs getgoal -r /important)"
dfs getgoal /plain/f | grep -q '^2  *(default)' || fail "getgoal of a file nobody chose for: $(dfs getgoal /plain/f)"
dfs -j getgoal /important/old | grep -q '"goal":3,"chosen":true' || fail "getgoal -j"
dfs -j stat /important/deep/new | grep -q '"goal":3' || fail "stat shows the goal"
dfs setgoal default /important/old
dfs getgoal /important/old | grep -q '(default)' || fail "back to the default"
if dfs setgoal 17 /plain/f 2>"$T/err"; then fail "a goal of 17 was taken"; fi
says "$T/err" "1 to 16" "setgoal says what it takes"

# servers: what would lose data is refused, and says what to do
id=$(dfs server list | awk 'NR == 1 { print $1 }')
if dfs server remove "$id" 2>"$T/err"; then fail "a server with chunks was removed"; fi
says "$T/err" "drain" "remove names the way"
dfs server drain "$id" >"$T/out"
says "$T/out" "being drained" "drain says what happens"
[ "$(state_of "$id")" = draining ] || [ "$(state_of "$id")" = drained ] || fail "the state is $(state_of "$id")"
dfs server undrain "$id" >/dev/null
[ "$(state_of "$id")" = up ] || fail "undrain left it $(state_of "$id")"
if dfs server drain 77 2>"$T/err"; then fail "an unknown server was drained"; fi
if dfs server explode 1 2>"$T/err"; then fail "an unknown action was taken"; else [ $? -eq 2 ] || fail "usage is 2"; fi
dfs -j server list | grep -q '"state":"up"' || fail "server list -j"

# an empty server goes, and cannot come back
start_ss 4
wait_up 4
empty=$(dfs server list | awk '$3 == "up" && /:'"$(sed 's/.*://' "$T/ss4.port")"' / { print $1 }')
dfs server remove "$empty" >"$T/out"
says "$T/out" "removed" "remove says so"
[ -z "$(state_of "$empty")" ] || fail "a removed server is listed"
wait_for 20 "the removed server to be refused by name" grep -q "was removed from this cluster" "$T/ss4.log"

# loss is seen at once, and named
kill_ss 2
kill_ss 3
wait_for 20 "health to see the loss" is_level 2
says "$T/health" "is down" "health names who is down"
dfs fsck >"$T/fsck" && fail "fsck of missing files ends well"
says "$T/fsck" "cannot be read in full" "fsck sums up"
dfs -j health | grep -q '"status":"red"' || fail "health -j"
code=0
dfs -j fsck /plain >"$T/fsck" || code=$?
[ "$code" -le 1 ] || fail "fsck -j ends with $code"
start_ss 2
start_ss 3
wait_up 3
is_not_red() { ! is_level 2; }
wait_for 20 "health to see them again" is_not_red
dfs fsck >"$T/fsck" || fail "fsck: $(cat "$T/fsck")"

# the NameServer remembers it all
stop_nm
start_nm
wait_up 3
[ -z "$(state_of "$empty")" ] || fail "a removed server is back after a restart"
dfs getgoal /important/deep/new | grep -q '^3' || fail "a goal was forgotten"
pass
