#!/bin/sh
# The main job, seen from the host: this runs in the VM beside the agent, over vsock loopback, with gcs-host as the host.
# Each step says what it expects; the first that is off ends the scene with status 1.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin

uptime_s() { cut -d' ' -f1 /proc/uptime; }
say() { printf '\n[%6s s] %s\n' "$(uptime_s)" "$*"; }
off() {
  printf '\nOFF: %s\n-- the agent says:\n' "$*"
  tail -n 20 /run/gcs.log
  exit 1
}
# expect WHAT WANTED GOT
expect() { if [ "$2" = "$3" ]; then echo "  $1: $3"; else off "$1: wanted \"$2\", got \"$3\""; fi; }
# until_true SECONDS COMMAND...   waits for something that another process brings about
until_true() {
  left=$(($1 * 20)); shift
  until "$@"; do
    left=$((left - 1)); [ $left -gt 0 ] || return 1
    sleep 0.05
  done
}

say "the VM is up: Linux $(uname -r), $(grep -c ^processor /proc/cpuinfo) processors; now the host listens"
gcs-host -transport vsock serve >/run/host.log 2>&1 &
until_true 20 test -S /run/gcs-host/control || off "gcs-host does not serve: $(cat /run/host.log)"
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

say "power-off, by the host"
echo "gcs.run: exit 0"
gcs-host poweroff
sleep 10
off "the VM is still there"
