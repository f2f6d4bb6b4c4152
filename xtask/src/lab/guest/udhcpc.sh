#!/bin/sh
# Called by udhcpc with what it learnt about the network card $interface.
case $1 in
deconfig)
    busybox ip address flush dev "$interface"
    ;;
bound | renew)
    busybox ip address flush dev "$interface"
    busybox ip address add "$ip/${mask:-24}" dev "$interface"
    for gateway in $router; do
        busybox ip route add default via "$gateway" dev "$interface" && break
    done
    for server in $dns; do
        grep -qx "nameserver $server" /etc/resolv.conf || echo "nameserver $server" >>/etc/resolv.conf
    done
    ;;
esac
