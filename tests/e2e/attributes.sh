#!/bin/sh
# SPDX-License-Identifier: MIT
# chmod, chown, touch, hard links and du, as a user types them.
. "$(dirname "$0")/lib.sh"

# expect PATH FIELD VALUE: a field of `dfs -j stat`.
expect() {
    found=$(dfs -j stat "$1" | sed -n "s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/p")
    [ "$found" = "$3" ] || fail "$2 of $1 is \"$found\", not \"$3\""
}
# holds PATH FIELD VALUE: a number of `dfs -j du -s`.
holds() {
    found=$(dfs -j du -s "$1" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p")
    [ "$found" = "$3" ] || fail "$1 holds $found $2, not $3"
}

start_cluster 2
random_file "$T/data" 10000
dfs mkdir -p /d/e/f
dfs put "$T/data" /d/e/f/file
dfs ln -s e /d/link

dfs chmod 0600 /d/e/f/file
expect /d/e/f/file mode 0600
dfs chmod u+x,go=r /d/e/f/file
expect /d/e/f/file mode 0744
dfs chmod -R go-rwx /d
expect /d/e mode 0700
expect /d/e/f/file mode 0700
dfs chmod -R u=rwX,go=rX /d
expect /d/e/f/file mode 0755
if dfs chmod nonsense /d 2>>"$T/cli.log"; then fail "chmod took nonsense"; fi
dfs chown -R 12:34 /d
expect /d/e/f/file uid 12
expect /d/e/f/file gid 34
expect /d/link gid 34
dfs chown :56 /d/e/f/file
expect /d/e/f/file uid 12
expect /d/e/f/file gid 56

dfs touch -t 2001-02-03T04:05:06Z /d/e/f/file
expect /d/e/f/file mtime 2001-02-03T04:05:06.000000000Z
dfs touch -c /nothing
if dfs stat /nothing 2>>"$T/cli.log"; then fail "touch -c made a file"; fi
dfs touch /d/new
expect /d/new size 0
if dfs touch /no/such/folder 2>>"$T/cli.log"; then fail "touch in a missing folder succeeded"; fi

dfs ln /d/e/f/file /second
expect /second nlink 2
dfs cat /second | cmp - "$T/data" || fail "the second name has other content"
if dfs ln /d /third 2>>"$T/cli.log"; then fail "a directory got a second name"; fi
holds / bytes 10000
holds / files 2
dfs rm /d/e/f/file
dfs cat /second | cmp - "$T/data" || fail "the content went with the first name"
expect /second nlink 1

holds /d bytes 0
dfs mv /second /d/e/f/
holds /d bytes 10000
holds /d directories 2
[ "$(dfs du -d 2 / | wc -l)" = 3 ] || fail "du -d 2 shows: $(dfs du -d 2 /)"
dfs xattr set /d/new user.from "the scanner"
dfs xattr set /d/new user.copy 2
[ "$(dfs xattr list /d/new | tr '\n' ' ')" = "user.copy user.from " ] || fail "the list is $(dfs xattr list /d/new)"
dfs xattr remove /d/new user.copy
dfs stat /d/new | grep -q user.from || fail "stat does not show the attribute"
dfs -j stat /d/new | grep -q '"xattrs":\["user.from"\]' || fail "stat does not show the attribute as JSON"
if dfs xattr set /d/new trusted.x 1 2>>"$T/cli.log"; then fail "another prefix was taken"; fi

kill_all
start_nm
start_ss 1
start_ss 2
wait_up 2
holds /d bytes 10000
expect /d/e/f/second nlink 1
[ "$(dfs xattr get /d/new user.from)" = "the scanner" ] || fail "the attribute is $(dfs xattr get /d/new user.from)"
pass
