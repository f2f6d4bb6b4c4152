# setup.sh: makes a fresh Debian root the guest's. Runs inside it. $LOGIN_KEY is the public key,
# $FILES the folder with the guest's own scripts.
set -eu

useradd --create-home --shell /bin/bash pallet-admin
install -d -m 700 -o pallet-admin -g pallet-admin /home/pallet-admin/.ssh
printf '%s\n' "$LOGIN_KEY" >/home/pallet-admin/.ssh/authorized_keys
chown pallet-admin:pallet-admin /home/pallet-admin/.ssh/authorized_keys
chmod 600 /home/pallet-admin/.ssh/authorized_keys
printf 'pallet-admin ALL=(ALL) NOPASSWD: ALL\n' >/etc/sudoers.d/pallet-admin
chmod 440 /etc/sudoers.d/pallet-admin

# The host key is made at the first boot, each machine its own.
rm -f /etc/ssh/ssh_host_*
cat >/etc/ssh/sshd_config.d/guest.conf <<'SSHD'
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
# Every guest instruction is interpreted in the lab: be patient with slow cryptography.
LoginGraceTime 600
SSHD

install -m 755 "$FILES/node-init" /sbin/node-init
install -m 755 "$FILES/udhcpc.sh" /etc/udhcpc.sh
install -d /etc/acpi/PWRF
install -m 755 "$FILES/power-button.sh" /etc/acpi/PWRF/00000080
echo node >/etc/hostname
printf '127.0.0.1 localhost node\n' >/etc/hosts
rm -f /etc/resolv.conf
: >/etc/resolv.conf
# Package sources are for whoever uses the guest to set.
: >/etc/apt/sources.list
rm -f /etc/apt/apt.conf.d/90lab

rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/info/* /usr/share/locale/* \
    /usr/share/i18n/* /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb \
    /var/log/*.log /var/log/apt/*
