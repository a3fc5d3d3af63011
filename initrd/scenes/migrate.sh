#!/bin/sh
# A counter runs on while its VM moves between two hosts, and back (hosts/run).
. "$STAGE/shims.sh"
. "$STAGE/claims"
begun=$(date +%s%N)
say() { printf '\n[%5.1f s] %s\n' "$(($(date +%s%N) - begun))e-9" "$*"; }
off() {
  printf '\nOFF: %s\n' "$*"
  tail -n 20 /run/a.log /run/b.log /run/a.console /run/b.console 2>/dev/null | cut -c1-200
  exit 1
}
goes_on() { now=$(counted count); until_true 600 counted_more_than count $((now + 20)); }
show() { tail -n 3 /run/io/count.out | sed 's/^/  | /'; }
# move FROM TO   the phases as both hosts tell them
move() {
  gcs-host migrate "/run/$1.sock" "/run/$2.sock" >/run/move || off "it did not move: $(cat /run/move)"
  sed 's/^/  /' /run/move
}

mkdir -m 700 /run/io
say "host A boots a VM; its agent dials host A"
shim a; a=$shim
until_true 900 is_state a live || off "the agent does not come"
say "host A starts two containers in it: one counts, one answers what it is told"
container a count -- sh -c "$count" || off "no counter"
container a echo -i -- sh -c 'while read -r line; do echo "<$line>"; done; exit 6' || off "no echo"
exec 3>/run/io/echo.in
echo "before" >&3
goes_on || off "it does not count"
until_true 600 grep -q "<before>" /run/io/echo.out || off "no answer"
show

say "host B waits for a VM"
shim b --incoming; b=$shim
until_true 100 is_state b empty || off "host B does not serve"
say "the VM moves to B: every connection of the guest breaks, the guest is not told"
move a b
say "the counter goes on, in the hands of B"
goes_on || off "the counter stands still"
show
echo "at B" >&3
until_true 600 grep -q '<at B>' /run/io/echo.out || off "no answer at B"
echo "  | $(grep '<at B>' /run/io/echo.out)"

say "and back to A"
move b a
goes_on || off "the counter stands still"
show
gcs-host signal /run/a.sock count 15
gcs-host wait /run/a.sock count
[ $? = 42 ] || off "not the counter's exit code"
set -- $(tally /run/io/count.out)
[ "$2" = 0 ] || off "$2 bytes of the count are lost"
say "it ends with its own code, 42"
echo "  counted to          $(($1 + 1)), on A, on B, and on A again"
echo "  bytes lost          $2"
echo "  bytes seen twice    $3   (hosts of today do not say what they have read, so the guest sends again what may be lost)"
exec 3>&-
gcs-host wait /run/a.sock echo
[ $? = 6 ] || off "the end of the input did not arrive"
for host in $a $b; do kill -TERM $host && wait $host || off "a host does not end in order"; done
[ -z "$(pidof qemu-system-x86_64)" ] || off "a QEMU is left"
