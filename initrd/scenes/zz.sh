. "$STAGE/shims.sh"
mkdir -m 700 /run/io
sed -i 's|LD_PRELOAD=\(.*\)$|LD_PRELOAD=\1; exec 2>/run/qemu.err|' $STAGE/bin/qemu-system-x86_64
shim a
sleep 9
gcs-host list /run/a.sock; echo rc $?;  cat /run/a.console; head -90 /run/qemu.err; tail /run/a.log
