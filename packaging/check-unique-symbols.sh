#!/bin/sh
# Fails when two layers define the same function or variable: a static link takes whichever comes
# first and says nothing.
#
#   packaging/check-unique-symbols.sh ARCHIVE...
set -eu
# nm -A: "libx.a:file.c.o:0000000000000000 T name"; names of the compiler's own begin with two
# underscores.
twice=$(nm -A --defined-only -g "$@" |
    awk '$2 ~ /^[TDBR]$/ && $3 !~ /^__/ {
             sub(/:[0-9a-f]*$/, "", $1)
             sub(/.*\//, "", $1)
             if ($3 in place) print $3 " is defined twice: " place[$3] ", " $1
             place[$3] = $1
             found++
         }
         END { if (!found) print "no symbols at all in what was given" }')
[ -z "$twice" ] || { echo "$twice" >&2; exit 1; }
