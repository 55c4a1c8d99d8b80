#!/bin/bash
# Runs a command and says what and how long in one line; its output goes to build/log/ and is shown
# only when it fails.
#
#   packaging/quietly.sh "what it does" COMMAND ARGUMENT...
set -u
what=$1
shift
mkdir -p build/log
log=build/log/$(printf '%s' "$what" | tr -c 'a-zA-Z0-9.-' '_').log
start=$(date +%s%N)
"$@" >"$log" 2>&1
status=$?
ms=$((($(date +%s%N) - start) / 1000000))
if [ $status -ne 0 ]; then
    cat "$log" >&2
    echo "FAILED: $what (exit $status, full output in $log)" >&2
    exit $status
fi
printf '%s (%d.%d s)\n' "$what" $((ms / 1000)) $((ms % 1000 / 100))
