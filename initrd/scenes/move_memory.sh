# Sourced by move.sh: a VM whose memory is no file and is sent, slowly, so that there is time for what goes wrong in mid-copy.
sed 's/"MemoryFile":"[^"]*",//' "$vm" >/run/vm.json
vm=/run/vm.json
sending() { grep -q 'MiB sent' /run/out; }
# interrupted NAME COMMAND...   a move to b that COMMAND interrupts in mid-copy; leaves its status in $status
interrupted() {
  : >/run/out
  gcs-host migrate /run/a.sock /run/b.sock >/run/out 2>&1 &
  move=$!
  until_true 600 sending || echo "OFF: nothing is sent"
  "$@"
  wait $move; status=$?
  sending && grep -q '^rolled back' /run/out || status="$status, not rolled back in mid-copy"
}
kill_destination() {
  kill -KILL $b
  for pid in $(pidof qemu-system-x86_64); do [ "$pid" = "$first" ] || kill -KILL "$pid"; done
}
take_back() { kill -INT $move; }

shim a --bandwidth 4m; a=$shim
until_true 900 is_state a live
first=$(pidof qemu-system-x86_64)
shim b --incoming --bandwidth 4m; b=$shim
until_true 100 is_state b empty
container a count -- sh -c "$count"
container a echo -i -- sh -c 'while read -r line; do echo "<$line>"; done; exit 6'
exec 3>/run/io/echo.in
container a tty -i -t -- sh
exec 4>/run/io/tty.in
holds "another VM, whose memory is sent, is alive" "a count, an echo and a terminal" "$(alive seven)"

interrupted take_back
holds "a move that is taken back in mid-copy" "1 live empty" "$status $(state a) $(state b)"
holds "breaks nothing" "a count, an echo and a terminal, 0 bytes twice" "$(alive eight), $(tally /run/io/count.out | cut -d' ' -f3) bytes twice"
interrupted kill_destination
holds "a destination that is killed in mid-copy" live "$(state a)"
holds "leaves all of it alive" "a count, an echo and a terminal" "$(alive nine)"
rm -f /run/b.sock
shim b --incoming --bandwidth 1g; b=$shim
until_true 100 is_state b empty
container a late -i -- sh -c 'read -r code; exit "$code"'
: >/run/out
gcs-host migrate /run/a.sock /run/b.sock >/run/out 2>&1 &
move=$!
until_true 600 sending
echo 47 >/run/io/late.in
wait $move
holds "to another one the VM moves" "0 empty live" "$? $(state a) $(state b)"
gcs-host wait /run/b.sock late
holds "an exit in mid-copy is told there" 47 $?
gcs-host remove /run/b.sock late
grep -v 'MiB sent' /run/out | sed 's/^/  | /'
holds "and is alive" "a count, an echo and a terminal" "$(alive ten)"
gcs-host signal /run/b.sock count 15
gcs-host wait /run/b.sock count
set -- $(tally /run/io/count.out)
holds "of the count nothing is missing" 0 "$2"
echo "  | counted to $1, $2 bytes lost, $3 bytes twice"
kill -TERM $a; wait $a
kill -TERM $b; wait $b
holds "no QEMU is left" "" "$(pidof qemu-system-x86_64)"
