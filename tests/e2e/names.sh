#!/bin/sh
# SPDX-License-Identifier: MIT
# Names and paths at their limits, as a user meets them: any byte, 255 of them, paths of 4096, "..", symbolic links in a ring.
. "$(dirname "$0")/lib.sh"

# refused WORDS VERB...: exit status 1, and words of the error
refused() {
    words=$1 got=0
    shift
    timeout 20 "$DFS_BIN/dfs" "$@" >"$T/out" 2>"$T/err" || got=$?
    [ $got = 1 ] && grep -q -- "$words" "$T/err" || fail "dfs $1: status $got, says \"$(head -c 300 "$T/err")\""
}
letters() { head -c "$1" /dev/zero | tr '\0' "$2"; }

start_cluster 1

say "every byte in a name"
python3 - "$T/all" <<'PY'
import os, sys
top = os.fsencode(sys.argv[1])
os.mkdir(top)
for i in range(1, 256):
    if i != ord('/'):
        open(top + b'/' + b'x' + bytes([i]) + b'y', 'wb').write(bytes([i]))
        os.mkdir(top + b'/d' + bytes([i]))
for name in (b'-r', b'...', b' ', b'\n', b'.\xff', b'*', b'\\', bytes([0xed, 0xa0, 0x80])):
    open(top + b'/' + name, 'wb').write(name)
PY
dfs put -r "$T/all" /all
dfs get -r /all "$T/back"
diff -r "$T/all" "$T/back" || fail "names changed on the way"
dfs -j ls /all | python3 -c '
import base64, json, sys
names = {base64.b64decode(e["path_base64"]) if "path_base64" in e else e["path"].encode() for e in json.load(sys.stdin)}
assert len(names) == 254 * 2 + 8 and b"/all/x\xffy" in names and b"/all/\n" in names, len(names)' || fail "ls -j"
dfs rm -r --now /all

say "255 bytes, and not one more"
dfs mkdir "/$(letters 255 n)"
refused "name too long" mkdir "/$(letters 256 n)"
refused "name too long" mkdir "/$(letters 255 n)/$(letters 256 m)"
refused "name too long" mv "/$(letters 255 n)" "/$(letters 256 n)"
refused "name too long" ln -s "/$(letters 255 n)" "/$(letters 256 l)"

say "4096 bytes of path"
dir=/deep
while [ ${#dir} -lt 3800 ]; do dir=$dir/$(letters 99 d); done
dfs mkdir -p "$dir"
while [ $((${#dir} + 2)) -le $((4096 - 20)) ]; do dir=$dir/.; done
file=$dir/$(letters $((4095 - ${#dir})) f)
[ ${#file} = 4096 ] || fail "the path has ${#file} bytes"
dfs put "$T/all/..." "$file"
dfs cat "$file" | cmp - "$T/all/..." || fail "the file at the end of a long path"
refused "name too long" stat "/$file"
refused "name too long" put "$T/all/..." "$file"f
dfs rm -r --now /deep

say "the way up ends at the root"
dfs mkdir -p /a/b
dfs put "$T/all/..." /a/b/f
dfs cat /../../a/./b/../../../a/b/f | cmp - "$T/all/..." || fail "a path with .. in it"
refused "no such file" stat /a/none/../b
refused "not a directory" stat /a/b/f/..
refused "." mkdir /a/..
refused "." rm -r /..

say "links that lead nowhere, and round"
dfs ln -s /ring2 /ring1
dfs ln -s ring1 /ring2
dfs ln -s self/self /self
dfs ln -s gone /dangling
for ring in /ring1 /ring2/x /self /self/self/self; do
    refused "symbolic links" cat "$ring"
    refused "symbolic links" put "$T/all/..." "$ring"
done
refused "no such file" cat /dangling
i=0 last=a/b/f
while [ $i -lt 40 ]; do
    dfs ln -s "$last" "/link$i"
    last=link$i
    i=$((i + 1))
done
dfs cat /link39 | cmp - "$T/all/..." || fail "40 links on the way to a file"
dfs ln -s link39 /link40
refused "symbolic links" cat /link40
dfs ls -l / | grep -q 'ring1 -> /ring2' || fail "a ring is listed"
dfs rm /ring1 /ring2 /self /dangling
pass
