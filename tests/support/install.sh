#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the packages that cmake/packages.txt lists and that are missing. Usage: install.sh [--yes] build|test|checks
#
# Asks before it changes the system, unless --yes is given or CI is set. Where the distribution's libraft is not the one
# needed, it is taken from the distribution's backports, on the mirror that apt already uses.

set -eu

LIST=$(cd "$(dirname "$0")/../.." && pwd)/cmake/packages.txt
APT=${DFS_APT_DIR:-/etc/apt} # another folder only in tests of this script
YES=${CI:-}
WHAT=""
for arg in "$@"; do
    case $arg in
        --yes) YES=yes ;;
        build | test | checks) WHAT=$arg ;;
        *)
            echo "usage: install.sh [--yes] build|test|checks" >&2
            exit 2
            ;;
    esac
done
[ -n "$WHAT" ] || { echo "usage: install.sh [--yes] build|test|checks" >&2; exit 2; }

# "package version" of everything wanted; tests need what the build needs, checks what tests need.
wanted() {
    awk -v what="$WHAT" '/^#/ || NF == 0 { next } $1 == "build" || $1 == what || (what == "checks" && $1 == "test") { print $2, $3 }' "$LIST"
}

installed_version() {
    dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | awk '$1 == "installed" { print $2; exit }'
}

missing() {
    wanted | while read -r package version; do
        have=$(installed_version "$package")
        case $have in
            "") echo "$package $version" ;;
            "$version"*) ;;
            *) echo "$package $version" ;;
        esac
    done
}

# "URI signed-by" of the first source of this suite's main component, in either of apt's formats.
mirror_of() {
    cat "$APT"/sources.list.d/*.sources 2>/dev/null | awk -v suite="$1" '
        function finish() {
            if (!done && index(" " suites " ", " " suite " ") && index(" " comps " ", " main ") && types ~ /deb/ && !off) {
                split(uris, u, " "); print u[1], key; done = 1
            }
            suites = comps = types = uris = key = ""; off = 0
        }
        /^#/ { next }
        /^[ \t]*$/ { finish(); next }
        { name = tolower($1); value = $0; sub(/^[^:]*:[ \t]*/, "", value) }
        name == "types:" { types = value }
        name == "uris:" { uris = value }
        name == "suites:" { suites = value }
        name == "components:" { comps = value }
        name == "signed-by:" && value ~ /^\// { key = value }
        name == "enabled:" && tolower(value) == "no" { off = 1 }
        END { finish() }' | head -n 1
    cat "$APT"/sources.list "$APT"/sources.list.d/*.list 2>/dev/null | awk -v suite="$1" '
        $1 != "deb" { next }
        {
            key = ""; i = 2
            if ($i ~ /^\[/) {
                do {
                    option = $i; gsub(/[][]/, "", option)
                    if (option ~ /^signed-by=/) key = substr(option, 11)
                    last = $i; i++
                } while (last !~ /\]$/ && i <= NF)
            }
            if ($(i + 1) == suite && index($0 " ", " main ")) { print $i, key; exit }
        }'
}

backports_line() {
    mirror_of "$1" | head -n 1 | {
        read -r uri key || return 1
        echo "deb ${key:+[signed-by=$key] }$uri $1-backports main"
    }
}

available_version() {
    apt-cache madison "$1" 2>/dev/null | awk -F '|' -v want="$2" '
        { gsub(/ /, "", $2) } index($2, want) == 1 { print $2; exit }'
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# "package=version" where one version is needed (and of the library it brings), else the name.
arguments() {
    missing | while read -r package version; do
        if [ -z "$version" ]; then
            echo "$package"
            continue
        fi
        exact=$(available_version "$package" "$version")
        [ -n "$exact" ] || { echo "install: $package $version is not to be had here" >&2; exit 1; }
        echo "$package=$exact"
        library=$(apt-cache show "$package=$exact" | sed -n "s/^Depends:.*\(lib[a-z0-9]*\) (= $exact).*/\1/p" | head -n 1)
        [ -z "$library" ] || echo "$library=$exact"
    done
}

if [ "${DFS_INSTALL_SHOW:-}" = source ]; then
    backports_line "$(. /etc/os-release && echo "$VERSION_CODENAME")"
    exit
fi

need=$(missing)
[ -n "$need" ] || exit 0
echo "Missing packages: $(echo "$need" | awk '{ printf "%s%s", sep, $1; sep = " " }')"
command -v apt-get >/dev/null || { echo "install: this is not Debian; install what $LIST lists" >&2; exit 1; }
if [ -z "$YES" ]; then
    [ -t 0 ] || { echo "install: run with --yes to install them, or install them yourself" >&2; exit 1; }
    printf 'Install them with apt-get? [y/N] '
    read -r answer
    case $answer in
        y | Y | yes) ;;
        *) exit 1 ;;
    esac
fi

export DEBIAN_FRONTEND=noninteractive
as_root apt-get update -qq
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
version=$(echo "$need" | awk '$1 == "libraft-dev" { print $2 }')
if [ -n "$version" ] && [ -z "$(available_version libraft-dev "$version")" ]; then
    line=$(backports_line "$codename") || { echo "install: no source of $codename found under $APT" >&2; exit 1; }
    echo "Adding to apt: $line"
    echo "$line" | as_root tee "$APT/sources.list.d/dfs-backports.list" >/dev/null
    as_root apt-get update -qq
fi
packages=$(arguments)
# shellcheck disable=SC2086
as_root apt-get install -y -q --no-install-recommends $packages
