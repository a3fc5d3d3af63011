# Sourced by the demo's scenes: their words. The first thing that is off ends the scene with status 1.
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
# The host, as $host; the commands of gcs-host use its bridge.
host_serves() {
  gcs-host -transport vsock serve >/run/host.log 2>&1 &
  host=$!
  until_true 20 test -S /run/gcs-host/control || off "gcs-host does not serve: $(cat /run/host.log)"
}
# The host powers the VM off; so the scene's status is told before.
power_off() {
  say "power-off, by the host"
  echo "gcs.run: exit 0"
  gcs-host "$@" poweroff
  sleep 10
  off "the VM is still there"
}
