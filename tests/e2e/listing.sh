#!/bin/sh
# SPDX-License-Identifier: MIT
# The verbs that look: ls, tree, find, head, tail, stat --format, checksum, and patterns, beside what coreutils say of the
# same tree on the local disk.
. "$(dirname "$0")/lib.sh"

# same WHAT EXPECTED GOT
same() { [ "$2" = "$3" ] || fail "$1: expected
$2
and not
$3"; }
# usage WORDS VERB...: exit status 2, and words of the error
usage() {
    words=$1 got=0
    shift
    dfs "$@" >"$T/out" 2>"$T/err" || got=$?
    [ $got = 2 ] && grep -q -- "$words" "$T/err" || fail "dfs $*: status $got, says \"$(cat "$T/err")\""
}
# on_terminal COLUMNS COMMAND: what it prints to a terminal that wide
on_terminal() { TERM=xterm script -qec "stty cols $1; $2" /dev/null | tr -d '\r'; }

start_cluster 2
L=$T/local
mkdir -p "$L/sub/deep" "$L/.hidden" "$L/empty"
i=0
while [ $i -lt 40 ]; do
    head -c $((i * 37)) /dev/urandom | base64 >"$L/file$i.txt"
    touch -d "2024-01-02 03:04:$((10 + i))" "$L/file$i.txt"
    i=$((i + 1))
done
echo old >"$L/sub/old.c" && touch -d '400 days ago' "$L/sub/old.c"
echo new >"$L/sub/deep/new.c"
head -c 300000 /dev/urandom >"$L/sub/big.bin"
seq 5000 >"$L/lines"
printf 'no newline at the end' >"$L/ragged"
: >"$L/nothing"
ln -s lines "$L/link"
chmod 755 "$L/ragged"
dfs put -r "$L" /t
dfs put "$L/lines" '/t/odd*[name]'
cp "$L/lines" "$L/odd*[name]"

say "ls"
same "ls" "$(ls "$L")" "$(dfs ls /t)"
same "ls -a" "$(ls -A "$L")" "$(dfs ls -a /t)"
same "ls -t" "$(cd "$L" && ls -t file*)" "$(dfs ls -t /t | grep ^file)"
same "ls -tr" "$(cd "$L" && ls -tr file*)" "$(dfs ls -tr /t | grep ^file)"
same "ls -S" "$(cd "$L" && ls -S file*)" "$(dfs ls -S /t | grep ^file)"
same "ls -r" "$(cd "$L" && ls -r)" "$(dfs ls -r /t)"
same "ls -d" "/t" "$(dfs ls -d /t)"
same "ls -R" "$(cd "$L" && ls -R sub | sed "s,^sub,/t/sub,")" "$(dfs ls -R /t/sub)"
same "ls -0" "$(ls "$L" | wc -l)" "$(dfs ls -0 /t | tr -cd '\0' | wc -c)"
dfs ls -l /t | grep -q 'link -> lines$' || fail "ls -l does not show where a link leads"
dfs ls -lh /t | grep sub | grep -q ' - ' || fail "ls -lh takes a directory's names for bytes"
dfs ls -lh /t/sub/big.bin | grep -q '293 KiB' || fail "ls -lh"
dfs -j ls -t /t/sub | python3 -c 'import json,sys; d=json.load(sys.stdin); assert d[-1]["path"]=="/t/sub/old.c", d' || fail "ls -jt"

say "a terminal"
if command -v script >/dev/null; then
    on_terminal 60 "$DFS_BIN/dfs ls --color never /t" >"$T/columns"
    [ "$(wc -l <"$T/columns")" -lt 20 ] || fail "no columns on a terminal"
    [ "$(awk '{ if (length($0) > n) n = length($0) } END { print n }' "$T/columns")" -le 60 ] || fail "wider than the terminal"
    same "columns hold all names" "$(ls "$L" | wc -w)" "$(wc -w <"$T/columns")"
    on_terminal 80 "$DFS_BIN/dfs ls /t" | grep -q "$(printf '\033')\[1;34msub" || fail "no colours on a terminal"
    on_terminal 80 "NO_COLOR=1 $DFS_BIN/dfs ls /t" | grep -q "$(printf '\033')" && fail "NO_COLOR is not heeded"
    dfs mkdir "/esc$(printf '\033')[31m"
    on_terminal 80 "$DFS_BIN/dfs ls --color never /" | grep -q "$(printf '\033')" && fail "a name reaches the terminal as it is"
    dfs rmdir "/esc$(printf '\033')[31m"
fi
dfs ls /t | grep -q "$(printf '\033')" && fail "colours in a pipe"
dfs ls --color always /t | grep -q "$(printf '\033')" || fail "--color always"

say "patterns"
same "ls pattern" "$(cd "$L" && ls -d file1*.txt)" "$(dfs ls '/t/file1*.txt' | sed 's,^/t/,,')"
same "two levels" "/t/sub/deep/new.c
/t/sub/old.c" "$(dfs find '/t/s*/*' -name '*.c' | sort)"
same "brackets" "/t/file3.txt
/t/file4.txt" "$(dfs ls '/t/file[34].txt')"
same "a name that is a pattern" "/t/odd*[name]" "$(dfs ls '/t/odd*[name]')"
same "escaped" "/t/odd*[name]" "$(dfs ls '/t/odd\**')"
same "a leading dot is not guessed" "" "$(dfs ls -d '/t/*' | grep hidden || true)"
dfs ls '/t/nope*' 2>"$T/err" && fail "a pattern that fits nothing is no error"
grep -q "nothing fits" "$T/err" || fail "a pattern that fits nothing: $(cat "$T/err")"
dfs rm -f '/t/nope*' || fail "rm -f of nothing"
dfs rm '/t/nope*' 2>/dev/null && fail "rm of nothing"
same "cat of a pattern" "$(cat "$L"/file1?.txt | sum_of /dev/stdin)" "$(dfs cat '/t/file1?.txt' | sum_of /dev/stdin)"

say "find"
find_same() { # find_same FLAG...: as find on the local tree
    same "find $*" "$(cd "$L" && find . "$@" | sed 's,^\.,/t,' | sort)" "$(dfs find /t "$@" | sort)"
}
find_same
find_same -name '*.c'
find_same -iname '*.C'
find_same -type d
find_same -type l
find_same -type f -size +100000c
find_same -type f -size -40c -name 'f*'
find_same -mtime +365
find_same -mtime -1 -type f
find_same -maxdepth 1
find_same -maxdepth 0
same "find -print0" "$(find "$L" | wc -l)" "$(dfs find /t -print0 | tr -cd '\0' | wc -c)"
dfs -j find /t -name lines | python3 -c 'import json,sys; d=json.load(sys.stdin); assert len(d)==1 and d[0]["size"]==23893, d' || fail "find -j"
usage "is not a size" find /t -size 4q
usage "is not an age" find /t -mtime soon
usage "is not f, d or l" find /t -type x

say "head and tail"
for f in lines ragged nothing sub/big.bin; do
    for how in '-n 10' '-n 1' '-n 0' '-n 4999' '-n 10000' '-c 100' '-c 0' '-c 1000000' '-n -10' '-c -10' '-n -0'; do
        same "head $how $f" "$(head $how "$L/$f" | sum_of /dev/stdin)" "$(dfs head $how "/t/$f" | sum_of /dev/stdin)"
    done
    for how in '-n 10' '-n 1' '-n 0' '-n 4999' '-n 10000' '-c 100' '-c 0' '-c 1000000' '-n +10' '-c +10' '-n +1'; do
        same "tail $how $f" "$(tail $how "$L/$f" | sum_of /dev/stdin)" "$(dfs tail $how "/t/$f" | sum_of /dev/stdin)"
    done
done
same "several" "$(cd "$L" && head -n 2 lines ragged)" "$(dfs head -n 2 /t/lines /t/ragged | sed 's,/t/,,')"
usage "no number" head -n ten /t/lines
usage "not both" tail -n 1 -c 1 /t/lines
"$DFS_BIN/dfs" tail -f /t/ragged >"$T/followed" 2>"$T/follow.err" &
pid=$!
JOBS=$pid
wait_for 10 "tail to begin" test -s "$T/followed"
printf 'another' | dfs put - /t/ragged
wait_for 10 "tail -f to see the new file" grep -q another "$T/followed"
grep -q "was replaced" "$T/follow.err" || fail "tail -f does not say that the file was replaced"
kill -INT $pid
wait $pid 2>/dev/null || true
JOBS=""

say "stat and checksum"
same "stat -c" "$(stat -c '%n %s %a %A %u %U %g %G %Y %%' "$L/lines" | sed "s,$L,/t,")" \
    "$(dfs stat -c '%n %s %a %A %u %U %g %G %Y %%' /t/lines)"
same "stat -c, links" "/t/link -> lines symlink" "$(dfs stat -c '%N %F' /t/link)"
usage "means nothing" stat -c '%q' /t
same "sha256" "$(sha256sum <"$L/sub/big.bin" | cut -c-64)" "$(dfs checksum /t/sub/big.bin | cut -c-64)"
dfs checksum -r /t/sub | sed 's,/t/,,' | (cd "$L" && sha256sum -c --quiet) || fail "checksum -r"
printf 123456789 | dfs put - /digits
same "crc32c" "e3069283  /digits" "$(dfs checksum -a crc32c /digits)"
dfs -j checksum /digits | python3 -c 'import json,sys; d=json.load(sys.stdin)[0]; assert d["size"]==9 and d["algorithm"]=="sha256"' ||
    fail "checksum -j"
usage "neither crc32c nor sha256" checksum -a md5 /digits

say "tree"
same "tree" "/t/sub
|-- big.bin
|-- deep
|   \`-- new.c
\`-- old.c

1 directory, 3 files" "$(dfs tree /t/sub)"
same "tree -L 1 -d" "/t
|-- empty
\`-- sub

2 directories, 0 files" "$(dfs tree -L 1 -d /t)"
dfs -j tree /t/sub | python3 -c 'import json,sys; d=json.load(sys.stdin)[0]; assert d["children"][1]["children"][0]["path"]=="/t/sub/deep/new.c"' ||
    fail "tree -j"

say "directories of several pages"
mkdir "$T/many"
(cd "$T/many" && seq 2500 | sed 's/.*/name&/' | xargs touch && mkdir zz)
dfs put -r "$T/many" /many
same "ls of pages" "$(ls "$T/many")" "$(dfs ls /many)"
same "ls -r of pages" "$(ls -r "$T/many")" "$(dfs ls -r /many)"
same "tree of pages" "2500" "$(dfs tree /many | grep -c name)"
same "glob of pages" "2500" "$(dfs ls '/many/n*' | wc -l)"
[ "$(dfs ls /many | head -n 1)" = name1 ] || fail "a reader that stops early"
pass
