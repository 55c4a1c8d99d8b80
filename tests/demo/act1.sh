#!/usr/bin/env bash
# Act 1: a stock client writes more than a million real lines, the broker is killed with SIGKILL in the middle, and
# every line is read back, byte for byte, partition by partition.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

partitions=6
wanted=1200000
topic=package-index
last=$((partitions - 1))

say "Act 1: a million real lines, through a kill -9"

# Real input: the distribution's package index, then the installed documentation; a machine that has too little of
# both gets it more than once.
real_lines() {
    apt-cache dumpavail 2>/dev/null
    find /usr/share/doc /usr/share/common-licenses -type f -name '*.gz' -exec zcat -f {} + 2>/dev/null
    find /usr/share/doc /usr/share/common-licenses -type f ! -name '*.gz' -exec cat {} + 2>/dev/null
}
# head ends early and the others with it, which is no failure here.
(set +o pipefail; real_lines | tr -d '\000' | LC_ALL=C grep -av '^[[:space:]]*$' | head -n "$wanted") \
    >"$demo_dir/input" || true
[ -s "$demo_dir/input" ] || fail "no package index and no documentation to read"
while [ "$(wc -l <"$demo_dir/input")" -lt "$wanted" ]; do
    head -n "$wanted" "$demo_dir/input" >"$demo_dir/again"
    cat "$demo_dir/again" >>"$demo_dir/input"
done
rm -f "$demo_dir/again"
lines=$(wc -l <"$demo_dir/input")
bytes=$(wc -c <"$demo_dir/input")
LC_ALL=C awk -v n=$partitions -v dir="$demo_dir" '{ print > (dir "/in." (NR % n)) }' "$demo_dir/input"
row "input" "$(grouped "$lines") lines, $(mb "$bytes"): Debian's package index and installed documentation"

start_broker "$demo_dir/data" 0
row "broker" "ready in $ready_ms ms at $bootstrap, $(sed -nE 's/.*(durability)=([^ ]+).*/\1 \2/p' <<<"$ready_line")"
row "topic" "$(stele topic create "$topic" --partitions $partitions -b "$bootstrap")"

produce() {
    kcat -P -E -q -b "$bootstrap" -t "$topic" -p "$1" -z lz4 -X enable.idempotence=true -X linger.ms=50 \
        -X reconnect.backoff.ms=20 -X reconnect.backoff.max.ms=100 -X retry.backoff.ms=20 \
        -l "$demo_dir/in.$1" 2>"$demo_dir/kcat.$1"
}
consume() {
    kcat -C -q -e -b "$bootstrap" -t "$topic" -p "$1" -o beginning -X check.crcs=true -X fetch.wait.max.ms=50 \
        >"$demo_dir/out.$1" 2>"$demo_dir/kcat.$1"
}
log_bytes() {
    { find "$demo_dir/data" -path "*/$topic-*" -name '*.log' -printf '%s\n' 2>/dev/null || true; } |
        awk '{ s += $1 } END { print s + 0 }'
}

t0=$(date +%s.%N)
producers=()
for p in $(seq 0 $last); do
    produce "$p" &
    producers+=($!)
done
row "writing" "$partitions kcat, one a partition: lz4, idempotent, acks=all"

# The kill: when about a third of what lz4 will make of it is on disk.
for _ in $(seq 3000); do
    [ "$(log_bytes)" -lt $((bytes / 6)) ] || break
    sleep 0.005
done
cpu_before=$(cpu_seconds "$broker_pid")
peak_before=$(peak_mib "$broker_pid")
killed_after=$(seconds_since "$t0")
kill -KILL "$broker_pid"
wait "$broker_pid" 2>/dev/null || true
killed_at=$(log_bytes)
alive=0
for pid in "${producers[@]}"; do kill -0 "$pid" 2>/dev/null && alive=$((alive + 1)); done
[ "$alive" -gt 0 ] || fail "all producers had finished before the kill: nothing was tested"
row "kill -9" "after $killed_after s: $(mb "$killed_at") on disk, $alive of $partitions producers still writing"
start_broker "$demo_dir/data" "${bootstrap##*:}"
row "restart" "ready again in $ready_ms ms"
grep -E 'torn tail' "$broker_log" | sed 's/^/               /' || true
for i in "${!producers[@]}"; do wait "${producers[$i]}" || fail "producer $i: $(tail -n 1 "$demo_dir/kcat.$i")"; done
write_s=$(seconds_since "$t0")

