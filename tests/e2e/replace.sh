#!/bin/sh
# SPDX-License-Identifier: MIT
# G4, G5: readers of a file that is being replaced see one version whole, never a mixture, and never one older than what
# was acknowledged before they asked.
. "$(dirname "$0")/lib.sh"

seconds=${REPLACE_SECONDS:-12}
end=$(($(date +%s) + seconds))

# Version v is v as eight characters over and over, in sizes from one block to several frames.
write_versions() {
    v=0
    while [ "$(date +%s)" -lt $end ]; do
        v=$((v + 1))
        lines=$((v * 7919 % 400000 + 1))
        [ $((v % 3)) -eq 0 ] || lines=$((lines % 900 + 1))
        yes "$(printf %07d $v)" | head -n $lines >"$T/version" || true
        dfs put "$T/version" /file 2>>"$T/writer.err" || { echo "put of version $v failed" >>"$T/writer.err"; return; }
        echo $v >"$T/acked.new"
        mv "$T/acked.new" "$T/acked"
    done
}

read_versions() {
    while [ "$(date +%s)" -lt $end ]; do
        floor=$(cat "$T/acked")
        if ! dfs cat /file >"$T/seen.$1" 2>>"$T/reader.err"; then
            echo "a read failed" >>"$T/reader.err"
            continue
        fi
        found=$(uniq "$T/seen.$1" | head -3 | tr '\n' ' ')
        lines=$(wc -l <"$T/seen.$1")
        echo "$floor $lines $found" >>"$T/reads.$1"
    done
}

start_cluster 3
echo 0 >"$T/acked"
echo 0000000 >"$T/version"
dfs put "$T/version" /file
write_versions &
JOBS="$!"
for n in 1 2; do
    read_versions $n &
    JOBS="$JOBS $!"
done
for job in $JOBS; do wait "$job"; done
JOBS=""

[ ! -s "$T/writer.err" ] || fail "$(head -3 "$T/writer.err")"
[ ! -s "$T/reader.err" ] || fail "$(head -3 "$T/reader.err")"
cat "$T"/reads.* | awk '
    NF != 3 { print "a mixture of versions: " $0; exit }
    $3 + 0 < $1 + 0 { print "version " $3 + 0 " was read after " $1 " was acknowledged"; exit }
    { v = $3 + 0; want = v == 0 ? 1 : v * 7919 % 400000 + 1; if (v > 0 && v % 3) want = want % 900 + 1 }
    $2 != want { print "version " v " with " $2 " lines instead of " want; exit }' >"$T/wrong"
[ ! -s "$T/wrong" ] || fail "$(cat "$T/wrong")"
reads=$(cat "$T"/reads.* | wc -l)
[ "$reads" -gt 10 ] || fail "only $reads reads were made"
pass "$(cat "$T/acked") versions, $reads reads, each of one version"
