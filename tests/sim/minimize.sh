#!/bin/sh
# SPDX-License-Identifier: MIT
# A history that fails is made shorter, and what is left fails for the same reason. minimize.sh DFS_SIM
set -eu
sim=$1
reason() { printf '%s\n' "$1" | sed -n "s/^seed [0-9]* failed: //p" | sed 's/^\/[^:]*: //; s/[0-9/].*//' | head -n 1; }
# What fails at once cannot be made much shorter: of 24 seeds five could, those named first here. A message of another length makes
# other histories of all of them.
for seed in 16 21 24 20 19 $(seq 25 60); do
    out=$("$sim" --seed $seed --sabotage trust-payload --minimize) && { echo "it did not fail: $out"; exit 1; }
    replay=$(printf '%s\n' "$out" | sed -n 's/^minimized: \(--seed .*\) --trace$/\1/p')
    left=$(printf '%s\n' "$out" | sed -n 's/^minimized: [0-9]* faults and \([0-9]*\) events .*/\1/p')
    all=$(printf '%s\n' "$out" | sed -n 's/^minimized: .* events of [0-9]* and \([0-9]*\) .*/\1/p')
    [ -z "$left" ] || [ "$left" -ge "$((all / 2))" ] || break
done
[ -n "$replay" ] && [ "$left" -lt "$((all / 2))" ] || { echo "not half of it was left out: $out"; exit 1; }
# shellcheck disable=SC2086
again=$("$sim" $replay) && { echo "$replay does not fail: $again"; exit 1; }
[ -n "$(reason "$out")" ] && [ "$(reason "$again")" = "$(reason "$out")" ] || { echo "another reason: $out; $again"; exit 1; }
events=$(printf '%s\n' "$again" | sed -n 's/^sim: .*, \([0-9]*\) events, .*/\1/p')
[ "$events" = "$left" ] || { echo "the replay has $events events, not $left: $out"; exit 1; }
echo "$out" | grep '^minimized'
