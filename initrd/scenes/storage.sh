#!/bin/sh
# Disks, layers and directories as a host asks for them, claim by claim, on real devices: SCSI disks (virtio-scsi), memory
# (virtio-pmem), the kernel's device mapper, and a 9P server on the host's port. Status 1 when a claim does not hold.
# tests/vm makes the disks, and says in VERITY_ROOT and PMEM_ROOT what the hash trees' roots are.
. /claims.sh

host_serves

claim "a disk is mounted" disk Add m0 '"Lun":1,"ReadOnly":true,"Options":["ro","noexec"]'
claim "its files are there" reads "from the disk" $at/m0/file
claim "it is read-only" option $at/m0 ro
claim "and as its options say" option $at/m0 noexec
claim "a second disk at the same path is refused" fails "mounted already" disk Add m0 '"Lun":2,"Partition":2'
claim "a partition of a disk is mounted" disk Add m1 '"Lun":2,"Partition":2'
claim "its files are there, too" reads "from the partition" $at/m1/file
claim "a disk of another controller is mounted" disk Add m2 '"Controller":1,"Lun":0'
claim "a mounted disk is not unplugged" fails "is in use" unplug 1
claim "it is removed" disk Remove m0 '"Lun":1,"ReadOnly":true'
claim "twice" disk Remove m0 '"Lun":1,"ReadOnly":true'
claim "it is unplugged" unplug 1
claim "and gone" test ! -e /sys/bus/scsi/devices/0:0:0:1
claim "twice" unplug 1
disk Add m0 '"Lun":1' &
adding=$!
sleep 1
before=$(uptime_ms)
claim "a request that waits for a disk holds up no other" gcs-host modify Remove MappedDirectory '{"MountPath":"/run/x"}'
claim "for long" test $(($(uptime_ms) - before)) -lt 1000
rescan
claim "a disk that is plugged in meanwhile is mounted" wait $adding
before=$(uptime_ms)
claim "one that does not come is an error" fails "no disk at controller 0, LUN 40" disk Add m9 '"Lun":40'
claim "after ten seconds" test $(($(uptime_ms) - before)) -lt 13000
claim "a block device is a link" disk Add b0 '"Lun":3,"BlockDev":true'
claim "to a device" test -b $at/b0
claim "it is removed" disk Remove b0 '"Lun":3,"BlockDev":true'
mkdir -p /run/elsewhere && ln -s /run/elsewhere $at/link
claim "a planted symlink leads nowhere" fails "symlink" disk Add link/m '"Lun":3'
rm $at/link
for m in 'm0 "Lun":1' 'm1 "Lun":2,"Partition":2' 'm2 "Controller":1,"Lun":0'; do
  claim "${m%% *} goes" disk Remove "${m%% *}" "${m#* }"
done
claim "nothing is left of them" none_left