t2=$(date +%s.%N)
consumers=()
for p in $(seq 0 $last); do
    consume "$p" &
    consumers+=($!)
done
for i in "${!consumers[@]}"; do wait "${consumers[$i]}" || fail "consumer $i: $(tail -n 1 "$demo_dir/kcat.$i")"; done
read_s=$(seconds_since "$t2")

say "What was written and what was read: a hash for each partition"
[ -z "${DEMO_SABOTAGE:-}" ] || sed -i '1s/./X/' "$demo_dir/out.$last" # proves that a difference is seen
differing=0
for p in $(seq 0 $last); do
    want=$(sha256sum <"$demo_dir/in.$p" | cut -c1-16)
    got=$(sha256sum <"$demo_dir/out.$p" | cut -c1-16)
    verdict="${green}equal$plain"
    [ "$want" = "$got" ] || { verdict="${red}DIFFERENT$plain"; differing=$((differing + 1)); }
    count=$(grouped "$(wc -l <"$demo_dir/out.$p")")
    printf '  partition %d %10s lines   %s   %s   %s\n' "$p" "$count" "$want" "$got" "$verdict"
done
[ $differing = 0 ] || fail "$differing of $partitions partitions differ"

# Every batch has to be lz4: the clients were not allowed to fall back silently. librdkafka leaves a batch as it is when
# lz4 does not make it smaller, which happens to a line that goes out alone.
dump() { stele log-dump --format json "$demo_dir/data/$topic-$1"; }
for p in $(seq 0 $last); do dump "$p"; done >"$demo_dir/batches" 2>"$demo_dir/dump.err" ||
    fail "log-dump: $(tail -n 1 "$demo_dir/dump.err")"
all=$(grep -c '"codec"' "$demo_dir/batches" || true)
lz4=$(grep -cE '"codec": ?"lz4"' "$demo_dir/batches" || true)
plain_large=$(grep -vE '"codec": ?"lz4"|"record_count": ?1,' "$demo_dir/batches" | grep -c '"codec"' || true)
[ "$lz4" -gt 0 ] && [ "$plain_large" = 0 ] && [ $((all - lz4)) -le "$partitions" ] ||
    fail "$lz4 of $all batches are lz4"
for p in $(seq 0 $last); do
    stele log-verify "$demo_dir/data/$topic-$p" >"$demo_dir/verify" 2>&1 ||
        fail "log-verify: $(tail -n 1 "$demo_dir/verify")"
done

say "What it took"
disk=$(log_bytes)
rate() {
    awk -v b="$bytes" -v s="$1" -v n="$lines" \
        'BEGIN { printf "%.0f MB/s, %.2f million lines/s", b / s / 1e6, n / s / 1e6 }'
}
row "written" "in $write_s s, the kill and the restart included: $(rate "$write_s")"
row "read" "in $read_s s: $(rate "$read_s") (the clients are the limit)"
share=$((100 * disk / bytes))
row "on disk" "$(mb "$disk") in $(grouped "$all") batches, $lz4 of them lz4: $share % of the input; log-verify: clean"
row "memory" "$(printf '%s\n%s\n' "$peak_before" "$(peak_mib "$broker_pid")" | sort -n | tail -n 1) MiB at the peak"
cpu=$(awk -v a="$cpu_before" -v b="$(cpu_seconds "$broker_pid")" 'BEGIN { printf "%.2f", a + b }')
row "processor" "$cpu s in both lives"

say "\$ stele log-dump DATA/$topic-0"
stele log-dump "$demo_dir/data/$topic-0" 2>/dev/null | sed "s#$demo_dir/data/##" | excerpt 7
say "\$ stele index-inspect DATA/$topic-0"
stele index-inspect "$demo_dir/data/$topic-0" 2>/dev/null | sed "s#$demo_dir/data/##" | excerpt 7

stop_broker
say "${green}Act 1 passed$plain$bold: $(grouped "$lines") lines, byte for byte, in $(seconds_since "$started") s"
