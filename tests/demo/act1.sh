#!/usr/bin/env bash
# Act 1: a stock client writes more than a million real lines, the broker is killed with SIGKILL in the middle, and every
# line is read back, byte for byte, partition by partition.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

partitions=6
wanted=1000000
topic=package-index

say "Act 1: a million real lines, through a kill -9"

# Real input: the distribution's package index; where there is none, the installed documentation, as often as needed.
real_lines() {
    apt-cache dumpavail 2>/dev/null || true
    while :; do
        find /usr/share/doc /usr/share/common-licenses -type f -name '*.gz' -exec zcat -f {} + 2>/dev/null || true
        find /usr/share/doc /usr/share/common-licenses -type f ! -name '*.gz' -exec cat {} + 2>/dev/null || true
    done
}
(set +o pipefail; real_lines | tr -d '\000' | grep -av '^[[:space:]]*$' | head -n $((wanted + 200000))) >"$demo_dir/input"
lines=$(wc -l <"$demo_dir/input")
bytes=$(wc -c <"$demo_dir/input")
[ "$lines" -ge "$wanted" ] || fail "only $lines lines of input"
awk -v n=$partitions -v dir="$demo_dir" '{ print > (dir "/in." (NR % n)) }' "$demo_dir/input"

start_broker "$demo_dir/data" 0
row "broker" "$ready_line"
stele topic create "$topic" --partitions $partitions -b "$bootstrap" >"$demo_dir/created"
row "topic" "$(head -n 1 "$demo_dir/created")"

produce() {
    kcat -P -E -q -b "$bootstrap" -t "$topic" -p "$1" -z lz4 -X enable.idempotence=true -X linger.ms=5 \
        -X reconnect.backoff.ms=20 -X reconnect.backoff.max.ms=100 -X retry.backoff.ms=20 -l "$demo_dir/in.$1" 2>"$demo_dir/kcat.$1"
}
t0=$(date +%s.%N)
producers=()
for p in $(seq 0 $((partitions - 1))); do
    produce "$p" &
    producers+=($!)
done

# The kill: when about a third of what lz4 will make of it is on disk.
on_disk() { { find "$demo_dir/data" -path "*/$topic-*" -name '*.log' -printf '%s\n' 2>/dev/null || true; } | awk '{ s += $1 } END { print s + 0 }'; }
for _ in $(seq 3000); do
    [ "$(on_disk)" -lt $((bytes / 9)) ] || break
    sleep 0.01
done
cpu_before=$(cpu_seconds "$broker_pid")
killed_at=$(on_disk)
kill -KILL "$broker_pid"
wait "$broker_pid" 2>/dev/null || true
alive=0
for pid in "${producers[@]}"; do kill -0 "$pid" 2>/dev/null && alive=$((alive + 1)); done
[ "$alive" -gt 0 ] || fail "all producers had finished before the kill: nothing was tested"
row "killed with SIGKILL" "$killed_at bytes on disk, $alive of $partitions producers writing"
t1=$(date +%s.%N)
start_broker "$demo_dir/data" "${bootstrap##*:}"
row "back after" "$(seconds_since "$t1") s: $ready_line"
for i in "${!producers[@]}"; do wait "${producers[$i]}" || fail "producer $i: $(tail -n 1 "$demo_dir/kcat.$i")"; done
write_s=$(seconds_since "$t0")

t2=$(date +%s.%N)
for p in $(seq 0 $((partitions - 1))); do
    kcat -C -q -e -b "$bootstrap" -t "$topic" -p "$p" -o beginning -X check.crcs=true >"$demo_dir/out.$p" || fail "consumer of partition $p"
done
read_s=$(seconds_since "$t2")

say "Compared, a hash per partition"
for p in $(seq 0 $((partitions - 1))); do
    want=$(sha256sum <"$demo_dir/in.$p" | cut -c1-16)
    got=$(sha256sum <"$demo_dir/out.$p" | cut -c1-16)
    row "partition $p: $(wc -l <"$demo_dir/out.$p") lines" "$want written, $got read"
    [ "$want" = "$got" ] || fail "partition $p differs"
done

say "What it took"
disk=$(on_disk)
row "lines, bytes" "$lines, $bytes"
row "written (with the kill), read" "$write_s s, $read_s s"
row "throughput" "$(awk -v b="$bytes" -v w="$write_s" -v r="$read_s" 'BEGIN { printf "%.1f MB/s written, %.1f MB/s read (limited by the clients)", b / w / 1e6, b / r / 1e6 }')"
row "on disk" "$(awk -v d="$disk" -v b="$bytes" 'BEGIN { printf "%.1f MB in lz4 batches, %.0f %% of the input", d / 1e6, 100 * d / b }')"
row "broker" "$(peak_mib "$broker_pid") MiB peak, $(awk -v a="$cpu_before" -v b="$(cpu_seconds "$broker_pid")" 'BEGIN { printf "%.2f", a + b }') s of CPU over both lives"

say "stele log-dump (first batches of partition 0)"
stele log-dump "$demo_dir/data/$topic-0" 2>/dev/null | sed -n '1,6p' | cut -c1-150
say "stele index-inspect (first entries of partition 0)"
stele index-inspect "$demo_dir/data/$topic-0" 2>/dev/null | sed -n '1,8p' | cut -c1-150

# Every batch has to be lz4: the clients were not allowed to fall back silently.
for p in $(seq 0 $((partitions - 1))); do stele log-dump --format json "$demo_dir/data/$topic-$p"; done >"$demo_dir/batches" 2>"$demo_dir/dump.err" || fail "log-dump: $(tail -n 1 "$demo_dir/dump.err")"
all=$(grep -c '"codec"' "$demo_dir/batches" || true)
lz4=$(grep -cE '"codec": ?"lz4"' "$demo_dir/batches" || true)
[ "$all" -gt 0 ] && [ "$all" = "$lz4" ] || fail "$lz4 of $all batches are lz4"
for p in $(seq 0 $((partitions - 1))); do stele log-verify "$demo_dir/data/$topic-$p" >"$demo_dir/verify" 2>&1 || fail "log-verify: $(tail -n 1 "$demo_dir/verify")"; done

kill -TERM "$broker_pid"
wait "$broker_pid" || fail "the broker did not stop cleanly"
broker_pid=
say "Act 1 passed: $lines lines equal, $lz4 of $all batches lz4, log-verify clean, in $(seconds_since "$started") s"
