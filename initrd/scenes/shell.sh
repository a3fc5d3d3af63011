#!/bin/sh
# A shell in a container in the VM, for a person.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
[ -z "$ROWS" ] || stty rows "$ROWS" cols "$COLUMNS"
gcs-host -transport vsock run -i -t --layer /layers/busybox --hostname container -e "TERM=$TERM" -- sh -l
