#!/bin/sh
# SPDX-License-Identifier: MIT
# What a program built against the public headers has compiled in: where the fields of structs are, and what constants are worth. They are
# those of cmake/libdfs.layout (64 bits): a line that changes or goes breaks programs (then the major version moves), and so does
# a field in the middle. What is new and moves nothing may be added to the list later. Usage: check-layout.sh CC [--update]

set -eu
cc=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
list=$root/cmake/libdfs.layout
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
export LC_ALL=C
{
    printf '#include <stddef.h>\n#include <stdio.h>\n#include <dfs/dfs.h>\nint main(void)\n{\n'
    tr '\n' '\001' <"$root/include/dfs/dfs.h" | sed 's|/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/||g' | tr '\001' '\n' | awk '
        function field(name) {
            printf "printf(\"%s.%s at %%zu, %%zu bytes\\n\", offsetof(struct %s, %s), sizeof(((struct %s *)0)->%s));\n", in_struct, name, in_struct, name, in_struct, name
        }
        function declaration(text,    n, names, i) {
            if (text ~ /\(\*/) { # a function
                sub(/^[^(]*\(\*/, "", text); sub(/\).*/, "", text); field(text); return
            }
            n = split(text, names, ",")
            for (i = 1; i <= n; i++) {
                sub(/\[.*/, "", names[i]); sub(/[ \t]+$/, "", names[i]); sub(/^.*[^a-z0-9_]/, "", names[i])
                if (names[i] != "") field(names[i])
            }
        }
        function value(name) { printf "printf(\"%s = %%lld\\n\", (long long)(%s));\n", name, name }
        /^#define DFS_[A-Z_]+ / && $2 != "DFS_DFS_H" { value($2); next }
        /^struct [a-z_]+ \{/ { in_struct = $2; body = ""; next }
        /^enum [a-z_]* ?\{/ { in_enum = 1; body = "" ; sub(/^[^{]*\{/, "") }
        in_enum {
            body = body $0
            if ($0 ~ /\}/) {
                sub(/\}.*/, "", body); n = split(body, names, ",")
                for (i = 1; i <= n; i++) { sub(/=.*/, "", names[i]); gsub(/[ \t]/, "", names[i]); if (names[i] != "") value(names[i]) }
                in_enum = 0
            }
            next
        }
        in_struct != "" && /^\};/ {
            n = split(body, parts, ";")
            printf "printf(\"%s, %%zu bytes\\n\", sizeof(struct %s));\n", in_struct, in_struct
            for (k = 1; k <= n; k++) declaration(parts[k])
            in_struct = ""
            next
        }
        in_struct != "" { body = body " " $0 }'
    printf '#define E(name, number, text, retry) printf("DFS_" #name " = %%d, retry %%d\\n", DFS_##name, retry);\nDFS_ERROR_MAP(E)\nreturn 0;\n}\n'
} >"$T/layout.c"
"$cc" -I"$root/include" -o "$T/layout" "$T/layout.c"
"$T/layout" >"$T/found"
if [ "$(grep -c '^dfs_[a-z_]*, ' "$T/found")" != "$(grep -c '^struct dfs_[a-z_]* {' "$root/include/dfs/dfs.h")" ]; then
    echo "not every struct of dfs.h was understood" >&2
    exit 1
fi
if [ "${2:-}" = --update ]; then
    cp "$T/found" "$list"
elif grep -v -x -F -f "$T/found" "$list"; then
    echo "these lines are not true any more; the public headers are other than cmake/libdfs.layout says; if that is meant: $0 $cc --update" >&2
    exit 1
fi
echo "$(wc -l <"$list") lines, as listed"
