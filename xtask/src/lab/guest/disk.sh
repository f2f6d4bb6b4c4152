# disk.sh: puts the guest's root and kernel on a bootable disk. Runs inside the builder's root.
# $WORK has the folder `root` and the file `bzImage`; the disk is left there as guest.raw.
set -eu
megabytes=1024
offset=1 # of the partition, in megabytes
cd "$WORK"
mkdir -p root/boot/extlinux
cp bzImage root/boot/vmlinuz
cat >root/boot/extlinux/extlinux.conf <<'BOOT'
default guest
prompt 0
timeout 0
label guest
    kernel /boot/vmlinuz
    append root=/dev/sda1 rw init=/sbin/node-init console=ttyS0,115200 quiet random.trust_cpu=on mitigations=off
BOOT

rm -f guest.raw
truncate -s "${megabytes}M" guest.raw
printf '%sMiB,,L,*\n' "$offset" | sfdisk -q guest.raw
# Without a journal: a throw-away machine has no use for one. The boot loader reads no 64-bit
# file system and no checksums.
mke2fs -q -t ext4 -L guest -m 0 -O ^has_journal,^64bit,^metadata_csum \
    -E "offset=$((offset * 1024 * 1024))" -d root guest.raw "$((megabytes - offset))M"

for number in 0 1 2 3 4 5 6 7; do
    mknod "/dev/loop$number" b 7 "$number"
done
mknod /dev/loop-control c 10 237
mkdir -p /mnt/disk
mount -o "loop,offset=$((offset * 1024 * 1024)),sizelimit=$(((megabytes - offset) * 1024 * 1024))" \
    guest.raw /mnt/disk
extlinux --install /mnt/disk/boot/extlinux
umount /mnt/disk
dd if=/usr/lib/EXTLINUX/mbr.bin of=guest.raw bs=440 count=1 conv=notrunc status=none
