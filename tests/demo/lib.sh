# What the acts share: a scratch directory and a broker that go away at the end, and a way to say things.
# shellcheck shell=bash

demo_dir=$(mktemp -d "${TMPDIR:-/tmp}/stele-demo.XXXXXX")
broker_pid=
started=$(date +%s.%N)
bold= dim= green= red= plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\033[1m' dim=$'\033[2m' green=$'\033[32m' red=$'\033[31m' plain=$'\033[0m'
fi

# Nothing is left behind, whatever happened: the broker and the clients that this shell started, then the files.
demo_end() {
    local left
    left=$(jobs -p)
    # shellcheck disable=SC2086
    [ -z "$left" ] || kill -KILL $left 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$demo_dir"
}
trap demo_end EXIT
trap 'exit 130' INT TERM

say() { printf '\n%s%s%s\n\n' "$bold" "$*" "$plain"; }
row() { printf '  %-12s %s\n' "$1" "$2"; }
note() { printf '  %s%s%s\n' "$dim" "$*" "$plain"; }
# The words of a tool, as it prints them: a few lines, as wide as a terminal.
excerpt() { sed -n "1,$1p" | cut -c1-"$(screen_columns)" | sed 's/^/  /'; }
screen_columns() { awk -v c="${COLUMNS:-0}" 'BEGIN { print (c > 60 && c < 200 ? c : 118) - 2 }'; }
fail() {
    printf '\n%sdemo: FAILED: %s%s\n' "$red" "$*" "$plain" >&2
    [ ! -s "${broker_log:-/dev/null}" ] || tail -n 5 "$broker_log" >&2
    exit 1
}
seconds_since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }'; }
# 1234567 as 1,234,567
grouped() { sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }
mb() { awk -v b="$1" 'BEGIN { printf "%.1f MB", b / 1e6 }'; }

# start_broker DIR PORT [setting...]: waits for the ready line; PORT 0 picks a free one.
# Sets broker_pid, bootstrap, ready_line, ready_ms.
start_broker() {
    local dir=$1 port=$2
    shift 2
    local out="$demo_dir/ready" settings=()
    broker_log="$demo_dir/broker.log"
    for s in "$@"; do settings+=(--set "$s"); done
    rm -f "$out"
    steled --data "$dir" --listen "127.0.0.1:$port" "${settings[@]}" >"$out" 2>>"$broker_log" &
    broker_pid=$!
    for _ in $(seq 3000); do
        ready_line=$(head -n 1 "$out" 2>/dev/null || true)
        [ -z "$ready_line" ] || break
        kill -0 "$broker_pid" 2>/dev/null || fail "the broker did not start"
        sleep 0.01
    done
    [ -n "$ready_line" ] || fail "the broker did not get ready"
    bootstrap=127.0.0.1:$(sed -nE 's#.*127\.0\.0\.1:([0-9]+).*#\1#p' <<<"$ready_line")
    # shellcheck disable=SC2034
    ready_ms=$(sed -nE 's/.*start_ms=([0-9.]+).*/\1/p' <<<"$ready_line")
}

stop_broker() {
    kill -TERM "$broker_pid"
    wait "$broker_pid" || fail "the broker did not stop cleanly"
    broker_pid=
}

# cpu_seconds PID, peak_mib PID
cpu_seconds() {
    awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / hz }' "/proc/$1/stat"
}
peak_mib() { awk '/^VmHWM/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }
