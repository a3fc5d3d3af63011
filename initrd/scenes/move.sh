#!/bin/sh
# A VM with containers that moves between two hosts (hosts/run): each line is a claim. Every move resets the guest's vsock
# device, as in the field: whatever the agent had connected breaks.
. "$STAGE/shims.sh"
. "$STAGE/claims"
mkdir -m 700 /run/io
goes_on() { now=$(counted count); until_true 600 counted_more_than count $((now + 10)); }
echoes() { echo "$1" >&3; until_true 600 grep -q "<$1>" /run/io/echo.out; }
types() { echo "echo t$1" >&4; until_true 600 grep -q "^t$1" /run/io/tty.out; }
alive() { goes_on && echoes "$1" && types "$1" && echo "a count, an echo and a terminal"; }
# got_to PHASE   whether the last move was there, and was rolled back
got_to() { grep -q "$1" /run/out && grep -q '^rolled back' /run/out && echo yes; }
exits_of() { for id in "$@"; do gcs-host wait "/run/$at.sock" "$id"; printf '%s ' $?; done; }

shim a; a=$shim
until_true 900 is_state a live
holds "a VM boots, and its agent comes over vsock" live "$(state a)"
is_state a live || { conclude "two hosts" /run/a.log /run/a.console; exit 1; }
shim b --incoming; b=$shim
until_true 100 is_state b empty
container a count -- sh -c "$count"
holds "a container counts" 0 $?
container a echo -i -- sh -c 'while read -r line; do echo "<$line>"; done; exit 6'
exec 3>/run/io/echo.in
container a tty -i -t -- sh
exec 4>/run/io/tty.in
holds "all of it is alive" "a count, an echo and a terminal" "$(alive one)"

gcs-host migrate /run/a.sock /run/b.sock >/run/out
holds "the VM moves" "0 empty live" "$? $(state a) $(state b)"
grep -v 'MiB sent' /run/out | sed 's/^/  | /'
holds "there too" "a count, an echo and a terminal" "$(alive two)"
holds "of the count nothing is missing" 0 "$(tally /run/io/count.out | cut -d' ' -f2)"

# Exits before, in and after the blackout, which is some 100 ms after the move begins. One before the move has begun makes
# the shim refuse it, which is not what is meant here: then it is moved afterwards.
for n in 1 2 3 4; do container b "exit$n" -i -- sh -c 'read -r pause code; sleep "$pause"; exit "$code"'; done
for n in 1 2 3 4; do echo "0.$n 4$n" >"/run/io/exit$n.in"; done
gcs-host migrate /run/b.sock /run/a.sock >/run/out 2>&1
case $? in 0) at=a ;; *) at=b ;; esac
tail -n 1 /run/out | sed 's/^/  | /'
holds "every exit around a move is told, once, wherever the VM is" "41 42 43 44 " "$(exits_of exit1 exit2 exit3 exit4)"
for n in 1 2 3 4; do gcs-host remove "/run/$at.sock" "exit$n"; done
[ $at = a ] || gcs-host migrate /run/b.sock /run/a.sock >/run/out
holds "the VM is back where it began" "live empty" "$(state a) $(state b)"
holds "and all of it is alive" "a count, an echo and a terminal" "$(alive three)"

gcs-host migrate --cancel-at OFFLINE_DONE /run/a.sock /run/b.sock >/run/out 2>&1
holds "a move that is taken back after the blackout began" "1 live empty" "$? $(state a) $(state b)"
holds "had come so far" yes "$(got_to OFFLINE_DONE)"
holds "leaves all of it alive" "a count, an echo and a terminal" "$(alive four)"
gcs-host migrate --cancel-at SETUP_DONE /run/a.sock /run/b.sock >/run/out 2>&1
holds "and one that is taken back at once" "1 live empty" "$? $(state a) $(state b)"
holds "had come so far, too" yes "$(got_to SETUP_DONE)"
holds "too" "a count, an echo and a terminal" "$(alive five)"
gcs-host migrate /run/a.sock /run/b.sock >/run/out
holds "it moves after all that" "0 empty live" "$? $(state a) $(state b)"
holds "once more alive" "a count, an echo and a terminal" "$(alive six)"

gcs-host signal /run/b.sock count 15
gcs-host wait /run/b.sock count
holds "the count's exit code" 42 $?
set -- $(tally /run/io/count.out)
holds "of the whole count nothing is missing" 0 "$2"
echo "  | counted to $1, $2 bytes lost, $3 bytes twice"
exec 3>&-
gcs-host wait /run/b.sock echo
holds "the end of the input reaches the container" 6 $?
echo "exit 5" >&4
gcs-host wait /run/b.sock tty
holds "and so does what is typed last" 5 $?
for id in count echo tty; do gcs-host remove /run/b.sock $id; done
holds "containers are removed" live "$(gcs-host list /run/b.sock)"
kill -TERM $a; wait $a
holds "a shim ends in order" 0 $?
kill -TERM $b; wait $b
holds "and so does the one with the VM" "0 " "$? $(pidof qemu-system-x86_64)"
rm -f /run/vm-memory /run/io/*

. "$STAGE/move_memory.sh"
conclude "two hosts" /run/a.log /run/b.log /run/a.console /run/b.console /run/out
