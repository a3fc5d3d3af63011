# Sourced by scenes with two hosts: shims whose VM boots on its host, or comes from another. All of them share /run/io, where
# the streams of containers are files.
export PATH=$STAGE/bin:/sbin:/usr/sbin:/bin:/usr/bin
vm=$STAGE/vm.json

# shim NAME [FLAG...]   leaves its pid in $shim. Its guests' port P is the socket /run/NAME_P.
shim() {
  name=$1; shift
  GCS_VHOST_UNIX=/run/$name gcs-host -v -transport "unix:/run/$name" serve --ttrpc "/run/$name.sock" --stdio /run/io \
    --console "/run/$name.console" --vm "$vm" "$@" >"/run/$name.log" 2>&1 3>&- 4>&- &
  shim=$!
}
state() { gcs-host list "/run/$1.sock" 2>/dev/null | head -n 1; }
is_state() { [ "$(state "$1")" = "$2" ]; }

# container SHIM ID [FLAG...] -- PROGRAM...
container() {
  at=$1 id=$2; shift 2
  flags=
  while [ "$1" != -- ]; do flags="$flags $1"; shift; done
  shift
  gcs-host start $flags --layer /layers/busybox "/run/$at.sock" "$id" "$@" >/dev/null
}

# A count of eight bytes a number: what is missing or twice can then be told to the byte. It pauses without a process of its
# own for that, which in here would cost the guest all of its processor.
count='trap "exit 42" TERM; mkfifo /tmp/pause; exec 9<>/tmp/pause; n=0
while :; do printf "%07d\n" $n; n=$((n + 1)); read -t 0.05 -r never <&9; done'
counted() { wc -l <"/run/io/$1.out"; }
counted_more_than() { [ "$(counted "$1")" -gt "$2" ]; }

# tally FILE   "LAST LOST DOUBLED": the last number, and the bytes that are missing before it or are there again
tally() {
  awk 'length($0) == 7 { n = $0 + 0; if (!(n in seen)) { seen[n]; kinds++ } if (n > last) last = n } { bytes += length($0) + 1 }
    END { lost = (last + 1 - kinds) * 8; print last, lost, bytes + lost - (last + 1) * 8 }' "$1"
}
