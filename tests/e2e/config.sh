#!/bin/sh
# SPDX-License-Identifier: MIT
# Configuration files, SIGHUP, the reference page, man pages, completion.
. "$(dirname "$0")/lib.sh"

SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
refuses() { # refuses WORDS: dfs-nm refuses $T/bad.ini
    got=0
    "$DFS_BIN/dfs-nm" --config "$T/bad.ini" --data "$T/x" >"$T/out" 2>&1 || got=$?
    [ $got = 2 ] && grep -q -- "$1" "$T/out" || fail "$(cat "$T/bad.ini"): status $got, says \"$(cat "$T/out")\""
}

say "a cluster from one file"
cat >"$T/dfs.ini" <<INI
; all of them
log-level = info
[dfs-nm]
data = $T/first-nm
init = yes
listen = 127.0.0.1:0
port-file = $T/nm.port
heartbeat = 100ms
[dfs-ss]
data = $T/disk one
data = $T/disk2
listen = 127.0.0.1:0
port-file = $T/ss.port
[dfs]
color = never
INI
"$DFS_BIN/dfs-nm" --config "$T/dfs.ini" >>"$T/nm.log" 2>&1 &
NM=$!
JOBS=$NM
wait_for 20 "the NameServer" test -s "$T/nm.port"
DFS_NM=$(cat "$T/nm.port")
"$DFS_BIN/dfs-ss" --config "$T/dfs.ini" --nm "$DFS_NM" >>"$T/ss.log" 2>&1 &
SS=$!
JOBS="$JOBS $SS"
export DFS_NM
wait_up 1
[ -d "$T/disk one" ] && [ -d "$T/disk2" ] || fail "a list in the file is not a list"
echo x | dfs put - /x

say "the command line wins"
mkdir "$T/other"
"$DFS_BIN/dfs-ss" --config "$T/dfs.ini" --nm "$DFS_NM" --data "$T/other" --port-file "$T/other.port" >>"$T/ss2.log" 2>&1 &
JOBS="$JOBS $!"
wait_for 20 "the second StorageServer" test -s "$T/other.port"
wait_up 2

say "SIGHUP"
sed -i 's/^log-level.*/log-level = debug/; s/^heartbeat.*/heartbeat = 300ms/; s/^init.*/init = yes\nlog-json = yes/' "$T/dfs.ini"
kill -HUP $NM
wait_for 5 "the change of the level" grep -q 'config.changed.*log-json' "$T/nm.log"
grep -q 'config.unchanged.*heartbeat.*takes effect at the next start' "$T/nm.log" || fail "SIGHUP says nothing of what may not change"
sed -i '/^log-level/d; /^log-json/d' "$T/dfs.ini"
kill -HUP $NM
wait_for 5 "the return to what was" grep -q 'config.changed.*log-level.*(default)' "$T/nm.log"
sed -i '1s/^/log-level = debug\n/' "$T/dfs.ini"
sed -i 's/^log-level.*/log-level = loud\nnonsense = 1/' "$T/dfs.ini"
kill -HUP $NM
wait_for 5 "the refusal of a level" grep -q 'config.refused.*loud' "$T/nm.log"
wait_for 5 "the refusal of a name" grep -q 'config.refused.*nonsense' "$T/nm.log"
rm "$T/dfs.ini"
kill -HUP $NM
wait_for 5 "the refusal of a missing file" grep -q 'config.refused.*No such file' "$T/nm.log"
[ "$(dfs cat /x)" = x ] || fail "a server does not survive SIGHUP"
for pid in $JOBS; do kill $pid; done
for pid in $JOBS; do wait $pid || fail "a server ended with an error"; done
JOBS=""

say "what is wrong is said at the start"
echo "nonsense = 1" >"$T/bad.ini"; refuses "nonsense: no such setting"
echo "heartbeat = soon" >"$T/bad.ini"; refuses "not a duration"
echo "init = perhaps" >"$T/bad.ini"; refuses "not yes or no"
printf '[dfs-nm\n' >"$T/bad.ini"; refuses "bad.ini:1:"
{ printf 'listen = '; head -c 5000 /dev/zero | tr '\0' x; echo; } >"$T/bad.ini"; refuses "too long"
rm "$T/bad.ini"; refuses "No such file"

