#!/bin/bash
# Line coverage of our own sources by file, from a build with STELE_COVERAGE=ON whose tests have run.
# The table goes to BUILD/summary.txt and to the terminal, least covered first.
#
#   packaging/coverage.sh BUILD
set -eu
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/.." && pwd)

# gcov speaks in pairs of lines: File '/path/x.c', Lines executed:97.50% of 80.
find "$build" -name '*.c.gcda' -not -path '*/tests/*' -print0 |
    xargs -0 -n 50 gcov --no-output 2>/dev/null |
    awk -v top="$top/" '
        /^File / { file = substr($0, 7, length($0) - 7); next }
        /^Lines executed:/ && index(file, top) == 1 && file ~ /\.c$/ {
            split(substr($0, 16), part, "% of ")
            name = substr(file, length(top) + 1)
            if (part[2] > lines[name]) { lines[name] = part[2]; share[name] = part[1] }
        }
        /^Lines executed:/ { file = "" }
        END {
            for (name in lines) {
                printf "%6.1f %% of %5d  %s\n", share[name], lines[name], name
                total += lines[name]
                covered += share[name] * lines[name] / 100
            }
            if (total) printf "%6.1f %% of %5d  all\n", 100 * covered / total, total
        }' | sort -n >"$build/summary.txt"
[ -s "$build/summary.txt" ] || { echo "no coverage data in $build" >&2; exit 1; }
cat "$build/summary.txt"
