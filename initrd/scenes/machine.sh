#!/bin/sh
# What PID 1 promises of the machine, claim by claim, whatever the agent is. Status 1 when one does not hold.
failed=0
# claim WHAT COMMAND...
claim() {
  what=$1; shift
  if "$@"; then echo "ok   $what"; else echo "OFF  $what"; failed=1; fi
}
mounted() { awk -v at="$1" -v type="$2" '$2 == at && $3 == type { found = 1 } END { exit !found }' /proc/mounts; }
has_option() { awk -v at="$1" -v want="$2" '$2 == at && ("," $4 ",") ~ ("," want ",") { found = 1 } END { exit !found }' /proc/mounts; }
loaded() { grep -q "^$1 " /proc/modules; }
cgroups_ready() {
  if grep -qw hcsshim.cgroup=v1 /proc/cmdline; then
    for name in cpu memory pids devices; do mounted "/sys/fs/cgroup/$name" cgroup || return 1; done
  else
    mounted /sys/fs/cgroup cgroup2 && grep -q cpu /sys/fs/cgroup/cgroup.controllers &&
      cmp -s /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup/cgroup.subtree_control
  fi
}
zombies() { grep -l '^State:.*Z' /proc/[0-9]*/status 2>/dev/null | wc -l; }
no_zombies() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do sh -c 'true & exec true'; done  # orphans, ended at once
  for _ in 1 2 3 4 5 6 7 8 9 10; do [ "$(zombies)" = 0 ] && return; sleep 0.1; done
  return 1
}

for mount in "/dev devtmpfs" "/proc proc" "/run tmpfs" "/tmp tmpfs" "/dev/shm tmpfs" "/dev/pts devpts" "/sys sysfs"; do
  claim "$mount is mounted" mounted $mount
done
for mount in /proc /run /tmp /dev/shm /sys; do
  for option in nodev nosuid noexec; do claim "$mount is $option" has_option $mount $option; done
done
claim "cgroups are there, every controller enabled" cgroups_ready
while read -r module; do claim "$module is loaded" loaded "$(basename "$module" .ko)"; done </lib/modules/order
claim "the loopback interface is up" ping -q -c 1 127.0.0.1 >/dev/null
claim "1024 descriptors, and 1048576 for who asks" test "$(ulimit -Sn) $(ulimit -Hn)" = "1024 1048576"
claim "the programs' PATH" test "$(tr '\0' '\n' </proc/$$/environ | grep ^PATH=)" = PATH=/sbin:/usr/sbin:/bin:/usr/bin
claim "a terminal on the console" sh -c 'test -t 0 && test -t 1 && : </dev/tty'
claim "orphans are collected" no_zombies
kill -9 1; kill -TERM 1; kill -SEGV 1
claim "process 1 is deaf to signals" test -d /proc/1
exit $failed
