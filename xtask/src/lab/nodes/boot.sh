# boot.sh KIND NAME ADDRESS GATEWAY MTU LOWER FOLDER: the first process of a node's namespaces.
# LOWER is the root that nodes share, FOLDER keeps what this node changes. Follows root.sh.
set -eu
kind=$1 name=$2 address=$3 gateway=$4 mtu=$5 lower=$6 folder=$7

mount -t overlay "$name" \
    -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work,volatile" "$folder/root"
furnish "$folder/root"
hostname "$name"

# The other end of the cable is put in from outside as soon as this namespace exists.
turns=0
until ip link show dev eth0 >/dev/null 2>&1; do
    turns=$((turns + 1))
    if [ "$turns" -gt 500 ]; then
        echo "boot: no network card after 10 s" >&2
        exit 1
    fi
    sleep 0.02
done
ip link set dev lo up
ip address add "$address/24" dev eth0
ip link set dev eth0 mtu "$mtu" up
ip route add default via "$gateway"

if [ "$kind" = systemd ]; then
    # The namespace was made inside this node's own control group, so this shows only that.
    if [ -e /sys/fs/cgroup/systemd/cgroup.procs ]; then
        mount -t tmpfs -o mode=755 cgroup "$folder/root/sys/fs/cgroup"
        mkdir "$folder/root/sys/fs/cgroup/systemd"
        mount -t cgroup -o none,name=systemd,xattr cgroup "$folder/root/sys/fs/cgroup/systemd"
    else
        mount -t cgroup2 cgroup2 "$folder/root/sys/fs/cgroup"
    fi
fi
# Of the kernel's settings only those of the network are the node's own; all others are the
# machine's, which root on a node must not change.
settings=$folder/root/proc/sys
mount --bind "$settings" "$settings"
mount --bind "$settings/net" "$settings/net"
mount -o remount,bind,ro "$settings"
become "$folder/root"

path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ "$kind" = systemd ]; then
    exec env -i "PATH=$path" container=lxc /sbin/init
fi
# sshd is not the first process itself, so that it can be restarted like anywhere else. The shell
# reaps what is orphaned while it waits.
exec env -i "PATH=$path" HOME=/root sh -c '
    mkdir -p /run/sshd
    /usr/sbin/sshd
    while :; do
        sleep 1000 &
        wait $!
    done'
