#!/bin/sh
# The main job, seen from the host: this runs in the VM beside the agent, over vsock loopback, with gcs-host as the host.
# Each step says what it expects; the first that is off ends the scene with status 1.
. /words.sh

say "the VM is up: Linux $(uname -r), $(grep -c ^processor /proc/cpuinfo) processors; now the host listens"
host_serves
release=$(gcs-host uvm uname -r) || off "no answer from the agent"
say "negotiated; a process of the VM itself tells its kernel"
expect "uname -r" "$(uname -r)" "$release"

say "a container from real layers"
mkfifo /run/demo.out
gcs-host -v run --name demo --layer /layers/busybox --hostname demo --memory 64m -e GREETING=hello -- \
  sh -c 'echo "$GREETING from $(hostname), process $$"; trap "echo bye; exit 42" TERM; while :; do sleep 1 & wait $!; done' \
  >/run/demo.out 2>/run/run.log &
run=$!
exec 3</run/demo.out
read -r line <&3
say "it was created, started, and speaks"
expect "its output" "hello from demo, process 1" "$line"

say "exec into it"
answer=$(gcs-host exec -e WHO=me -w /tmp demo sh -c 'echo "$WHO in $(pwd)"; exit 3'); status=$?
expect "output" "me in /tmp" "$answer"
expect "exit code" 3 "$status"

say "exec with a terminal, typed into"
printf 'tty\nexit 5\n' | gcs-host exec -i -t demo sh >/run/tty.out 2>&1
status=$?
sed 's/^/  | /' /run/tty.out
grep -q '/dev/pts/' /run/tty.out || off "that was no terminal"
expect "exit code" 5 "$status"

say "its processes and statistics"
gcs-host ps demo | sed 's/^/  /'
gcs-host stats demo >/run/stats || off "no statistics"
sed 's/^/  /' /run/stats
grep -q '^limit  *65536 KiB' /run/stats || off "the memory limit of 64 MiB does not show"

say "the host asks it to end"
gcs-host shutdown demo || off "shutdown failed"
wait "$run"; status=$?
read -r line <&3
expect "last words" "bye" "$line"
expect "exit code" 42 "$status"
grep 'container exited' /run/run.log | sed 's/^/  notified: /'
grep -q 'container exited' /run/run.log || off "no exit notification"

say "it is deleted"
gcs-host ps demo >/dev/null 2>&1 && off "the container is still there"
expect "mounts left" 0 "$(grep -c /run/gcs/c/demo /proc/mounts)"

say "a container that counts; its host keeps in a file what a successor would need"
kill "$host" && wait "$host" || off "the host did not end in order: $(cat /run/host.log)"
lines() { [ -e "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ]; }
gcs-host -transport vsock run --save /run/counter --name counter --layer /layers/busybox --hostname demo -- \
  sh -c 'trap "exit 42" TERM; n=0; while :; do echo $n; n=$((n + 1)); sleep 0.05; done' >/run/before 2>/run/run.log &
run=$!
until_true 20 lines /run/before 40 || off "it does not count: $(cat /run/run.log)"

say "the host is killed in mid-stream, and nobody is there for two seconds"
{ kill -9 "$run"; wait "$run"; } 2>/dev/null
tail -n 3 /run/before | sed 's/^/  | /'
sleep 2

say "its successor goes on"
gcs-host -transport vsock resume /run/counter >/run/after 2>/run/run.log &
run=$!
last=$(tail -n 1 /run/before)
until_true 20 grep -qs "^$((last + 60))\$" /run/after || off "the counter does not go on: $(cat /run/run.log)"
kill -TERM "$run"
wait "$run"
expect "exit code, through the successor" 42 $?

# What the successor got may begin inside a number; its second line is a whole one, and tells where it stands.
whole=$(sed -n 2p /run/after)
offset=$(($(seq 0 $((whole - 1)) | wc -c) - $(head -n 1 /run/after | wc -c)))
seen=$(wc -c </run/before)
[ "$offset" -le "$seen" ] || off "bytes $seen to $offset of the count are missing"
head -c "$offset" /run/before | cat - /run/after >/run/count
seq 0 "$(tail -n 1 /run/after)" | cmp -s - /run/count || off "the count has a gap, or more than that: $(cat /run/count)"
head -c "$seen" /run/count | cmp -s - /run/before || off "the two hosts saw different counts"
tail -c +$((seen + 1)) /run/count | head -n 3 | sed 's/^/  | /'
echo "  … and so on, to $(tail -n 1 /run/after)"
expect "numbers missing" 0 $(($(tail -n 1 /run/after) + 1 - $(wc -l </run/count)))
echo "  numbers seen by both, at the seam: $(tail -c $((seen - offset)) /run/before | wc -l)"
expect "state left" "" "$(ls /run/counter 2>/dev/null)"
expect "mounts left" 0 "$(grep -c /run/gcs/c/counter /proc/mounts)"

power_off -transport vsock
