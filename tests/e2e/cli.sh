#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line as a user types it: what it prints, how it fails, what it leaves behind.
. "$(dirname "$0")/lib.sh"

# expect STATUS WORDS VERB...: the exit status, and words of the error
expect() {
    want=$1 words=$2 got=0
    shift 2
    dfs "$@" >"$T/out" 2>"$T/err" </dev/null || got=$?
    [ "$got" = "$want" ] || fail "dfs $*: exit status $got, not $want: $(cat "$T/err")"
    [ -z "$words" ] || grep -q -- "$words" "$T/err" || fail "dfs $*: says \"$(cat "$T/err")\", not \"$words\""
}

# json CONDITION: over the parsed document d
json() {
    if ! command -v python3 >/dev/null; then
        say "JSON is not parsed here: python3 is not installed" >&2
        cat >/dev/null
        return 0
    fi
    python3 -c "import json,sys; d=json.load(sys.stdin); sys.exit(0 if ($1) else 1)"
}

start_nm
start_ss 1
wait_up 1
dfs status | grep -q "only one StorageServer" || fail "status does not say why there is one copy"
start_ss 2
start_ss 3
wait_up 3

say "paths"
dfs mkdir -p /a/b
expect 1 "already exists" mkdir /a
expect 1 "no such file" mkdir /x/y
expect 0 "" mkdir -p /a/b
expect 1 "rm -r" rmdir /a
echo hello | dfs put - /a/hello
[ "$(dfs cat /a/hello)" = hello ] || fail "cat"
dfs ln -s hello /a/link
[ "$(dfs cat /a/link)" = hello ] || fail "cat through a link"
dfs mv /a/hello /a/b
[ "$(dfs ls /a/b)" = hello ] || fail "mv into a directory"
expect 1 "dfs: cat /a/link: no such file" cat /a/link
expect 1 "-r removes" rm /a
expect 1 "refused" rm -r /
expect 0 "" rm -f /nope
expect 1 "dfs: rm /nope: no such file" rm /nope

say "usage"
expect 2 "no verb" frobnicate
expect 2 "no verb" help frobnicate
expect 2 'did you mean "chown"' chwon
expect 2 "and no verb" --nm
expect 2 "operand 1 is empty" ls ""
expect 2 "operand 2 is empty" put "$0" ""
expect 2 "is no mode" chmod 9x /a
expect 2 "give the size" truncate --size many /a
expect 2 "no number of an entry" trash restore many
expect 2 "is no time" trash keep many
expect 2 "not the number of a StorageServer" server drain many
expect 2 "not the number of a NameServer" nm remove many
expect 2 "^Usage: dfs health (try" health /a
expect 1 "dfs: mv /a to /a/b/c: cannot be moved into itself" mv /a /a/b/c
expect 2 "comes first" -j up "$T/up"
expect 2 "Usage" mv /a
expect 2 "unknown\|--frob" ls --frob /
expect 1 "cannot be reached; set DFS_NM" --nm 127.0.0.1:1 ls /
dfs put --help | grep -q backup.tar || fail "help without examples"
dfs ls / --nm "$DFS_NM" >"$T/out" || fail "a flag behind the verb"

say "json"
dfs -j stat /a/b/hello | json 'd["path"]=="/a/b/hello" and d["type"]=="file" and d["size"]==6 and d["mode"]=="0644"
    and d["goal"]==2 and d["chunks"]==1 and d["mtime"].endswith("Z")' || fail "stat -j"
dfs ls -j /a | json '[x["path"] for x in d]==["/a/b","/a/link"] and d[1]["target"]=="hello"' || fail "ls -j"
dfs -j status | json 'd["leader"]==1 and len(d["servers"])==3 and d["files"]==1 and d["nameservers"][0]["state"]=="leader"' ||
    fail "status -j"
tries=50 # the last words of a client are not waited for
until dfs -j status | json 'd["sessions"]==0 and d["mutations_per_second"]>=0 and d["reads_per_second"]>=0'; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || fail "clients that have ended left sessions: $(dfs -j status)"
    sleep 0.1
done
until dfs status >"$T/status" && grep -q 'reads\{0,1\}/s, [0-9]* changes\{0,1\}/s; 0 sessions' "$T/status"; do # the one before may still be there
    tries=$((tries - 1))
    [ $tries -gt 0 ] || fail "status does not tell the rates: $(cat "$T/status")"
    sleep 0.1
