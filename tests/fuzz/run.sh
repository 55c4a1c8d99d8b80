#!/bin/bash
# Runs every libFuzzer program of a build for some seconds, several at a time. New inputs stay in
# BUILD/corpus/NAME, what broke a target in BUILD/crashes/; minimise and move such a file to
# tests/fuzz/corpus/NAME to keep it.
#
#   tests/fuzz/run.sh BUILD SECONDS JOBS
set -u
build=$1 seconds=$2 jobs=$3
here=$(dirname "$0")

shopt -s nullglob
targets=("$build"/bin/fuzz_*)
[ ${#targets[@]} -gt 0 ] || { echo "no fuzz targets in $build/bin" >&2; exit 1; }
mkdir -p "$build/crashes"

fuzz_one() {
    local name=${1##*/fuzz_} found=$build/corpus/${1##*/fuzz_} log=$build/fuzz_${1##*/fuzz_}.log
    local seeds=$here/corpus/$name
    mkdir -p "$found"
    [ -d "$seeds" ] || { echo "fuzz_$name: no corpus in $seeds" >&2; return 1; }
    if "$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2560 -print_final_stats=1 \
        -artifact_prefix="$build/crashes/$name-" "$found" "$seeds" >"$log" 2>&1; then
        echo "fuzz_$name: ok, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $seconds s"
    else
        tail -60 "$log" >&2
        echo "fuzz_$name: FAILED, full output in $log" >&2
        return 1
    fi
}

status=0 running=0
for target in "${targets[@]}"; do
    if [ $running -ge "$jobs" ]; then
        wait -n || status=1
        running=$((running - 1))
    fi
    fuzz_one "$target" &
    running=$((running + 1))
done
while [ $running -gt 0 ]; do
    wait -n || status=1
    running=$((running - 1))
done
exit $status
