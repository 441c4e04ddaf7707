#!/bin/sh
# SPDX-License-Identifier: MIT
# A tree with everything that is awkward goes in and comes out the same: odd names, links, empty files and folders,
# modes, sizes around the borders of blocks, frames and chunks.
. "$(dirname "$0")/lib.sh"

src=$T/src
mkdir -p "$src/names/ spaces " "$src/sizes" "$src/empty folder" "$src/modes" "$src/links"

i=0
for odd in ' leading' 'trailing ' '-dash' 'a*b?c[d]' "quote'd" 'double"quote' 'back\slash' '$HOME' 'semi;colon' '#hash' \
    'tab	tab' 'new
line' 'grüße' '日本語' '...' '~' '%41' ':colon:' "$(printf 'latin\344')" "$(printf 'bell\007')" \
    "$(head -c 255 /dev/zero | tr '\0' n)"; do
    i=$((i + 1))
    echo "content $i" >"$src/names/$odd"
done
echo inside >"$src/names/ spaces / "

kib=1024
mib=$((1024 * 1024))
for border in 0 1 512 4096 8192 $((64 * kib)) $((256 * kib)) $mib $((2 * mib)); do
    for size in $((border - 1)) $border $((border + 1)); do
        [ $size -lt 0 ] || random_file "$src/sizes/$size" $size
    done
done
for size in $((64 * mib - 1)) $((64 * mib)) $((64 * mib + 1)); do
    head -c $size /dev/urandom >"$src/sizes/$size"
done

deep=$src/deep
for i in $(seq 40); do deep=$deep/level$i; done
mkdir -p "$deep"
echo deep >"$deep/file"

ln -s ../sizes/4096 "$src/links/relative"
ln -s /nowhere/at/all "$src/links/dangling"
ln -s . "$src/links/loop"
ln -s "$(head -c 300 /dev/zero | tr '\0' x)" "$src/links/long"

for mode in 600 644 755 400; do
    echo $mode >"$src/modes/$mode"
    chmod $mode "$src/modes/$mode"
done
touch -d '2001-02-03 04:05:06' "$src/modes/644"

start_cluster 2
dfs put -r "$src" /tree || fail "put -r failed"
dfs get -r /tree "$T/out" || fail "get -r failed"
same_tree "$src" "$T/out" "the round trip"
[ "$(stat -c %Y "$src/modes/644")" = "$(stat -c %Y "$T/out/modes/644")" ] || fail "the time of a file changed"

# The same again, over it, with one file different and one of another size.
echo changed >"$src/sizes/4096"
random_file "$src/sizes/1" 100000
dfs put "$src/sizes/4096" /tree/sizes/4096
dfs put "$src/sizes/1" /tree/sizes/
rm -rf "$T/out"
dfs get -r /tree "$T/out" || fail "get -r after replacing failed"
same_tree "$src" "$T/out" "after replacing"

# Through pipes.
dfs put - /piped <"$src/sizes/$((2 * mib + 1))"
[ "$(dfs cat /piped | sha256sum)" = "$(sha256sum <"$src/sizes/$((2 * mib + 1))")" ] || fail "cat of a piped file differs"

dfs rm -r /tree
dfs rm /piped
[ -z "$(dfs ls /)" ] || fail "something is left after rm -r: $(dfs ls /)"
pass "$(find "$src" | wc -l) entries there and back"