for kind in "3 ext4" "4 xfs"; do
  lun=${kind% *} type=${kind#* }
  claim "an empty disk becomes $type" disk Add e '"Lun":'"$lun"',"EnsureFilesystem":true,"Filesystem":"'"$type"'"'
  echo kept >$at/e/file
  claim "it is removed" disk Remove e '"Lun":'"$lun"
  claim "and comes back" disk Add e '"Lun":'"$lun"',"EnsureFilesystem":true,"Filesystem":"'"$type"'"'
  claim "as it was" reads kept $at/e/file
  claim "it is removed again" disk Remove e '"Lun":'"$lun"
done
claim "a disk with something on it is not formatted" fails "only an empty disk is formatted" \
  disk Add e '"Lun":5,"EnsureFilesystem":true,"Filesystem":"ext4"'
claim "and keeps it" test "$(head -c 6 "$(node 5)")" = "secret"

verity='"Lun":6,"ReadOnly":true,"VerityInfo":{"SuperBlock":true,"RootDigest":"'
claim "a disk is read through its hash tree" disk Add v "$verity$VERITY_ROOT\"}"
claim "its files are there" reads "from the verified disk" $at/v/file
claim "by way of a mapped device" grep -q "^/dev/mapper/dm-verity-scsi-contr0-lun6-p0-$VERITY_ROOT $at/v ext4 ro" /proc/mounts
claim "it is removed" disk Remove v '"Lun":6,"ReadOnly":true'
claim "and its mapping" test "$(mapped)" = 0
mkdir -p "/dev/mapper/dm-verity-scsi-contr0-lun6-p0-$VERITY_ROOT"  # where its node is to be
claim "a mapping whose node cannot be made is an error" fails "make the node" disk Add v "$verity$VERITY_ROOT\"}"
claim "and nothing is left of it" none_left
rmdir "/dev/mapper/dm-verity-scsi-contr0-lun6-p0-$VERITY_ROOT"
wrong=$(echo "$VERITY_ROOT" | tr 0-9a-f 1-9a-f0)
claim "with another root digest nothing can be read" not disk Add v "$verity$wrong\"}"
claim "nothing is left of that" none_left

dd if=/dev/urandom of=/run/random bs=1M count=8 2>/dev/null
for kind in "7 ext4" "8 xfs"; do
  lun=${kind% *} type=${kind#* }
  claim "a disk is encrypted, as $type" disk Add c '"Lun":'"$lun"',"Encrypted":true,"EnsureFilesystem":true,"Filesystem":"'"$type"'"'
  cp /run/random $at/c/random
  echo "a secret text" >$at/c/secret
  sync
  echo 3 >/proc/sys/vm/drop_caches
  claim "what is written is read again" cmp -s /run/random $at/c/random
  # The other disk is too large to be searched in an emulated VM.
  [ "$type" = xfs ] || claim "but is not on the disk" lacks "a secret text" "$(node "$lun")"
  claim "a second time is refused" fails "mounted already" disk Add c '"Lun":'"$lun"',"Encrypted":true,"Filesystem":"'"$type"'"'
  claim "also elsewhere" fails "" disk Add c2 '"Lun":'"$lun"',"Encrypted":true,"Filesystem":"'"$type"'"'
  echo 3 >/proc/sys/vm/drop_caches
  claim "and harms nothing" cmp -s /run/random $at/c/random
  claim "it is removed by a host that does not say that it was encrypted" disk Remove c '"Lun":'"$lun"
  claim "with its mappings" none_left
done

claim "a device of memory is mounted" pmem Add p0 '"DeviceNumber":0'
claim "its files are there" reads "packed first" /run/layers/p0/file
claim "it is removed" pmem Remove p0 '"DeviceNumber":0'
second='"DeviceNumber":0,"MappingInfo":{"DeviceOffsetInBytes":8388608,"DeviceSizeInBytes":8388608}'
claim "a part of it is mounted" pmem Add p0-8388608-8388608 "$second"
claim "its files are there" reads "packed second" /run/layers/p0-8388608-8388608/file
claim "by way of a mapped device" grep -q "^/dev/mapper/dm-linear-pmem0-8388608-8388608 " /proc/mounts
claim "it is removed" pmem Remove p0-8388608-8388608 "$second"
claim "a device of memory is read through its hash tree" \
  pmem Add p1 '"DeviceNumber":1,"VerityInfo":{"SuperBlock":true,"RootDigest":"'"$PMEM_ROOT"'"}'
claim "its files are there" reads "from verified memory" /run/layers/p1/file
claim "it is removed" pmem Remove p1 '"DeviceNumber":1'
claim "nothing is left of them" test "$(mounts layers) $(mapped)" = "0 0"

claim "a layer on a disk" disk Add l '"Lun":1,"ReadOnly":true'
claim "and an encrypted scratch, shared" disk Add s '"Lun":7,"Encrypted":true,"Filesystem":"ext4"'
for id in one two; do
  claim "make the root of container $id" layers Add /run/gcs/c/$id/rootfs \
    ',"Layers":[{"Path":"'$at/l'"},{"Path":"/layers/busybox"}],"ScratchPath":"'$at/s/scratch/pod/$id'"'
  claim "with the layer's files" reads "from the disk" /run/gcs/c/$id/rootfs/file
  echo $id >/run/gcs/c/$id/rootfs/mine
  claim "and a writable part on the scratch" reads $id $at/s/scratch/pod/$id/upper/mine
done
claim "what is mapped for it is not closed while roots stand on it" fails "busy" disk Remove s '"Lun":7'
for id in one two; do
  claim "the root of container $id goes" layers Remove /run/gcs/c/$id/rootfs
  claim "and its bundle, that no container has" test ! -e /run/gcs/c/$id
done
claim "then the scratch" disk Remove s '"Lun":7'
claim "which can be unplugged" unplug 7
claim "a plain scratch, shared" disk Add s '"Lun":3,"EnsureFilesystem":true,"Filesystem":"ext4"'
claim "makes a root" layers Add /run/gcs/pods/pod/one/rootfs \
  ',"Layers":[{"Path":"'$at/l'"},{"Path":"/layers/busybox"}],"ScratchPath":"'$at/s/scratch/pod/one'"'
claim "and takes the bundle in" test -d $at/s/scratch/pod/one/bundle/rootfs
claim "the root goes" layers Remove /run/gcs/pods/pod/one/rootfs
claim "and the directories that came with it" test ! -e /run/gcs/pods/pod
claim "then the scratch" disk Remove s '"Lun":3'
claim "which can be unplugged, too" unplug 3
claim "one read-only layer is a root, too" layers Add /run/gcs/c/three/rootfs ',"Layers":[{"Path":"'$at/l'"}]'
claim "read-only" option /run/gcs/c/three/rootfs ro
claim "it goes" layers Remove /run/gcs/c/three/rootfs
claim "and the layer" disk Remove l '"Lun":1'
claim "nothing is left of them" none_left

mkdir -p /run/share && echo "from the host" >/run/share/file
claim "a directory without a server is an error" fails "no 9P server on port 564" directory Add ',"Port":564,"ShareName":"/run/share"'
socat VSOCK-LISTEN:565,fork EXEC:'sleep 60' 2>/dev/null &
before=$(uptime_ms)
claim "one whose server does not answer as well" fails "does not answer" directory Add ',"Port":565,"ShareName":"x"'
claim "after ten seconds" test $(($(uptime_ms) - before)) -lt 13000
claim "nothing is left of that" test ! -e /run/mounts/plan9
# Whoever asks is taken for root.
socat VSOCK-LISTEN:564,fork EXEC:'diod -f -n -S -U root -c /dev/null -L stderr -e /run/share --rfdno 0 --wfdno 1' 2>/run/diod.log &
claim "a directory of the host is mounted" directory Add ',"Port":564,"ShareName":"/run/share"'
claim "its files are there" reads "from the host" /run/mounts/plan9/d/file
echo "from the guest" >/run/mounts/plan9/d/new
claim "and what is written arrives" reads "from the guest" /run/share/new
claim "a second one at the same path is refused" fails "mounted already" directory Add ',"Port":564,"ShareName":"/run/share"'
claim "it is removed" directory Remove ''
claim "twice" directory Remove ''
claim "and mounted read-only" directory Add ',"Port":564,"ShareName":"/run/share","ReadOnly":true'
claim "so that nothing is written" not touch /run/mounts/plan9/d/more
claim "it goes" directory Remove ''

ended
