# Sourced by the scenes about disks: claims, what hosts ask of them, and what there is to see of it.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
failed=0
# claim WHAT COMMAND...
claim() {
  what=$1; shift
  if "$@"; then echo "ok   $what"; else echo "OFF  $what: $(cat /run/said)"; failed=1; fi
}
disk() { gcs-host modify "$1" MappedVirtualDisk "{\"MountPath\":\"/run/mounts/scsi/$2\",$3}" >/run/said 2>&1; }
pmem() { gcs-host modify "$1" VPMemDevice "{\"MountPath\":\"/run/layers/$2\",$3}" >/run/said 2>&1; }
layers() { gcs-host modify "$1" CombinedLayers "{\"ContainerRootPath\":\"$2\"$3}" >/run/said 2>&1; }
directory() { gcs-host modify "$1" MappedDirectory "{\"MountPath\":\"/run/mounts/plan9/d\"$2}" >/run/said 2>&1; }
unplug() { gcs-host modify Remove SCSIDevice "{\"Lun\":$1}" >/run/said 2>&1; }
fails() { text=$1; shift; ! "$@" && grep -q "$text" /run/said; }
reads() { [ "$(cat "$2" 2>/dev/null)" = "$1" ]; }
option() { awk -v at="$1" -v want="$2" '$2 == at && ("," $4 ",") ~ ("," want ",") { found = 1 } END { exit !found }' /proc/mounts; }
mounts() { grep -c " /run/$1" /proc/mounts; }
mapped() { ls /sys/block | grep -c '^dm-'; }
none_left() { [ "$(mounts mounts/scsi)" = 0 ] && [ "$(mapped)" = 0 ] && [ "$(ls /run/mounts/scsi | wc -l)" = 0 ]; }
rescan() { for scan in /sys/class/scsi_host/host*/scan; do echo "- - -" >"$scan"; done; }
node() { echo /dev/"$(ls /sys/bus/scsi/devices/0:0:0:"$1"/block)"; }
lacks() { ! grep -q "$1" "$2"; }
not() { ! "$@"; }
soon() {
  left=400
  until "$@"; do left=$((left - 1)); [ $left -gt 0 ] || return 1; sleep 0.05; done
}
uptime_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }
at=/run/mounts/scsi

# The host; the commands of gcs-host use its bridge.
host_serves() {
  gcs-host -transport vsock serve >/run/host.log 2>&1 &
  soon test -S /run/gcs-host/control
  claim "the agent answers" gcs-host uvm true
}
# The end of a scene: status 1 when a claim did not hold.
ended() {
  if [ $failed != 0 ]; then
    for log in /run/gcs.log /run/diod.log; do [ ! -e $log ] || tail -n 20 $log; done
    dmesg | grep -i 'device-mapper\|scsi\|integrity\|crypt\|9p' | tail -n 20
  fi
  exit $failed
}
