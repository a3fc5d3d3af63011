#!/bin/sh
# What PID 1 promises of the machine, claim by claim, whatever the agent is. Status 1 when one does not hold. PARTS names
# what is to be seen beside the common: `tree`, an image without an order file; `writable`, the layers of -w; `console`, the
# agent in the background of a shell.
failed=0
# claim WHAT COMMAND...
claim() {
  what=$1; shift
  if "$@"; then echo "ok   $what"; else echo "OFF  $what"; failed=1; fi
}
mounted() { awk -v at="$1" -v type="$2" '$2 == at && $3 == type { found = 1 } END { exit !found }' /proc/mounts; }
has_option() { awk -v at="$1" -v want="$2" '$2 == at && ("," $4 ",") ~ ("," want ",") { found = 1 } END { exit !found }' /proc/mounts; }
has_part() { case ",$PARTS," in *",$1,"*) ;; *) return 1 ;; esac; }
module_files() {
  if has_part tree; then find "/lib/modules/$(uname -r)" -name '*.ko'; else sed 's|^|/lib/modules/|' /lib/modules/order; fi
}
loaded() { grep -q "^$1 " /proc/modules; }
absent() { ! loaded "$1"; }
is_read_only() { ! touch "$1/file" 2>/dev/null; }
script_in() { printf '#!/bin/sh\n' >"$1/script" && chmod 755 "$1/script"; }
environment() { tr '\0' '\n' <"/proc/$1/environ"; }
arguments() { tr '\0' ' ' <"/proc/$1/cmdline"; }
parent() { cut -d' ' -f4 "/proc/$1/stat"; }
agent_begun() {  # beside it, process 1 and what leads this program's session are of the same file
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    for agent in $(pidof gcs); do case "$(arguments "$agent")" in /init*) ;; *) return ;; esac; done
    sleep 0.1
  done
  return 1
}
# started FILE LINE   what a service of the image noted of itself: its command line, its session, its environment
started() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e "$1" ] && break; sleep 0.1; done
  test "$(cat "$1")" = "$2
leads its session
PATH=$PATH"
}
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
for mount in /dev /dev/pts; do
  for option in nosuid noexec; do claim "$mount is $option" has_option $mount $option; done
done
claim "cgroups are there, every controller enabled" cgroups_ready
hierarchical=/sys/fs/cgroup/memory/memory.use_hierarchy
[ ! -e $hierarchical ] || claim "memory is accounted for hierarchically, without being asked" test "$(cat $hierarchical)" = 1
for file in $(module_files); do
  name=$(basename "$file" .ko | tr - _)
  case $name in
    hv_*) claim "$name, which has no device here, is left out" absent "$name" ;;
    virtio_blk) if has_part tree; then claim "$name is blacklisted" absent "$name"; else claim "$name is loaded" loaded "$name"; fi ;;
    *) claim "$name is loaded" loaded "$name" ;;
  esac
done
if has_part tree; then
  claim "this image has no order file" test ! -e /lib/modules/order
  for name in bridge veth nf_conntrack br_netfilter; do claim "$name is there" loaded $name; done
  claim "a parameter of modprobe.d" test "$(cat /sys/module/loop/parameters/max_loop)" = 3
  claim "a parameter of the kernel's command line" test "$(cat /sys/module/nf_conntrack/parameters/hashsize)" = 4096
fi
if has_part writable; then
  mount -o remount,ro /
  claim "the root is read-only" is_read_only /root
  for mount in /run/over /etc /var; do
    for option in nodev nosuid; do claim "$mount is $option" has_option $mount $option; done
  done
  for mount in /run/over /etc; do claim "$mount is noexec" has_option $mount noexec; done
  for mount in /etc /var; do
    claim "$mount has a layer" mounted $mount overlay
    claim "$mount can be written to" script_in $mount
  done
  claim "what was in /etc is there" grep -q ^nobody: /etc/passwd
  claim "no program is run from /etc" sh -c '! /etc/script 2>/dev/null'
  claim "programs are run from /var" /var/script
fi
claim "the loopback interface is up" ping -q -c 1 127.0.0.1 >/dev/null
claim "1024 descriptors, and 1048576 for who asks" test "$(ulimit -Sn) $(ulimit -Hn)" = "1024 1048576"
claim "the programs' PATH" test "$(environment $$ | grep ^PATH=)" = PATH=/sbin:/usr/sbin:/bin:/usr/bin
claim "nvidia-persistenced was started" started /run/nvidia-persistenced "/bin/nvidia-persistenced "
claim "nv-fabricmanager was started" \
  started /run/nv-fabricmanager "/bin/nv-fabricmanager -c /usr/share/nvidia/nvswitch/fabricmanager.cfg"
claim "the agent runs" agent_begun
claim "PATH is all of its environment" \
  test "$(environment "$agent" | grep -v "^SHLVL=\|^PWD=\|^OLDPWD=")" = "PATH=$PATH"  # those are a shell's
if has_part console; then
  claim "its log goes to the host" test "$(arguments "$agent")" = "/bin/gcs -log-port 109 -v4 -log-format json -loglevel info "
  claim "it runs in the background of a shell" test "$(arguments "$(parent "$agent")")" = "sh "
  claim "that is process 1's own child" test "$(parent "$(parent "$agent")")" = 1
else
  claim "it is process 1's own child" test "$(parent "$agent")" = 1
fi
claim "a terminal on the console" sh -c 'test -t 0 && test -t 1 && : </dev/tty'
claim "orphans are collected" no_zombies
kill -9 1; kill -TERM 1; kill -SEGV 1
claim "process 1 is deaf to signals" test -d /proc/1
exit $failed
