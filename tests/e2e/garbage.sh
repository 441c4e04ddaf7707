#!/bin/sh
# SPDX-License-Identifier: MIT
# G7: whatever arrives on a socket, the server stays up, names the peer in its log, serves everybody else, and its memory
# stays flat. Random bytes, half frames, giant lengths, broken messages behind a good HELLO, connections that say nothing.
# Without a CLI (GARBAGE_ONLY=ADDRESS) it only attacks one address.
command -v perl >/dev/null || { echo "garbage: skipped, there is no perl"; exit 77; }
# ASan keeps freed memory in quarantine, which is not what is measured here.
ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1"
export ASAN_OPTIONS
. "$(dirname "$0")/lib.sh"

cat >"$T/hostile.pl" <<'PERL'
# hostile.pl HOST:PORT ROUNDS SEED
use strict; use warnings; use Socket;
my ($host, $port) = split /:/, $ARGV[0];
my $rounds = $ARGV[1];
srand $ARGV[2];
$SIG{PIPE} = 'IGNORE';

my @table = map { my $c = $_; $c = $c & 1 ? ($c >> 1) ^ 0x82F63B78 : $c >> 1 for 1 .. 8; $c } 0 .. 255;
sub crc32c { my $c = 0xFFFFFFFF; $c = ($c >> 8) ^ $table[($c ^ $_) & 255] for unpack 'C*', shift; $c ^ 0xFFFFFFFF }
sub random_bytes { join '', map { chr int rand 256 } 1 .. shift }
# A header whose checksums are true, whatever it claims.
sub header {
    my ($type, $id, $head, $head_len, $payload_len) = @_;
    my $h = pack 'a4CCSQLLL', 'DFS1', 1, 0, $type, $id, $head_len, $payload_len, crc32c($head);
    $h . pack 'L', crc32c($h);
}
sub frame { my ($type, $id, $head, $payload) = @_; header($type, $id, $head, length $head, length $payload) . $head . $payload }
sub hello { frame(0x0001, 1, pack('SQQQCQS/a*', 0, 0, 0, 0, 1, 99, 'hostile'), '') }
sub dial {
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    connect($s, sockaddr_in($port, inet_aton($host))) or die "connect $host:$port: $!";
    $s;
}
sub attack { my $s = dial(); syswrite $s, $_[0]; close $s }

my @types = (0x0001, 0x0002, 0x0101, 0x0102, 0x0110 .. 0x0114, 0x0118, 0x0120 .. 0x0126, 0x0201 .. 0x0203, 0x0301 .. 0x0306,
             0x0401, 0x0402, 0x8000, 0x8110, 0x7777);
my @open;
for my $i (1 .. $rounds) {
    attack(random_bytes(1 + int rand 5000));
    attack('DFS1' . random_bytes(100));
    attack(substr hello(), 0, 1 + int rand(length(hello()) - 1));
    attack(header(0x0001, 1, '', 0xFFFFFFFF, 0));
    attack(header(0x0001, 1, '', 0, 0xFFFFFFFF) . random_bytes(2000));
    attack(hello() . header(0x0110, 2, '', 0x7FFFFFFF, 0x7FFFFFFF));
    attack(hello() . header(0x0401, 2, '', 0, 1 << 20) . random_bytes(3000)); # announces a payload, sends a part
    attack(hello() . header(0x0126, 2, '', 2 << 20, 0) . random_bytes(3000)); # the same with a head
    # well-framed nonsense of every type
    my $all = hello();
    $all .= frame($_, 1 + int rand 100, random_bytes(int rand 200), random_bytes(int rand 300)) for @types;
    attack($all);
    for my $type (@types) { attack(hello() . frame($type, 7, random_bytes(int rand 64), '')) }
    attack(hello() . frame(0x0110, 3, pack('QS/a*L', 1, '/', 0), '') . random_bytes(50)); # a good request, then noise
    push @open, dial() for 1 .. 5; # says nothing
    my $slow = dial(); syswrite $slow, 'D'; push @open, $slow;
}
sleep $ARGV[3] if $ARGV[3];
PERL

attack() { perl "$T/hostile.pl" "$1" "$2" "$3" 0 || fail "$1 did not take connections any more"; }

rss_of() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(pid_of "$1")/status"; }

if [ -n "${GARBAGE_ONLY:-}" ]; then
    attack "$GARBAGE_ONLY" "${ROUNDS:-20}" 1
    exit 0
fi

# check SERVER ADDRESS
check() {
    attack "$2" 10 1 # warms up: buffers and pools take their size
    before=$(rss_of "$1")
    for seed in 2 3 4; do
        attack "$2" 20 $seed &
        attacker=$!
        JOBS="$JOBS $attacker"
        n=0
        while kill -0 $attacker 2>/dev/null; do
            dfs put "$T/file" "/during-$1-$seed-$n" || fail "a put failed while $1 was under attack"
            dfs cat "/during-$1-$seed-$n" | cmp -s - "$T/file" || fail "wrong bytes while $1 was under attack"
            n=$((n + 1))
        done
        wait $attacker || fail "the attack on $1 broke off"
    done
    after=$(rss_of "$1")
    grew=$((after - before))
    [ $grew -lt 16384 ] || fail "the memory of $1 grew by $grew KiB under attack"
    grep -q 'net.broken.*peer=127.0.0.1:[0-9]' "$T/$1.log" || fail "$1 logged no bad peer"
    lines=$(grep -c 'net.broken' "$T/$1.log")
    say "$1 survived: $lines bad connections named in the log, memory $before -> $after KiB"
}

start_cluster 2
random_file "$T/file" 20000
check nm "$DFS_NM"
check ss1 "127.0.0.1:$(sed 's/.*://' "$T/ss1.port")"
dfs status >/dev/null || fail "no status afterwards"
pass
