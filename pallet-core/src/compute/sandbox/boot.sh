# boot.sh NAME FOLDER FSTAB ADDRESS GATEWAY CAPABILITIES -- MOUNT LOWER…: the first process of a
# sandbox's namespaces, until it becomes the sandbox's own first process.
#
# It talks with the one that makes the sandbox: `pid N`, then it waits for `go`; `ready`, then it
# waits for `commit`. If that one is gone it ends, and the namespaces with it.
set -eu
name=$1 folder=$2 fstab=$3 address=$4 gateway=$5 capabilities=$6
shift 7
# This /proc is the machine's: it shows the process id that the machine knows.
read -r pid _ </proc/self/stat
echo "pid $pid"
# Two commands: `set -e` does not end a shell whose `read` fails in front of an `&&`.
read -r word
[ "$word" = go ]

if [ -n "$address" ]; then
    ip -batch - <<NETWORK
link set dev lo up
address add $address/20 dev eth0
link set dev eth0 up
route add default via $gateway
NETWORK
elif command -v ip >/dev/null; then
    # Fails where the network is the machine's own, which is up.
    ip link set dev lo up 2>/dev/null || :
fi
printf '%s' "$name" >/proc/sys/kernel/hostname

number=0
while [ $# -gt 0 ]; do
    mount -t overlay \
        -o "lowerdir=$2,upperdir=$folder/upper$number,workdir=$folder/work$number" \
        "$name" "$folder/root$1"
    number=$((number + 1))
    shift 2
done
mount --all --fstab "$fstab"

cd "$folder/root"
pivot_root . .
umount -l .
cd /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    setpriv "--bounding-set=$capabilities" --inh-caps=-all sh -euc '
        echo ready
        read -r word
        [ "$word" = commit ]
        exec </dev/null >/dev/null 2>&1
        # A shell that waits reaps what is orphaned.
        while :; do
            sleep 86400 &
            wait $! || :
        done'
