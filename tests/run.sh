#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds DFS with sanitizers and runs every test. The last lines printed are the summary; the exit status is theirs.

set -eu

usage() {
    cat <<'HELP'
Usage: sh tests/run.sh [OPTION]... [-- CTEST-ARGUMENT...]

  --yes            install missing packages without asking
  --long MINUTES   let the tests that can go on for long (simulation, end to end) go on for so long
  --checks         not the tests: other compilers and tools look at everything (tests/checks.sh; up to an hour)
  --preset NAME    asan (default), clang, debug or release
  -h, --help       show this
HELP
}

YES="" PRESET=asan CHECKS=""
while [ $# -gt 0 ]; do
    case $1 in
        --yes) YES=--yes ;;
        --checks) CHECKS=1 ;;
        --long | --preset)
            [ $# -ge 2 ] || { echo "run.sh: $1 needs a value" >&2; exit 2; }
            if [ "$1" = --long ]; then
                export DFS_TEST_LONG="$2"
            else
                PRESET=$2
            fi
            shift
            ;;
        -h | --help) usage; exit 0 ;;
        --) shift; break ;;
        *) echo "run.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done

cd "$(dirname "$0")/.."
if [ -n "$CHECKS" ]; then
    sh tests/support/install.sh $YES checks
    exec sh tests/checks.sh "$@"
fi
sh tests/support/install.sh $YES test
cmake --preset "$PRESET" >/dev/null
cmake --build "build/$PRESET" -j "$(nproc)"
exec ctest --test-dir "build/$PRESET" --output-on-failure -j "$(nproc)" "$@"
