#!/bin/sh
# A pod, seen from the host: a sandbox with a network adapter, two workloads on disks of the host's that share a volume, one
# that takes more memory than it may have, and the removal of it all. The host is gcs-host over vsock loopback, and the
# hypervisor is played by this scene. initrd/demo makes the disks, and says in ROOT_DIGEST what the root of the verified one's
# hash tree is; the agent's -gcs-mem-limit-bytes is 32 MiB.
. /words.sh

pod=5d0c8a1e-0c57-4d0a-9c25-3a4f8b6c7d10
nic=f3a9e1b0-6a1c-4c55-9d0e-0a2b3c4d5e6f
controller=df6d0690-79e5-55b6-a5ec-c1e2f77f580a  # SCSI controller 0 of every Hyper-V VM
disks=/run/mounts/scsi

# The hypervisor's bus as sysfs would show it, which takes no directories itself; SCSI's stays where it is.
plug_in() {
  mkdir /run/scsi
  mount -o bind /sys/bus/scsi /run/scsi
  mount -t tmpfs tmpfs /sys/bus
  mkdir -p /sys/bus/scsi /sys/bus/vmbus/devices/$controller/host0 /sys/bus/vmbus/devices/$nic/net/eth0
  mount -o move /run/scsi /sys/bus/scsi
  ip link add eth0 type veth  # its other end, veth0, is the host's network
  ip addr add 10.77.0.1/24 dev veth0
  ip link set veth0 up
}
# modify WHAT ADD|REMOVE RESOURCE SETTINGS
modify() {
  gcs-host modify "$2" "$3" "$4" || off "$1: refused"
  echo "  $1"
}
# container NAME FLAGS... -- COMMAND...   starts one; its output is /run/NAME.out, what gcs-host says /run/NAME.log
container() {
  name=$1; shift
  gcs-host -v run --name "$name" "$@" >/run/$name.out 2>/run/$name.log &
  eval "run_$name=$!"
}
said() { grep -qs "$2" "/run/$1.out"; }
# says NAME TEXT   waits for a line of the container's
says() {
  until_true 30 said "$1" "$2" || off "$1 does not say \"$2\": $(cat "/run/$1.out" "/run/$1.log")"
  sed "s/^/  $1 | /" "/run/$1.out"
}
# ended NAME STATUS   waits for its end
ended() {
  eval "wait \$run_$1"; status=$?
  expect "exit code of $1" "$2" "$status"
  grep -q 'container exited' "/run/$1.log" || off "no exit notification: $(cat "/run/$1.log")"
  sed -n 's/.* container exited \(.*\)/  notified: \1/p' "/run/$1.log"
}
in_pod() { gcs-host exec shop "$@"; }
# told EVENT CGROUP   the agent has logged what the kernel told about a cgroup's memory
told() {
  grep 'memory usage for cgroup exceeded threshold' /run/gcs.log | grep "\"cgroup\":\"$2\"" | grep -q "\"event\":\"$1\""
}
tells() {
  until_true 10 told "$1" "$2" || off "the agent does not tell of $1 in $2"
  echo "  the agent tells: event $1, cgroup $2"
}

# What there is of everything that a pod could leave behind.
holdings() {
  agent=$(head -n 1 /sys/fs/cgroup/gcs/cgroup.procs)
  echo "mounts $(grep -c . /proc/mounts)"
  echo "cgroups $(find /sys/fs/cgroup -type d | grep -c .)"
  echo "namespaces $(ls -l /proc/[0-9]*/ns 2>/dev/null | sed -n 's/.* -> //p' | sort -u | grep -c .)"
  echo "interfaces $(ls /sys/class/net | grep -c .)"
  echo "mapped-devices $(ls /sys/block | grep -c '^dm-')"
  echo "files-of-pods $(find /run/gcs /run/mounts -mindepth 2 2>/dev/null | grep -c .)"
  echo "processes $(cat /sys/fs/cgroup/gcs/cgroup.procs $(find /sys/fs/cgroup/pods -name cgroup.procs) | grep -c .)"
  # The OCI runtime is read once and kept in memory.
  echo "agent's-descriptors $(ls -l /proc/$agent/fd | grep -v oci-runtime | grep -c ' -> ')"
}
same() { holdings >/run/after; cmp -s /run/before /run/after; }

