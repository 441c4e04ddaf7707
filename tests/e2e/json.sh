#!/bin/sh
# SPDX-License-Identifier: MIT
# Every verb with -j: what it prints is JSON, and has the keys docs/REFERENCE.md lists, no others.
. "$(dirname "$0")/lib.sh"

command -v python3 >/dev/null || { say "SKIPPED: python3 is not installed"; exit 77; }
dfs help --print-json >"$T/keys"
cat >"$T/check.py" <<'PY'
import json, sys

command, least = sys.argv[2], int(sys.argv[3])
for line in open(sys.argv[1]):
    name, form, *keys = line.rstrip("\n").split("|")
    if name == command:
        break
else:
    sys.exit("no such command in the reference")
types = {"number": (int, float), "text": str, "name": str, "boolean": bool, "array": list}
known = dict(k.split(":") for k in keys)

def check(d):
    for key, kind in known.items():
        if key not in d:
            if not kind.endswith("?"):
                sys.exit(f"key {key} is missing in {d}")
            continue
        if not isinstance(d[key], types[kind.rstrip("?")]) or (kind == "number" and isinstance(d[key], bool)):
            sys.exit(f"{key} is no {kind}: {d[key]!r}")
    for key in d:
        base = key[:-len("_base64")] if key.endswith("_base64") else key
        if known.get(base, "").rstrip("?") != "name" and key not in known:
            sys.exit(f"key {key} is not in the reference")
    for child in d.get("children", []):
        check(child)

d = json.load(sys.stdin)
if isinstance(d, list) != (form == "array") and not (command == "stat" and isinstance(d, list)):
    sys.exit(f"this is no {form}")
d = d if isinstance(d, list) else [d]
if len(d) < least:
    sys.exit(f"{len(d)} objects, {least} were expected")
for x in d:
    check(x)
PY

# prints COMMAND LEAST ARGUMENT...: dfs -j COMMAND ARGUMENT... prints at least so many objects
prints() {
    command=$1 least=$2
    shift 2
    dfs -j $command "$@" >"$T/json" 2>>"$T/cli.log" || fail "dfs -j $command $* failed: $(tail -n 1 "$T/cli.log")"
    python3 "$T/check.py" "$T/keys" "$command" "$least" <"$T/json" 2>"$T/why" ||
        fail "dfs -j $command $*: $(tail -n 1 "$T/why"): $(head -c 300 "$T/json")"
    echo "$command" >>"$T/seen"
}

start_cluster 3
mkdir -p "$T/src/d/e"
for i in 1 2 3; do random_file "$T/src/d/$i" 5000; done
: >"$T/src/$(printf 'bad\377name')"
: >"$T/src/$(printf 'new\nline "\\\t')"
ln -s "$(printf 'to\376')" "$T/src/link"
prints put 1 -r "$T/src" /src
prints put 1 -rcn "$T/src/." /src
prints get 1 -r /src "$T/back"
prints cp 1 -r /src /copy
prints ls 4 /src
prints ls 4 -lR /src /copy
prints find 8 /src
prints find 0 /src -name nothing
prints tree 1 /src
prints tree 2 / /src
dfs xattr set /src/d/1 user.from scanner
dfs xattr set /src/d/1 user.bad "$(printf '\377')"
prints stat 1 /src/d/1
prints stat 2 /src/d/1 /src/link
prints checksum 3 -r /src
prints du 2 /src
prints df 1
prints getgoal 5 -r /src
prints 'xattr list' 2 /src/d/1
prints 'xattr get' 1 /src/d/1 user.from
prints 'xattr get' 1 /src/d/1 user.bad
dfs rm -r /copy
prints 'trash list' 1
prints 'trash restore' 1 "$(dfs -j trash list | sed -n 's/.*"id":\([0-9]*\).*/\1/p')"
prints 'trash keep' 1
prints status 1
prints health 1
prints fsck 0
prints 'nm list' 1
prints 'server list' 3
prints 'nm backup' 1 "$T/backup"
prints 'nm restore' 1 "$T/backup" "$T/fresh"
prints 'nm quarantine' 1
prints rebalance 1
prints 'server drain' 1 3
prints 'server undrain' 1 3

say "what fails in between leaves JSON"
for verb in ls find tree stat checksum du getgoal; do
    status=0
    dfs -j $verb /nope /src/d/1 >"$T/json" 2>/dev/null || status=$?
    [ $status = 1 ] || fail "dfs -j $verb of nothing: status $status"
    python3 "$T/check.py" "$T/keys" $verb 1 <"$T/json" 2>"$T/why" || fail "dfs -j $verb: $(tail -n 1 "$T/why"): $(cat "$T/json")"
done

stop_ss 1 # a file with something wrong
wait_for 20 "fsck to find something" sh -c "'$DFS_BIN/dfs' -j fsck | grep -q under_replicated"
prints fsck 1

# What other tests look at, or what would take the cluster apart.
printf '%s\n' 'server remove' 'nm remove' 'nm transfer' 'nm quarantine recover' >>"$T/seen"
cut -d'|' -f1 "$T/keys" | sort -u >"$T/all"
sort -u "$T/seen" | comm -13 - "$T/all" >"$T/unseen"
[ ! -s "$T/unseen" ] || fail "not tried: $(cat "$T/unseen")"
pass
