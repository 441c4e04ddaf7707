#!/bin/sh
# SPDX-License-Identifier: MIT
# Breaks the rules of the system on purpose, one at a time, and sees that a test notices. Each tests/breaks/RULE-NAME.patch
# breaks one; it begins with what it breaks, the test that must fail ("run: TEST", "run: e2e SCRIPT", "run: sim FLAG…" or "run: source"),
# and what that must say ("seen: TEXT", of a unit test the names that failed).
#
#   sh tests/breaks.sh              all of them
#   sh tests/breaks.sh C20 D22      those of these rules; with a name (D22-header) that one
#   sh tests/breaks.sh --fit        only whether all of them still fit the sources
#
# The sources are copied to build/breaks, broken and built there: what a program is made of is never touched. A test is first run
# without the break, and must pass. Those that need what is not here (a mount, say) are skipped, and counted as that.

set -eu

cd "$(dirname "$0")/.."
HERE=$PWD SOURCE=$PWD/build/breaks/source BUILD=$PWD/build/breaks/build
JOBS=${JOBS:-$(nproc)}
UNIT_LIMIT=${UNIT_LIMIT:-120}
TESTED="" caught=0 missed="" skipped=""

say() { echo "breaks: $*"; }

# --- the copy ---

copy() { # what has not changed keeps its time, so that little is built again
    mkdir -p "$SOURCE"
    for what in CMakeLists.txt apps cmake docs examples include lib tests; do
        rm -rf "${SOURCE:?}/$what"
        cp -a "$what" "$SOURCE"
    done
    mkdir -p "$BUILD"
    touch "$BUILD/broken"
    cmake -S "$SOURCE" -B "$BUILD" -G Ninja -DCMAKE_BUILD_TYPE=Debug >/dev/null
    while read -r file; do # what was built of it may be newer, and broken
        [ ! -e "$SOURCE/$file" ] || touch "$SOURCE/$file"
    done <"$BUILD/broken"
}
build() { # build TARGET...: what went wrong is in build.log
    [ $# = 0 ] || cmake --build "$BUILD" -j "$JOBS" --target "$@" >"$BUILD/build.log" 2>&1
}
break_by() { # break_by PATCH: all that ever was is in $BUILD/broken
    sed -n 's:^--- a/::p' "$1" >"$BUILD/breaking"
    sort -u -o "$BUILD/broken" "$BUILD/broken" "$BUILD/breaking"
    (cd "$SOURCE" && patch -p1 -s -F2 --no-backup-if-mismatch <"$HERE/$1")
}
mend() { # newer than what was built of the broken ones
    while read -r file; do
        cp "$HERE/$file" "$SOURCE/$file"
        touch "$SOURCE/$file"
    done <"$BUILD/breaking"
}

# --- a test ---

targets() { # targets KIND [NAME]
    case $1 in
    e2e) echo all ;;
    sim) echo dfs-sim ;;
    source) ;;
    *) echo "$1" ;;
    esac
}
# noticed TEXT: a unit test names the tests that failed in lines of their own; what else it says does not count.
noticed() {
    if grep -q '^\[  *FAILED' "$BUILD/out"; then
        grep '^\[  *FAILED' "$BUILD/out" | grep -q -e "$1"
    else
        grep -q -e "$1" "$BUILD/out"
    fi
}
# unit TEST TEXT: ends when it says TEXT, with or without the test that was to fail; with "" it runs to its end.
unit() {
    (ulimit -v 2000000; exec timeout "$UNIT_LIMIT" "$BUILD/tests/$1") >"$BUILD/out" 2>&1 & # what is broken may well grow
    job=$!
    while [ -n "$2" ] && kill -0 $job 2>/dev/null; do
        if grep '^\[  *FAILED' "$BUILD/out" | grep -q -e "$2"; then
            kill $job 2>/dev/null || true
            { wait $job || true; } 2>/dev/null
            return 1
        fi
        sleep 0.05
    done
    wait $job
}
# Whether it passes; what it says is in $BUILD/out.
runs() { # runs TEXT KIND ARGUMENT...
    expected=$1 kind=$2
    shift 2
    case $kind in
    e2e) DFS_BIN=$BUILD/bin timeout 300 sh "$SOURCE/tests/e2e/$1.sh" >"$BUILD/out" 2>&1 ;;
    sim) timeout 600 "$BUILD/bin/dfs-sim" "$@" >"$BUILD/out" 2>&1 ;;
    source) sh "$SOURCE/tests/support/check-source.sh" "$SOURCE" >"$BUILD/out" 2>&1 ;;
    *) unit "$kind" "$expected" ;;
    esac
}
passes_whole() { # passes_whole RUN: looked at once
    case "$TESTED" in *"|$1|"*) return 0 ;; esac
    build $(targets $1) || return 1
    status=0
    runs '' $1 || status=$?
    [ $status != 0 ] || TESTED="$TESTED|$1|"
    return $status
}

# --- a break ---

try() { # try PATCH
    name=$(basename "$1" .patch)
    run=$(sed -n 's/^run: //p' "$1") text=$(sed -n 's/^seen: //p' "$1")
    status=0
    passes_whole "$run" || status=$?
    if [ $status = 77 ]; then
        skipped="$skipped $name"
        say "$name: skipped: $(tail -n 1 "$BUILD/out")"
        return
    elif [ $status != 0 ]; then
        missed="$missed $name"
        say "$name: $run does not pass without the break (build.log and out in $BUILD)"
        return
    fi
    began=$(date +%s)
    if ! break_by "$1"; then
        result="the patch does not fit any more"
    elif ! build $(targets $run); then
        result="it does not build ($BUILD/build.log)"
    elif runs "$text" $run; then
        result="NOT noticed by $run"
    elif noticed "$text"; then
        result=""
    else
        result="$run fails, but not by \"$text\" ($BUILD/out)"
        cp "$BUILD/out" "$BUILD/$name.out"
    fi
    mend
    if [ -n "$result" ]; then
        missed="$missed $name"
        say "$name: $result"
    else
        caught=$((caught + 1))
        say "$name: noticed by $run, $(($(date +%s) - began)) s"
    fi
}

command -v patch >/dev/null || { echo "breaks.sh: skipped: patch is not installed" >&2; exit 77; }
fit() {
    status=0
    for patch in tests/breaks/*.patch; do
        patch -p1 -s -F2 --dry-run <"$patch" >/dev/null || { echo "$patch does not fit any more: break the rule anew" >&2; status=1; }
    done
    exit $status
}

[ "${1:-}" != --fit ] || fit
[ $# -gt 0 ] || set -- ""
copy
for wanted in "$@"; do
    found=""
    for patch in tests/breaks/*.patch; do
        case $(basename "$patch") in
        "$wanted".patch | "$wanted"-*.patch) ;;
        *) [ -z "$wanted" ] || continue ;;
        esac
        found=1
        try "$patch"
    done
    [ -n "$found" ] || { echo "breaks.sh: there is no break $wanted" >&2; exit 2; }
done
say "$caught noticed${skipped:+, skipped:$skipped}${missed:+, NOT noticed:$missed}"
[ -z "$missed" ]
