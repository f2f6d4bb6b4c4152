# member.sh NAME ADDRESS GATEWAY MTU LOWER FOLDER PRODUCT SERVER: the first process of a cluster
# member's namespaces. LOWER is the root that members share, FOLDER keeps what this one has, and
# SERVER, of the PRODUCT lxd or incus, is what runs in it. Follows root.sh.
set -eu
name=$1 address=$2 gateway=$3 mtu=$4 lower=$5 folder=$6 product=$7 server=$8
root=$folder/root

mount -t overlay "$name" \
    -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work,volatile" "$root"
furnish "$root"
mknod -m 666 "$root/dev/fuse" c 10 229
# This network namespace's own devices, which the server sets up.
mount -o remount,rw "$root/sys"

# The namespace was made inside this member's own control groups: it sees and makes only those
# below them.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    # A group with groups below it must not hold processes itself.
    mkdir "$root/sys/fs/cgroup/member"
    echo 0 >"$root/sys/fs/cgroup/member/cgroup.procs"
    for controller in $(cat "$root/sys/fs/cgroup/cgroup.controllers"); do
        echo "+$controller" >"$root/sys/fs/cgroup/cgroup.subtree_control" || :
    done
else
    mount -t tmpfs -o mode=755 cgroup "$root/sys/fs/cgroup"
    for hierarchy in $(sed -n 's/^[0-9]*:\([^:][^:]*\):.*/\1/p' /proc/self/cgroup); do
        case $hierarchy in
        name=*) options=none,$hierarchy,xattr point=${hierarchy#name=} ;;
        *) options=$hierarchy point=$hierarchy ;;
        esac
        mkdir "$root/sys/fs/cgroup/$point"
        mount -t cgroup -o "$options" cgroup "$root/sys/fs/cgroup/$point"
    done
    mkdir "$root/sys/fs/cgroup/unified"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
fi

# Instances are on a real file system: an overlay cannot carry what their users are mapped by. And
# not where the lab is: they have to reach their root as nobody in particular.
mkdir -p "$root/var/lib/$product"
mount --bind "$folder/data" "$root/var/lib/$product"
hostname "$name"

# The other end of the cable is put in from outside as soon as this namespace exists.
turns=0
until ip link show dev eth0 >/dev/null 2>&1; do
    turns=$((turns + 1))
    if [ "$turns" -gt 500 ]; then
        echo "member: no network card after 10 s" >&2
        exit 1
    fi
    sleep 0.02
done
ip link set dev lo up
# Instances are on the same wire as the member.
ip link add br0 type bridge
ip link set dev eth0 mtu "$mtu" master br0 up
ip link set dev br0 mtu "$mtu" up
ip address add "$address/24" dev br0
ip route add default via "$gateway"
become "$root"
# No name is looked up: a member has nothing to fetch from elsewhere.
: >/etc/resolv.conf

path=/usr/libexec/incus:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec env -i "PATH=$path" HOME=/root sh -c '
    # What a restart after a cut of power finds.
    cd "/var/lib/$1"
    rm -rf unix.socket devlxd guestapi shmounts
    lxcfs /var/lib/lxcfs &
    exec "$2" --group root' member "$product" "$server"
