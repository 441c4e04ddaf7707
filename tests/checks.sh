#!/bin/sh
# SPDX-License-Identifier: MIT
# Looks at DFS with other tools than its tests do. Each step says what it does, and how long that took; the last lines are the
# summary, the exit status is theirs. tests/run.sh --checks installs what is needed and runs all of them.
#
#   sh tests/checks.sh              every step
#   sh tests/checks.sh tidy tsan    these
#
#   source     layers, sizes and licence lines; exported symbols and the layout of public structs
#   clang      everything compiled by clang, with its warnings, and the fuzzers
#   tidy       clang-tidy (.clang-tidy) over lib/, apps/, examples/ and tests/; with $CHECKS_SINCE only what differs from that commit
#   tsan       the thread sanitizer: tests with a real loop and its pool of threads, programs, mounts
#   valgrind   memcheck over the unit tests; those of $SLOW are left out
#   breaks     every rule is broken on purpose, and a test notices (tests/breaks.sh)
#
# JOBS: how many at once (all processors).

set -eu

cd "$(dirname "$0")/.."
JOBS=${JOBS:-$(nproc)}
LOGS=build/checks
STEPS="source clang tidy tsan valgrind breaks"
# Under memcheck these take minutes each, and hold nothing that others do not; asan looks at them in every run.
SLOW="test_ss_powercut test_meta_scale test_ss_crash test_ss_golden test_ss_space"
# What has threads: disk operations (all servers), notices and locks for the kernel (mounts). What depends on time is left out.
TSAN_E2E='^e2e_(append|chunks|cli|goals|kill_one|locks|mount_locks|mount_small|names|restart|sync|tree|watch)$'
export TSAN_OPTIONS="exitcode=66:die_after_fork=0:second_deadlock_stack=1"

say() { echo "checks: $*"; }

build() {
    cmake --preset "$1" >/dev/null && cmake --build "build/$1" -j "$JOBS"
}

step_source() {
    build debug || return 1
    ctest --test-dir build/debug --output-on-failure -L style
}

step_clang() {
    build clang
}

# Only files that are compiled have what clang-tidy needs. What is preloaded defines libc's functions by other names of parameters.
step_tidy() {
    build clang >/dev/null || return 1
    sed -n 's/^ *"file": "\(.*\)",*$/\1/p' build/clang/compile_commands.json | grep -v /tests/support/preload/ |
        sort -u >$LOGS/tidy.files
    if [ -n "${CHECKS_SINCE:-}" ]; then
        git diff --name-only "$CHECKS_SINCE" | grep -F -f - $LOGS/tidy.files >$LOGS/tidy.some || return 0
        mv $LOGS/tidy.some $LOGS/tidy.files
    fi
    echo "$(wc -l <$LOGS/tidy.files) files"
    xargs -P "$JOBS" -n 1 clang-tidy -quiet -p build/clang <$LOGS/tidy.files 2>$LOGS/tidy.err
}

step_tsan() {
    build tsan || return 1
    ctest --test-dir build/tsan --output-on-failure -j "$JOBS" -L uv || return 1
    ctest --test-dir build/tsan --output-on-failure -R "$TSAN_E2E"
}

# memcheck TEST: what it says, if it complains or the test fails
memcheck() {
    out=$LOGS/$(basename "$1").memcheck
    valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect,possible "$1" >"$out" 2>&1 && return
    echo "$1: exit status $?"
    grep -E '^==|FAILED|LINE' "$out" | head -n 40
    return 1
}

step_valgrind() {
    build debug || return 1
    for source in tests/unit/test_*.c; do
        name=$(basename "$source" .c)
        case " $SLOW " in *" $name "*) ;; *) echo "build/debug/tests/$name" ;; esac
    done | xargs -P "$JOBS" -n 1 sh tests/checks.sh --memcheck
}

step_breaks() {
    JOBS=$JOBS sh tests/breaks.sh
}

if [ "${1:-}" = --memcheck ]; then
    memcheck "$2"
    exit
fi
[ $# -gt 0 ] || set -- $STEPS
for step in "$@"; do
    case " $STEPS " in
        *" $step "*) ;;
        *) echo "checks.sh: no step $step (there are: $STEPS)" >&2; exit 2 ;;
    esac
done
mkdir -p $LOGS
SUMMARY="" status=0
for step in "$@"; do
    say "$step: $(sed -n "s/^#   $step  *//p" tests/checks.sh | tail -n 1)"
    began=$(date +%s)
    if "step_$step"; then result=fine; else result=FAILED status=1; fi
    line="$step: $result, $(($(date +%s) - began)) s"
    say "$line"
    SUMMARY="$SUMMARY
  $line"
done
say "summary:$SUMMARY"
exit $status
