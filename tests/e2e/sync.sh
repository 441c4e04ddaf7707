#!/bin/sh
# SPDX-License-Identifier: MIT
# put, get and cp that leave out what is there, say what they would do, go on where they were interrupted; cp of files and trees.
. "$(dirname "$0")/lib.sh"

same() { [ "$2" = "$3" ] || fail "$1: expected
$2
and not
$3"; }
# counted VERB...: files and skipped of its JSON summary
counted() { dfs -j "$@" 2>"$T/err" | sed -n 's/.*"files":\([0-9]*\).*"skipped":\([0-9]*\),"removed":\([0-9]*\),"failed":\([0-9]*\).*/\1 \2 \3 \4/p'; }
gen() { dfs stat -c %v "$1"; }

start_cluster 2
L=$T/src
mkdir -p "$L/a/b" "$L/c"
for i in 1 2 3 4 5; do echo "file $i" >"$L/a/$i"; done
head -c 3000000 /dev/urandom >"$L/a/b/big"
: >"$L/c/empty"
ln -s ../a "$L/c/link"
touch -d '2020-01-02 03:04:05.678' "$L/a/1" "$L/c"

say "put"
same "a dry run" "8 0 0 0" "$(counted put -rn "$L" /t)"
dfs ls /t 2>/dev/null && fail "a dry run made something"
dfs put -rn "$L" /t | grep -q "^$L/a/1 -> /t/a/1$" || fail "a dry run does not say what it would do"
same "the first" "8 0 0 0" "$(counted put -rc "$L/." /t)"
same "the second" "0 8 0 0" "$(counted put -rc "$L/." /t)"
same "a directory's time" "$(stat -c %Y "$L/c")" "$(dfs stat -c %Y /t/c)"
before=$(gen /t/a/2)
echo "file x" >"$L/a/3"
same "one has changed" "1 7 0 0" "$(counted put -rc "$L/." /t)"
same "the others are not written" "$before" "$(gen /t/a/2)"
same "its content" "file x" "$(dfs cat /t/a/3)"
echo "file y" >"$L/a/4"
touch -d '2000-01-01' "$L/a/4"
same "older than the target" "0 8 0 0" "$(counted put -ru "$L/." /t)"
same "by content" "1 7 0 0" "$(counted put -r --checksum "$L/." /t)"
same "its content" "file y" "$(dfs cat /t/a/4)"
echo "file zz" >"$L/a/5"
same "what exists" "0 8 0 0" "$(counted put -r --skip-existing "$L/." /t)"
same "one file" "1 0 0 0" "$(counted put -c "$L/a/5" /t/a/5)"
same "one file again" "0 1 0 0" "$(counted put -c "$L/a/5" /t/a/5)"
dfs put -v "$L/a/5" /t/a/5 | grep -q "^1 file, 8 B in" || fail "no summary"
echo extra | dfs put - /t/extra
dfs mkdir /t/c/more
rm "$L/a/1"
same "a dry removal" "0 7 3 0" "$(counted put -rcn --delete "$L/." /t)"
dfs stat /t/extra >/dev/null || fail "a dry run removed something"
same "removal" "0 7 3 0" "$(counted put -rc --delete "$L/." /t)"
dfs get -r /t "$T/back"
same_tree "$L" "$T/back" "after --delete"
dfs trash list | grep -q /t/extra || fail "what was removed is not in the trash"

say "get"
same "again" "0 7 0 0" "$(counted get -rc /t/. "$T/back")"
touch -d '1999-01-01' "$T/back/a/2"
echo "damaged" >"$T/back/a/3"
touch -r "$L/a/3" "$T/back/a/3"
same "newer" "1 6 0 0" "$(counted get -ru /t/. "$T/back")"
same "by content" "1 6 0 0" "$(counted get -r --checksum /t/. "$T/back")"
same_tree "$L" "$T/back" "by content"
rm -r "$T/back/a"
same "a dry run" "7 0 0 0" "$(counted get -rn /t/. "$T/none")"
[ ! -e "$T/none" ] || fail "a dry run made something"
same "what is missing" "5 2 0 0" "$(counted get -r --skip-existing /t/. "$T/back")"
same_tree "$L" "$T/back" "skip-existing"

say "interrupted"
mkdir "$T/many"
i=0
while [ $i -lt 300 ]; do
    head -c 200000 /dev/urandom >"$T/many/$i"
    i=$((i + 1))
done
"$DFS_BIN/dfs" put -r "$T/many" /many &
pid=$!
sleep 0.4
kill -INT $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
dfs put -rc "$T/many/." /many || fail "going on after an interruption"
"$DFS_BIN/dfs" get -r /many "$T/many2" &
pid=$!
sleep 0.2
kill -INT $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
[ -z "$(find "$T/many2" -name '.*dfs-*' 2>/dev/null)" ] || fail "temporary files are left"
dfs get -rc /many/. "$T/many2" || fail "going on after an interruption"
same_tree "$T/many" "$T/many2" "after two interruptions"

say "cp"
dfs cp /t/a/b/big /copy
same "cp of a file" "$(sum_of "$L/a/b/big")" "$(dfs cat /copy | sum_of /dev/stdin)"
dfs cp -p /t/a/3 /kept
same "cp -p" "$(dfs stat -c '%y %a %u' /t/a/3)" "$(dfs stat -c '%y %a %u' /kept)"
head -c 70000000 /dev/urandom >"$T/large"
dfs put "$T/large" /large
dfs cp /large /large2
same "cp of several chunks" "$(sum_of "$T/large")" "$(dfs cat /large2 | sum_of /dev/stdin)"
dfs cp -r /t /u
dfs get -r /u "$T/u"
same_tree "$L" "$T/u" "cp -r"
dfs cp -r /t /u
same "into a directory" "$(dfs ls /t)" "$(dfs ls /u/t)"
dfs mkdir /d
dfs cp '/t/a/[23]' /copy /d
same "several" "2
3
copy" "$(dfs ls /d)"
same "cp -u" "0 2 0 0" "$(counted cp -u '/t/a/[23]' /d)"
dfs cp /t /nope 2>"$T/err" && fail "cp of a directory without -r"
grep -q "dfs: cp /t: is a directory (-r copies" "$T/err" || fail "cp of a directory: $(cat "$T/err")"
dfs cp -r /t /t/a/inside 2>"$T/err" && fail "cp into itself"
grep -q "left out" "$T/err" || fail "cp into itself: $(cat "$T/err")"
same "cp into itself" "$(dfs ls /t/c)" "$(dfs ls /t/a/inside/c)"
dfs cp /copy /copy 2>"$T/err" && fail "cp onto itself"
grep -q "same file" "$T/err" || fail "cp onto itself: $(cat "$T/err")"
dfs cp /nope /x 2>"$T/err" && fail "cp of nothing"
grep -q "dfs: cp /nope: no such file" "$T/err" || fail "cp of nothing: $(cat "$T/err")"
dfs cp '/t/a/[23]' /copy 2>"$T/err" && fail "two into a file"

say "a terminal shows how far it is"
progress_shows() { tr '\r' '\n' <"$T/progress" | grep -q '% .* of 9.5 MiB .*/s .* left'; }
if command -v script >/dev/null; then
    # StorageServers that stand still, so that no machine is too fast for it
    head -c 10000000 /dev/zero >"$T/zero"
    kill -STOP "$(pid_of ss1)" "$(pid_of ss2)"
    TERM=xterm script -qec "stty cols 90; $DFS_BIN/dfs put $T/zero /zero" /dev/null >"$T/progress" </dev/null &
    script_pid=$!
    JOBS="$JOBS $script_pid"
    wait_for 20 "a progress line" progress_shows
    kill -CONT "$(pid_of ss1)" "$(pid_of ss2)"
    wait "$script_pid" || fail "put under a terminal: $(tail -c 300 "$T/progress")"
    dfs put "$T/zero" /zero 2>"$T/err"
    [ ! -s "$T/err" ] || fail "progress in a pipe"
fi
pass