done
dfs status | grep -q 'term [0-9]*, epoch [0-9]*; log from [0-9]* to [0-9]*, snapshot' || fail "status does not tell of the log"
dfs df -j | json 'd["capacity"]>0 and d["files"]==1' || fail "df -j"
printf 'x' | dfs put - "/a/$(printf 'bad\377')"
dfs ls -j /a | json 'sum("path_base64" in x for x in d)==1' || fail "a name that is not UTF-8"

say "trees"
mkdir -p "$T/src/d/e" "$T/src/empty"
printf 1 >"$T/src/one"
head -c 3000000 /dev/urandom >"$T/src/d/big"
ln -s nowhere "$T/src/d/e/dangling"
chmod 640 "$T/src/one"
touch -d '2001-02-03 04:05:06' "$T/src/d/big"
dfs put -r "$T/src" /copy
dfs put -r "$T/src" /copy
[ "$(dfs ls /copy/src)" = "$(ls "$T/src")" ] || fail "an existing directory receives the source's name"
dfs get -r /copy "$T/back"
diff -r --no-dereference "$T/src" "$T/back/src" || fail "the inner copy differs"
rm -r "$T/back/src"
diff -r --no-dereference "$T/src" "$T/back" || fail "the copy differs"
[ "$(stat -c '%a %Y' "$T/src/one" "$T/src/d/big")" = "$(stat -c '%a %Y' "$T/back/one" "$T/back/d/big")" ] ||
    fail "mode or time"
mkfifo "$T/src/fifo"
expect 1 "skipped" put -r "$T/src" /copy
expect 1 "to /nowhere/x: no such file" put "$0" /nowhere/x
expect 1 "-r stores" put "$T/src" /a
expect 1 "-r fetches" get /copy "$T/x"
dfs rm -r /copy
expect 1 "no such file" ls /copy

say "pipes, and nothing half-made"
head -c 20000000 /dev/urandom >"$T/big"
dfs put - /big <"$T/big"
(sleep 1; cat "$T/big") | dfs put - /slow
dfs cat /slow | cmp - "$T/big" || fail "a slow pipe"
[ "$(dfs cat /big | head -c 5 | wc -c)" = 5 ] || fail "a reader that stops early"
: >"$T/target"
"$DFS_BIN/dfs" get /big "$T/target" & # not the function: its pid would be a shell's
pid=$!
sleep 0.1
kill -INT $pid 2>/dev/null || true
wait $pid || true
[ ! -s "$T/target" ] || cmp "$T/target" "$T/big" || fail "half a file under its name"
[ -z "$(find "$T" -name '.target.dfs-*')" ] || fail "a temporary file was left"
mkfifo "$T/feed"
exec 9<>"$T/feed"
"$DFS_BIN/dfs" put - /never <"$T/feed" 9>&- &
pid=$!
cat "$T/big" >&9
expect 1 "no such file" stat /never
kill -INT $pid
wait $pid || true
expect 1 "no such file" stat /never

say "as coreutils do"
echo x | dfs put - /lone
printf 'a\nb' >"$T/broken"
NL=$(printf '/one\ntwo\\three')
dfs put "$T/broken" "$NL"
cp "$T/broken" "$T/${NL#/}"
dfs checksum "$NL" | sed 's,  /,  ,' >"$T/sums"
(cd "$T" && sha256sum -c --quiet sums) || fail "sha256sum -c does not take a name with a newline: $(cat "$T/sums")"
dfs mkdir -p /many/below
for i in 1 2 3; do echo $i | dfs put - /many/$i; done
echo here >"$T/taken"
expect 1 "Not a directory" get -r /many "$T/taken"
[ "$(wc -l <"$T/err")" = 1 ] || fail "get -r onto a file: $(cat "$T/err")"
dfs put -v "$T/taken" /taken | grep -q "^1 file, " || fail "1 files"
printf '1\n2\n3\n' | dfs put - /three
[ "$(dfs head -2 /three)" = "$(printf '1\n2')" ] || fail "head -2"
[ "$(dfs tail -1 /three)" = 3 ] || fail "tail -1"
[ "$(dfs head -n -2 /three)" = 1 ] || fail "head -n -2"
dfs cp -R /many /more
dfs get -Rc /more "$T/more"
[ "$(cat "$T/more/3")" = 3 ] || fail "cp -R, get -Rc"
dfs rm -Rf /more
expect 1 "no such file" ls /more

