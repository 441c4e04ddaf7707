#!/bin/sh
# SPDX-License-Identifier: MIT
# libdfs as its user gets it: installed, found by pkg-config and by CMake, shared and static, from C and C++; the examples
# are compiled against it and run.
. "$(dirname "$0")/lib.sh"

SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=$(cd "$DFS_BIN/.." && pwd)
P=$T/prefix
for need in cmake pkg-config cc; do
    command -v $need >/dev/null || { say "skipped: no $need"; exit 77; }
done
cmake --install "$BUILD" --prefix "$P" >"$T/install.log" 2>&1 || fail "cmake --install: $(tail -n 5 "$T/install.log")"
LIB=$(dirname "$(find "$P" -name libdfs.so)")
export PKG_CONFIG_PATH="$LIB/pkgconfig" LD_LIBRARY_PATH="$LIB"
SANITIZE=""
if nm -D "$LIB/libdfs.so" | grep -q __asan_init; then SANITIZE="-fsanitize=address,undefined"; fi

say "headers"
printf '#include <dfs/dfs.h>\nint main() { return dfs_strerror(DFS_EIO) == 0; }\n' >"$T/header.cpp"
if command -v c++ >/dev/null; then
    c++ -Wall -Wextra -Werror -pedantic -std=c++11 $(pkg-config --cflags dfs) -c "$T/header.cpp" -o "$T/header.o" ||
        fail "the header is no C++"
fi
cc -Wall -Wextra -Werror -pedantic -std=c99 -x c $(pkg-config --cflags dfs) -c "$T/header.cpp" -o "$T/header.o" || fail "the header is no C99"

say "examples"
start_cluster 2
for example in copy list thousand; do
    cc -O1 -Wall -Wextra -Werror -std=gnu11 $SANITIZE "$SOURCE/examples/$example.c" -o "$T/$example" $(pkg-config --cflags --libs dfs) ||
        fail "$example does not compile"
    cc -O1 -std=gnu11 $SANITIZE "$SOURCE/examples/$example.c" -o "$T/$example-static" $(pkg-config --cflags dfs) "$LIB/libdfs.a" \
        $(pkg-config --static --libs-only-l dfs | sed 's/-ldfs//') || fail "$example does not compile statically"
done
for kind in "" -static; do
    "$T/copy$kind" "$SOURCE/README.md" "/readme$kind" >"$T/out" || fail "copy$kind"
    grep -q "1 chunks, 2 copies" "$T/out" || fail "copy$kind says $(cat "$T/out")"
    dfs cat "/readme$kind" | cmp - "$SOURCE/README.md" || fail "copy$kind copied something else"
    "$T/thousand$kind" "/thousand$kind" >"$T/out" || fail "thousand$kind: $(cat "$T/out")"
    [ "$(cat "$T/out")" = "1000 files stored and read back, 0 failed" ] || fail "thousand$kind: $(cat "$T/out")"
    [ "$("$T/list$kind" / | wc -l)" = "$(($(dfs find / | wc -l) - 1))" ] || fail "list$kind"
done
"$T/copy" /etc/hostname /no/such/directory 2>"$T/err" && fail "copy into nothing"
grep -q "no such file or directory" "$T/err" || fail "copy into nothing: $(cat "$T/err")"
DFS_NM=127.0.0.1:1 "$T/list" 2>"$T/err" && fail "list of nothing"
grep -q "127.0.0.1:1 cannot be reached" "$T/err" || fail "list of nothing: $(cat "$T/err")"

say "find_package"
mkdir "$T/consumer"
cat >"$T/consumer/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.22)
project(consumer C)
find_package(dfs 0.1 REQUIRED)
foreach(kind SHARED STATIC)
    add_executable(copy_\${kind} $SOURCE/examples/copy.c)
    target_link_libraries(copy_\${kind} PRIVATE dfs::\${kind})
endforeach()
CMAKE
{
    cmake -S "$T/consumer" -B "$T/consumer/build" -DCMAKE_PREFIX_PATH="$P" -DCMAKE_C_FLAGS="$SANITIZE -D_GNU_SOURCE" &&
        cmake --build "$T/consumer/build"
} >"$T/cmake.log" 2>&1 || fail "find_package: $(tail -n 20 "$T/cmake.log")"
for kind in SHARED STATIC; do
    "$T/consumer/build/copy_$kind" "$SOURCE/LICENSE" "/licence-$kind" >/dev/null || fail "copy by find_package, $kind"
done
pass