say "the client's settings"
start_cluster 1
nm=$DFS_NM
kill -HUP "$(pid_of nm)"
wait_for 5 "SIGHUP without --config" grep -q config.none "$T/nm.log"
unset DFS_NM
printf '[dfs]\nnm = %s\n' "$nm" >"$T/client.ini"
DFS_CONFIG=$T/client.ini dfs mkdir /from-file || fail "the client's settings"
mkdir -p "$T/home/.config/dfs"
cp "$T/client.ini" "$T/home/.config/dfs/dfs.ini"
[ "$(unset DFS_CONFIG XDG_CONFIG_HOME; HOME=$T/home dfs ls -d /from-file)" = /from-file ] || fail "~/.config/dfs/dfs.ini"
mkdir -p "$T/xdg/dfs"
echo "nm = 127.0.0.1:1" >"$T/xdg/dfs/dfs.ini"
(unset DFS_CONFIG; HOME=$T/home XDG_CONFIG_HOME=$T/xdg dfs ls /) 2>/dev/null && fail "XDG_CONFIG_HOME does not win"
DFS_CONFIG=$T/nothing dfs ls / 2>"$T/err" && fail "a file that is not there"
grep -q "nothing: No such file" "$T/err" || fail "a file that is not there: $(cat "$T/err")"
DFS_NM=127.0.0.1:1 DFS_CONFIG=$T/client.ini dfs ls / 2>"$T/err" && fail "DFS_NM does not win"
DFS_CONFIG=$T/client.ini dfs --nm 127.0.0.1:1 ls / 2>"$T/err" && fail "--nm does not win"
echo "nm = $nm" >"$T/client.ini"; echo "window = 3" >>"$T/client.ini"
DFS_CONFIG=$T/client.ini dfs ls / 2>"$T/err" && fail "an unknown setting"
grep -q "window: no such setting" "$T/err" || fail "an unknown setting: $(cat "$T/err")"
printf 'nm = %s\n' "$nm" >"$T/client.ini"
[ "$(DFS_CONFIG=$T/client.ini dfs complete ls /from)" = /from-file/ ] || fail "completion does not read the settings"
export DFS_NM=$nm

say "the reference page is current"
sh "$SOURCE/tests/support/reference.sh" "$DFS_BIN" >"$T/REFERENCE.md"
cmp "$T/REFERENCE.md" "$SOURCE/docs/REFERENCE.md" ||
    fail "docs/REFERENCE.md is not current: sh tests/support/reference.sh $DFS_BIN >docs/REFERENCE.md"

say "man pages"
for page in dfs-nm:--print-man dfs-ss:--print-man dfs-bench:--print-man "dfs:help --print-man"; do
    "$DFS_BIN/${page%%:*}" ${page#*:} >"$T/page.1"
    grep -q '^.SH NAME' "$T/page.1" || fail "no man page of ${page%%:*}"
    if command -v groff >/dev/null; then
        groff -Kutf8 -man -Tutf8 -ww "$T/page.1" >"$T/page.txt" 2>"$T/page.err" || fail "groff: $(cat "$T/page.err")"
        [ ! -s "$T/page.err" ] || fail "the man page of ${page%%:*}: $(head -n 5 "$T/page.err")"
    fi
done

say "completion"
complete() { dfs complete "$@" | sort | tr '\n' ' '; }
same() { [ "$2" = "$3" ] || fail "$1: expected \"$2\", not \"$3\""; }
dfs mkdir -p /photos/2024 "/photos/2 words"
: | dfs put - /photos/a.jpg
: | dfs put - /photos/b.jpg
same "verbs" "rm rmdir " "$(complete rm)"
same "flags" "--recursive --reverse " "$(complete ls --re)"
same "paths" "/photos/2 words/ /photos/2024/ " "$(complete ls /photos/2)"
same "a folder" "/photos/ " "$(complete -j ls -l /ph)"
same "both" "/photos/a.jpg :files " "$(complete put x /photos/a)"
same "local first" ":files " "$(complete put '')"
same "words" "remove " "$(complete nm rem)"
same "the value of a flag" "" "$(complete find -name '')"
same "help" "checksum chmod chown " "$(complete help ch)"
same "no cluster" "" "$(DFS_NM=127.0.0.1:1 complete ls /)"
if command -v bash >/dev/null; then
    got=$(PATH="$DFS_BIN:$PATH" bash -c '. "$0"; COMP_WORDS=(dfs ls /photos/a); COMP_CWORD=2; _dfs; echo "${COMPREPLY[*]}"' "$SOURCE/apps/completion/dfs.bash")
    same "bash" "/photos/a.jpg" "$got"
fi
if command -v fish >/dev/null; then
    got=$(PATH="$DFS_BIN:$PATH" fish -c "source $SOURCE/apps/completion/dfs.fish; complete -C 'dfs ls /photos/a'" 2>/dev/null)
    same "fish" "/photos/a.jpg" "$got"
fi
if command -v zsh >/dev/null; then zsh -n "$SOURCE/apps/completion/_dfs" || fail "zsh"; fi
pass
