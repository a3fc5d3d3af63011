#!/bin/sh
# A host that its policy confines, claim by claim, on real devices: disks and memory that are read through the trees that
# stand on them, a container upon them with its scratch encrypted, and what is refused while others stand on it. Status 1
# when a claim does not hold. tests/vm makes the disks, and says in …_ROOT what the roots of their hash trees are.
. /claims.sh
id=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
bundle=/run/gcs/c/$id
ro='"ReadOnly":true,"Options":["ro"]'
policy() { gcs-host modify Add SecurityPolicy "$1" >/run/said 2>&1; }
scratch() { gcs-host modify "$1" MappedVirtualDisk "{\"MountPath\":\"$bundle\",$2}" >/run/said 2>&1; }
overlay() { layers "$1" $bundle/rootfs ',"ContainerID":"'$id'"'"$2"; }
delete() { gcs-host delete $id >/run/said 2>&1; }
says() { grep -qs "$1" /run/out; }
through() { grep -q "^/dev/mapper/$1 $2 ext4 ro" /proc/mounts; }

host_serves
claim "a disk is mounted before there is a policy" disk Add early '"Lun":4,"ReadOnly":true'
claim "the policy comes, with a reference" \
  policy '{"EncodedSecurityPolicy":"eyJhbGxvd19hbGwiOiB0cnVlfQ==","EncodedUVMReference":"cmVmZXJlbmNl"}'

claim "a disk is read through the tree that stands on it" disk Add m2 "\"Lun\":2,$ro"
claim "its files are there" reads "from the verified disk" $at/m2/file
claim "by way of a mapped device, which is named for the root" through "dm-verity-scsi-contr0-lun2-p0-$VERITY_ROOT" $at/m2
claim "a second one at the same path is refused" fails "mounted there already" disk Add m2 "\"Lun\":1,$ro"
claim "over it as well" fails "would hide $at/m2" disk Add . '"Lun":6'
claim "a partition is read through its tree" disk Add m3 "\"Lun\":3,\"Partition\":2,$ro"
claim "its files are there, too" reads "from the partition" $at/m3/file
claim "and its root" through "dm-verity-scsi-contr0-lun3-p2-$PART_ROOT" $at/m3
claim "the disk with the partitions has no file system" fails "no ext4" disk Add whole "\"Lun\":3,$ro"
claim "a disk without a tree is refused" fails "no dm-verity superblock" disk Add m4 "\"Lun\":4,$ro"
claim "what was changed behind the tree's back is mounted" disk Add m5 "\"Lun\":5,$ro"
claim "but cannot be read" not grep -qs . $at/m5/file
claim "it goes" disk Remove m5 "\"Lun\":5,$ro"
claim "a root digest of the host's has to be the disk's" \
  fails "the device's is $LAYER_ROOT" disk Add m1 "\"Lun\":1,$ro,\"VerityInfo\":{\"RootDigest\":\"$VERITY_ROOT\"}"
claim "and is taken where it is" disk Add m1 "\"Lun\":1,$ro,\"VerityInfo\":{\"RootDigest\":\"$LAYER_ROOT\"}"
claim "as a block device it is the mapped one" disk Add b5 "\"Lun\":5,\"BlockDev\":true,$ro"
claim "and not the disk" test "$(readlink $at/b5 | cut -d - -f 1-5)" = /dev/mapper/dm-verity-scsi-contr0-lun5
claim "so that nothing is written to it" not sh -c "dd if=/dev/zero of=$at/b5 bs=4096 count=1 conv=fsync 2>/dev/null"
claim "it goes" disk Remove b5 "\"Lun\":5,\"BlockDev\":true,$ro"
claim "memory is read through its tree" pmem Add p1 '"DeviceNumber":1'
claim "its files are there" reads "from verified memory" /run/layers/p1/file
claim "and its root" through "dm-verity-pmem1-$PMEM_ROOT" /run/layers/p1
claim "memory without a tree is refused" fails "no dm-verity superblock" pmem Add p0 '"DeviceNumber":0'
claim "a part of it as well" \
  fails "MappingInfo" pmem Add p2 '"DeviceNumber":1,"MappingInfo":{"DeviceOffsetInBytes":0,"DeviceSizeInBytes":8388608}'

