#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints docs/REFERENCE.md, made from the programs' own tables of flags. Usage: reference.sh BIN >docs/REFERENCE.md

set -eu
bin=$1
cat <<'TEXT'
# Reference

All flags of all programs. Made from the programs themselves by
`sh tests/support/reference.sh build/debug/bin >docs/REFERENCE.md`; a test checks that it is current. `--help` shows the same, and
so do the man pages that `cmake --install` brings.

## Configuration files

`dfs-nm --config FILE` and `dfs-ss --config FILE` take settings from an INI file: the names are those of the flags, without the
dashes. What the command line says wins.

```ini
# /etc/dfs/dfs.ini
[dfs-nm]
data = /srv/dfs/nm
listen = 10.0.0.1:4610
insecure = yes

[dfs-ss]
data = /srv/disk1/dfs
data = /srv/disk2/dfs
nm = 10.0.0.1:4610,10.0.0.2:4610
listen = 10.0.0.1:4620
insecure = yes

[dfs]
nm = 10.0.0.1:4610,10.0.0.2:4610
```

Settings before the first section are for every program that reads the file, those in a section for the program it is named
after. What may be given several times (`data`) stands several times; of anything else the last one counts. Switches take `yes`
or `no`. `;` after a space begins a comment. A name that is no flag, a value that is none, or a line longer than the parser
takes (198 bytes with the inih of Debian) is an error, at the start and not later.

SIGHUP makes a server read its file again. `log-level` and `log-json` change at once; for every other setting that differs the
log says that it takes effect at the next start.

`dfs` reads `$DFS_CONFIG`, else `~/.config/dfs/dfs.ini`, else `/etc/dfs/dfs.ini` if there is one. It takes `nm` and `color` from
it, before any section or in `[dfs]`; `DFS_NM` and flags win.

## dfs-nm

TEXT
"$bin/dfs-nm" --print-reference
printf '\n## dfs-ss\n\n'
"$bin/dfs-ss" --print-reference
printf '\n## dfs-bench\n\n'
"$bin/dfs-bench" --print-reference
cat <<'TEXT'

Exit status: 0 all went well, 1 an operation failed or Ctrl-C, 2 wrong usage, 3 `--compare` found something slower.

`--json` writes one object. `results` has one for each kind of operation:

| member | |
|---|---|
| `workload`, `op` | `meta`: `create`, `stat`, `list`, `rename`, `unlink`; `rand`: `rand` (all), `read`, `write`; `mix`: `mix` (all), `put`, `get`, `stat`, `remove`; the others one of their own name; with `--verify` also `verify` |
| `concurrency`, `connections`, `depth` | requests under way at a time: connections times depth |
| `size` | bytes of a file, of `rand` of a block |
| `ops`, `bytes`, `errors`, `seconds` | of all rounds together |
| `ops_per_s`, `bytes_per_s` | medians of the rounds |
| `rounds` | operations a second, one number for each round |
| `p50_us`, `p90_us`, `p99_us`, `p999_us`, `max_us` | latency in microseconds, to within 3 % |
| `cpu_nameservers`, `cpu_storage`, `cpu_bench` | cores kept busy in the last round, 1.0 is one core; absent if servers do not tell |
| `first_error` | a sentence; only with errors |

`servers` has one object for each process: `address`, `host`, `pid`, `nameserver`, `storage` (what it is), `cores` of its machine,
`cpu_s` since the run began, `memory` and `memory_peak` in bytes. `verified_bytes` were read and compared with what was stored;
`interrupted` says whether Ctrl-C ended it; `version` is that of dfs-bench.

`--compare` matches operations by workload, op, concurrency and size. Two medians differ if they are further apart than the
noise of both runs together, at least 3 %; a run's noise is half of what lies between its fastest and slowest round, as a part of
the median, and 10 % if there was one round only.
TEXT
printf '\n## dfs\n\n'
"$bin/dfs" help --print-reference
printf '\n### dfs up DIR\n\nRun a whole cluster on this machine, for trying out.\n\n'
"$bin/dfs" up --print-reference
for verb in mount umount; do
    printf '\n### dfs %s\n\n```\n' $verb
    "$bin/dfs" $verb --help
    printf '```\n'
done
