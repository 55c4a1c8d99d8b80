#!/bin/sh
# Installs what is missing of the packages named in the given lists, from the Debian archive that
# this machine is set up for. Prints the list first; does nothing when nothing is missing.
#
#   packaging/install-deps.sh LIST...
set -eu

fail() { echo "install-deps: $*" >&2; exit 1; }

[ $# -gt 0 ] || fail "usage: $0 LIST..."
wanted=$(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$@") || fail "cannot read $*"

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install-deps: this is not a Debian system; the equivalents of these have to be there:"
    echo $wanted
    exit 0
fi

# Names of all installed packages, and of what they provide (one vendor's nodejs brings npm along).
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\n' |
    sed -n 's/^installed //p' | tr ',' '\n' | sed -e 's/(.*//' -e 's/ //g')
missing=
for package in $wanted; do
    printf '%s\n' "$installed" | grep -qxF "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "These Debian packages are missing and will be installed:"
for package in $missing; do echo "    $package"; done

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
        fail "neither root nor sudo: install the packages above by hand, then try again"
    as_root=sudo
fi

apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@"; }

# The package lists may be absent (a fresh container) or older than the archive: then update, once.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! apt install -y --no-install-recommends $missing >"$log" 2>&1; then
    echo "Updating the package lists ..."
    apt update >"$log" 2>&1 || { cat "$log" >&2; fail "apt-get update failed"; }
    apt install -y --no-install-recommends $missing >"$log" 2>&1 || {
        cat "$log" >&2
        fail "apt-get could not install:$missing"
    }
fi
echo "Installed."