dfs mkdir -v -m 750 /co/ | grep -q '^made /co/$' || fail "mkdir -v"
[ "$(dfs stat -c %a /co)" = 750 ] || fail "mkdir -m: $(dfs stat -c %a /co)"
dfs mkdir -pv /co /co/sub | grep -qx 'made /co/sub' || fail "mkdir -pv"
dfs mkdir -pv /co | grep . && fail "mkdir -pv says it made what was there"
expect 2 "is no mode" mkdir -m rw /co/x
dfs touch -d 2001-02-03T04:05:06Z /co/file
[ "$(dfs stat -c %Y /co/file)" = 981173106 ] || fail "touch -d"
echo run | dfs put - /co/run
dfs chmod +x /co/run
dfs ln -s sub /co/link
[ "$(dfs ls -F /co | tr '\n' ' ')" = "file link@ run* sub/ " ] || fail "ls -F: $(dfs ls -F /co)"
dfs ls -lF /co | grep -q ' link -> sub$' || fail "ls -lF: $(dfs ls -lF /co)"
[ "$(dfs ls -i /co/run | awk '{print $1}')" = "$(dfs stat -c %i /co/run)" ] || fail "ls -i: $(dfs ls -i /co/run)"
[ "$(dfs ls -il /co | awk '$NF == "run" {print $1}')" = "$(dfs stat -c %i /co/run)" ] || fail "ls -il: $(dfs ls -il /co)"
[ "$(dfs find /co -empty -print | tr '\n' ' ')" = "/co/file /co/sub " ] || fail "find -empty: $(dfs find /co -empty)"
dfs cp -a /co /co2
[ "$(dfs stat -c '%a %Y' /co2/run /co2/file)" = "$(dfs stat -c '%a %Y' /co/run /co/file)" ] || fail "cp -a: modes, times"
[ "$(dfs stat -c %N /co2/link)" = "$(dfs stat -c %N /co/link | sed 's,/co/,/co2/,')" ] || fail "cp -a: links"
dfs cp -f /lone /co2/run
dfs cp -n /three /co2/run
[ "$(dfs cat /co2/run)" = x ] || fail "cp -f, cp -n: $(dfs cat /co2/run)"
dfs ln -s elsewhere /co2/sub/link
dfs cp -rn /co2/sub/. /co
dfs stat -c %N /co/link | grep -q 'sub$' || fail "cp -rn replaced a link: $(dfs stat -c %N /co/link)"
dfs cp --dry-run /three /co2/none >/dev/null
expect 1 "no such file" stat /co2/none
dfs mv -n /three /co2/run
[ "$(dfs cat /co2/run)" = x ] || fail "mv -n"
dfs mv -nvf /three /co2/three | grep -qx '/three -> /co2/three' || fail "mv -v"
dfs mv -f /co2/three /co2/run
[ "$(dfs head -1 /co2/run)" = 1 ] || fail "mv -f"
[ "$(dfs du -c --max-depth 0 /co2 /co | awk '$3 == "total" {print $1, $2}')" = "10 4" ] || fail "du -c: $(dfs du -c /co2 /co)"
[ "$(dfs du --max-depth 1 /co2 | wc -l)" = 2 ] || fail "du --max-depth"
dfs rm -rv /co2 | grep -qx 'removed /co2' || fail "rm -v"
mkdir -p "$T/few"
echo 1 >"$T/few/one"
expect 1 "dfs: put /lone: is not a directory" put -r "$T/few" /lone
dfs put -rv "$T/few/." /few | grep -qx "$T/few/one -> /few/one" || fail "put -rv dir/.: $(dfs put -rv "$T/few/." /few)"
[ "$(dfs trash keep)" = 1d ] || fail "trash keep: $(dfs trash keep)"
expect 2 "dfs: mount: no folder" mount
dfs umount --help | grep -q "^  dfs umount /" || fail "umount --help without an example"
dfs server list | grep -q '[^0-9]1 chunks' && fail "1 chunks: $(dfs server list)"
timeout 20 sh -c '"$0" tail -F /lone | grep -q x' "$DFS_BIN/dfs" || fail "tail -F"
timeout 20 sh -c '"$0" tail -f /lone | true' "$DFS_BIN/dfs" || fail "tail -f goes on when nobody reads it"
pass