upon() { echo ',"Layers":[{"Path":"'"$1"'"},{"Path":"'$at/m1'"}],"ScratchPath":"'$bundle/scratch/$id'"'; }
claim "a root wants a scratch on a disk" fails "on a device that this host has mounted" overlay Add "$(upon $at/m2)"
claim "an encrypted scratch" scratch Add '"Lun":6,"Encrypted":true,"EnsureFilesystem":true,"Filesystem":"ext4"'
for other in $at/early /layers/busybox $at/m2/dir $bundle; do
  claim "a layer at $other is refused" fails "$other: a layer is to be" overlay Add "$(upon $other)"
done
claim "nothing is mounted of those" test "$(mounts gcs/c/$id/rootfs)" = 0

shown='cd $UVM_SECURITY_CONTEXT_DIR && for file in *; do echo $file $(cat $file); done; cat /file; sleep 1000'
gcs-host run --name $id --keep --layer $at/m2 --layer $at/m1 \
  --annotation io.microsoft.virtualmachine.wcow.amd-certificate=Y2VydA== -- sh -c "$shown" >/run/out 2>/run/run.log &
running=$!
claim "a container runs on verified layers" soon says "from the verified disk"
claim "it is shown the policy" says "^security-policy-base64 eyJhbGxvd19hbGwiOiB0cnVlfQ==$"
claim "the reference" says "^reference-info-base64 cmVmZXJlbmNl$"
claim "and the host's certificate" says "^host-amd-cert-base64 Y2VydA==$"
claim "a layer below it is in use" fails "in use by $bundle/rootfs" disk Remove m1 "\"Lun\":1,$ro"
claim "its scratch as well" fails "in use by $bundle/rootfs" scratch Remove '"Lun":6'
claim "its root is not taken from it" fails "in use by a container that runs" overlay Remove ''
claim "it is not deleted" fails "still mounted" delete
claim "it is ended" gcs-host shutdown --force $id
wait $running
claim "and not deleted before its root has gone" fails "still mounted" delete
claim "its root goes" overlay Remove ''
claim "once" fails "has mounted nothing there" overlay Remove ''
claim "its scratch does not go by another disk's number" fails "is of the disk at controller 0, LUN 6" scratch Remove '"Lun":7'
claim "but by its own, from a host that does not say that it was encrypted" scratch Remove '"Lun":6'
claim "with its mappings" test "$(mapped)" = 4
claim "the container is deleted" delete
claim "once" not delete

second=f$id second=/run/gcs/c/${second%?}
claim "a scratch that is not encrypted" scratch Add '"Lun":7,"EnsureFilesystem":true,"Filesystem":"ext4"'
claim "holds a second container's as well" layers Add $second/rootfs \
  ',"ContainerID":"'${second##*/}'","Layers":[{"Path":"'$at/m1'"}],"ScratchPath":"'$bundle/scratch/${second##*/}'"'
claim "which is told" grep -q "a scratch that is not encrypted.*${second##*/}" /run/gcs.log
claim "that one's root goes" layers Remove $second/rootfs
claim "and its bundle with it, for no container has it" scratch Remove '"Lun":7'

claim "what was mounted before the policy is nobody's" \
  fails "has mounted nothing there" disk Remove early '"Lun":4,"ReadOnly":true'
claim "and still there" reads "from a disk without a tree" $at/early/file
for m in 'm1 "Lun":1' 'm2 "Lun":2' 'm3 "Lun":3,"Partition":2'; do
  claim "${m%% *} goes" disk Remove "${m%% *}" "${m#* },$ro"
done
claim "the memory goes" pmem Remove p1 '"DeviceNumber":1'
claim "nothing is left of them" test "$(mapped) $(mounts mounts/scsi) $(mounts layers) $(mounts gcs)" = "0 1 0 0"

claim "a disk that is busy" disk Add busy '"Lun":6,"Encrypted":true,"Filesystem":"ext4"'
exec 9>$at/busy/held
claim "cannot be unmounted" fails "busy" disk Remove busy '"Lun":6'
exec 9>&-
claim "which is the end of unmounting" fails "an unmount has failed" disk Remove busy '"Lun":6'
claim "and of mounting" fails "an unmount has failed" disk Add m1 "\"Lun\":1,$ro"
claim "while the VM goes on" gcs-host uvm true
ended