plug_in
say "the VM is up: Linux $(uname -r), $(grep -c ^processor /proc/cpuinfo) processors; now the host listens"
host_serves
gcs-host uvm true || off "no answer from the agent"
mkdir -p $disks
holdings >/run/before

say "the host adds an adapter to the network of a pod that is yet to come, and two disks"
modify "network adapter $nic" Add Network '{"NamespaceID":"'$pod'","ID":"'$nic'","MacAddress":"00-15-5D-01-02-03",
  "DNSSuffix":"shop.test","DNSServerList":"10.77.0.1","EncapOverhead":50,
  "IPConfigs":[{"IPAddress":"10.77.0.2","PrefixLength":24}],
  "Routes":[{"NextHop":"10.77.0.1","DestinationPrefix":"0.0.0.0/0"}]}'
goods='{"MountPath":"'$disks/goods'","Controller":0,"Lun":1,"ReadOnly":true,'
goods=$goods'"VerityInfo":{"SuperBlock":true,"RootDigest":"'$ROOT_DIGEST'"}}'
modify "verified disk, root digest $(echo "$ROOT_DIGEST" | cut -c1-16)…" Add MappedVirtualDisk "$goods"
modify "plain disk" Add MappedVirtualDisk '{"MountPath":"'$disks/safe'","Controller":0,"Lun":2}'
grep " $disks/" /proc/mounts | cut -c1-100 | sed 's/^/  | /'
grep -q "^/dev/mapper/dm-verity-.* $disks/goods ext4 ro" /proc/mounts || off "the disk is not read through its hash tree"

say "the sandbox"
container shop --sandbox --hostname shop.test --network $pod --layer /layers/busybox -- sh -c 'echo open; exec sleep 1000'
says shop open
address=$(in_pod ip addr show eth0 | sed -n 's/.* mtu \([0-9]*\) .*/mtu \1/p; s/.*inet \([^ ]*\).*/\1/p' | tr '\n' ' ')
expect "its adapter" "mtu 1450 10.77.0.2/24 " "$address"
[ ! -e /sys/class/net/eth0 ] || off "its adapter is still the VM's"
ping -c 1 -W 10 10.77.0.2 >/dev/null || off "nobody answers at 10.77.0.2"
echo "  it answers at 10.77.0.2"

say "two workloads: one on the verified disk, one with the other, both with a volume of the pod's"
container clerk --pod shop --memory 64m --layer $disks/goods --layer /layers/busybox --mount sandbox://counter,/counter \
  --mount hugepages://2M/shelf,/shelf -- sh -c 'cp /prices /counter/list; echo "$(hostname): the list is out"
    trap "echo closing; exit 42" TERM; while :; do sleep 1 & wait $!; done'
says clerk "the list is out"
container till --pod shop --layer /layers/busybox --mount sandbox://counter,/counter --mount $disks/safe,/safe -- sh -c '
    read -r what price </counter/list; echo "$what for $price" >>/safe/cash; cat /safe/cash
    trap "echo closing; exit 0" TERM; while :; do sleep 1 & wait $!; done'
says till "apples for 3"
expect "what the disk has now" "100 in the safe; apples for 3" "$(paste -sd';' $disks/safe/cash | sed 's/;/; /')"
expect "huge pages" "hugetlbfs pagesize=2M" \
  "$(gcs-host exec clerk grep ' /shelf ' /proc/mounts | sed 's/^[^ ]* [^ ]* \([^ ]*\) .*\(pagesize=[^, ]*\).*/\1 \2/')"
