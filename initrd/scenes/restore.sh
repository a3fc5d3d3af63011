#!/bin/sh
# What the agent does after an outage in which the VM may have been restored. Emulated, the VM has no clock of its
# hypervisor; that somebody steps the VM's own clock meanwhile, as Hyper-V's driver would, is played here. Claim by claim;
# status 1 when one does not hold.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
failed=0
# claim WHAT COMMAND...
claim() {
  what=$1; shift
  if "$@"; then echo "ok   $what"; else echo "OFF  $what"; failed=1; fi
}
logged() { test "$(grep -c "$2" /run/gcs.log)" = "$1"; }
# soon COUNT TEXT   the log has that many such lines before long
soon() {
  left=200
  until logged "$@"; do
    left=$((left - 1)); [ $left -gt 0 ] || return 1
    sleep 0.05
  done
}
host_comes() {
  gcs-host -transport vsock serve >/run/host.log 2>&1 &
  host=$!
  left=400
  until [ -S /run/gcs-host/control ]; do left=$((left - 1)); [ $left -gt 0 ] || break; sleep 0.05; done
  gcs-host uvm true
}
host_goes() { kill "$host" && wait "$host"; }

claim "a host comes" host_comes
claim "nothing is done at the first session" logged 0 "random numbers\|set the clock\|offers no clock"
claim "it goes, in order" host_goes
claim "it comes back" host_comes
claim "that there is no clock to go by is logged" soon 1 "offers no clock"
claim "and nothing else is done" logged 0 "random numbers\|set the clock"
host_goes
date -s 2030-01-01 >/dev/null
claim "it comes back, and the clock was stepped meanwhile" host_comes
claim "which is noticed" soon 1 "somebody has set the clock"
claim "and the kernel reseeds" soon 1 "random numbers reseeded"
claim "once was enough to say that there is no clock" logged 1 "offers no clock"
[ $failed = 0 ] || tail -n 30 /run/gcs.log
exit $failed
