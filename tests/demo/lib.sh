# What the acts share: a scratch directory and a broker that go away at the end, and a way to say things.
# shellcheck shell=bash

demo_dir=$(mktemp -d "${TMPDIR:-/tmp}/stele-demo.XXXXXX")
broker_pid=
started=$(date +%s.%N)

demo_end() {
    [ -z "$broker_pid" ] || kill -KILL "$broker_pid" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$demo_dir"
}
trap demo_end EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
row() { printf '  %-34s %s\n' "$1" "$2"; }
fail() { printf '\ndemo: FAILED: %s\n' "$*" >&2; [ -z "${broker_log:-}" ] || tail -5 "$broker_log" >&2; exit 1; }
seconds_since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }'; }

# start_broker DIR PORT [setting...]: waits for the ready line; PORT 0 picks a free one. Sets broker_pid, bootstrap, ready_line.
start_broker() {
    local dir=$1 port=$2
    shift 2
    local out="$demo_dir/ready" settings=()
    broker_log="$demo_dir/broker.log"
    for s in "$@"; do settings+=(--set "$s"); done
    rm -f "$out"
    steled --data "$dir" --listen "127.0.0.1:$port" "${settings[@]}" >"$out" 2>>"$broker_log" &
    broker_pid=$!
    for _ in $(seq 1000); do
        ready_line=$(head -n 1 "$out" 2>/dev/null || true)
        [ -z "$ready_line" ] || break
        kill -0 "$broker_pid" 2>/dev/null || fail "the broker did not start"
        sleep 0.01
    done
    [ -n "$ready_line" ] || fail "the broker did not get ready"
    bootstrap=127.0.0.1:$(sed -nE 's#.*127\.0\.0\.1:([0-9]+).*#\1#p' <<<"$ready_line")
}

# cpu_seconds PID, peak_mib PID
cpu_seconds() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / hz }' "/proc/$1/stat"; }
peak_mib() { awk '/^VmHWM/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }
