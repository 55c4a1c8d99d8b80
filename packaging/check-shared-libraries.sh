#!/bin/sh
# Fails when a program needs a shared library beyond the C library's own, so that a copied binary
# runs on a stock system.
#
#   packaging/check-shared-libraries.sh PROGRAM...
set -eu
status=0
for program in "$@"; do
    extra=$(ldd "$program" | awk '{ print $1 }' | sed 's,.*/,,' |
        grep -vE '^(linux-vdso|ld-linux-[a-z0-9-]+|libc|libm|libpthread|libdl|librt)\.so' || true)
    [ -z "$extra" ] || { echo "$program also needs:" $extra >&2; status=1; }
done
exit $status
