# dhcp.sh ADDRESS GATEWAY FIRST LAST MTU LOWER: gives the cluster's instances their addresses, on
# the wire that they share with the members. Follows root.sh.
set -eu
address=$1 gateway=$2 first=$3 last=$4 mtu=$5 root=$6
mount --bind "$root" "$root"
furnish "$root"
turns=0
until ip link show dev eth0 >/dev/null 2>&1; do
    turns=$((turns + 1))
    [ "$turns" -le 500 ]
    sleep 0.02
done
ip link set dev lo up
ip link set dev eth0 mtu "$mtu" up
ip address add "$address/24" dev eth0
become "$root"
exec dnsmasq --keep-in-foreground --log-facility=- --user=root --port=0 --leasefile-ro --no-ping \
    --interface=eth0 --bind-interfaces --dhcp-authoritative --dhcp-range="$first,$last,2m" \
    --dhcp-option="3,$gateway" --dhcp-option="26,$mtu"