expect "whom the till asks for names" "search shop.test; nameserver 10.77.0.1" \
  "$(gcs-host exec till cat /etc/resolv.conf | paste -sd';' | sed 's/;/; /')"
mkdir /run/www && echo "from the host's network" >/run/www/index.html
httpd -p 10.77.0.1:80 -h /run/www
expect "a page that the till reads" "from the host's network" "$(gcs-host exec till wget -q -O - http://10.77.0.1/)"
in_pod test -e /prices && off "the sandbox has the clerk's file"
gcs-host exec clerk sh -c 'echo "apples 0" >/prices' || off "the clerk has nowhere to write"
expect "the verified disk, whatever the clerk writes" "apples 3" "$(cat $disks/goods/prices)"

say "processes and statistics of the clerk"
gcs-host ps clerk | sed 's/^/  /'
gcs-host stats clerk >/run/stats || off "no statistics"
sed 's/^/  /' /run/stats
grep -q '^limit  *65536 KiB' /run/stats || off "the memory limit of 64 MiB does not show"

say "the till may use a fifth of a processor, then as much as it likes"
limit_till() { gcs-host modify --of till Update ContainerConstraints '{"Linux":{"cpu":'"$1"'}}' || off "refused: $1"; }
cpu_limit() { cat /sys/fs/cgroup/pods/shop/till/cpu.max; }
expect "from the start, for which a host says -1" "max 100000" "$(cpu_limit)"
expect "as its pod" "max 100000" "$(cat /sys/fs/cgroup/pods/shop/cpu.max)"
limit_till '{"quota":20000,"period":100000}'
expect "a quota of 20000" "20000 100000" "$(cpu_limit)"
limit_till '{"quota":-1}'
expect "a quota of -1" "max 100000" "$(cpu_limit)"

say "a third one takes more than its 32 MiB"
container glutton --keep --pod shop --memory 32m --layer /layers/busybox -- tail /dev/zero
ended glutton 137
gcs-host stats glutton | sed -n '/limit\|oom/s/^/  /p'
expect "its OOM kills" "oom kills   1" "$(gcs-host stats glutton | grep oom)"
tells oom /pods/shop/glutton
tells oom /pods
modify "its layers: gone" Remove CombinedLayers '{"ContainerID":"glutton","ContainerRootPath":"/run/gcs/c/glutton/rootfs"}'
gcs-host delete glutton || off "the glutton stays"
expect "the others go on" "2 2" "$(gcs-host ps clerk | tail -n +2 | grep -c .) $(gcs-host ps till | tail -n +2 | grep -c .)"
holdings >/run/during

say "a process of the VM itself takes more than the 32 MiB of the agent's side: that is told, and nobody is stopped"
told threshold /gcs && off "that was told before"
gcs-host uvm dd if=/dev/zero of=/dev/null bs=48M count=1 2>/run/dd || off "it was stopped: $(cat /run/dd)"
tells threshold /gcs

say "the pod is taken down"
gcs-host shutdown clerk && gcs-host shutdown till || off "no shutdown"
ended clerk 42
ended till 0
gcs-host shutdown --force shop || off "no shutdown"
ended shop 137
modify "plain disk: gone" Remove MappedVirtualDisk '{"MountPath":"'$disks/safe'","Controller":0,"Lun":2}'
modify "verified disk: gone" Remove MappedVirtualDisk "$goods"
modify "network adapter: gone" Remove Network '{"NamespaceID":"'$pod'","ID":"'$nic'"}'

say "what is left"
until_true 1 same || true
paste -d ' ' /run/before /run/during /run/after | awk '
  BEGIN { printf "  %-20s %7s %7s %7s\n", "", "before", "during", "after" }
  { gsub("-", " ", $1); printf "  %-20s %7d %7d %7d%s\n", $1, $2, $4, $6, $2 == $6 ? "" : "  <- differs" }'
same || off "something of the pod is left: $(find /run/gcs /run/mounts; cat /proc/mounts)"

power_off
