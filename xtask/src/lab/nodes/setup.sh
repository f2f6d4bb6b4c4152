# setup.sh: makes a fresh Debian root a node's root. Runs inside it. $LOGIN_KEY is the public key.
set -eu

add_user() {
    useradd --create-home --uid "$2" --shell /bin/bash "$1"
    install -d -m 700 -o "$1" -g "$1" "/home/$1/.ssh"
    printf '%s\n' "$LOGIN_KEY" >"/home/$1/.ssh/authorized_keys"
    chown "$1:$1" "/home/$1/.ssh/authorized_keys"
    chmod 600 "/home/$1/.ssh/authorized_keys"
}

# The administrator, and two users for what can go wrong.
add_user pallet-admin 1500
add_user nosudo 1501
add_user pwsudo 1502
printf '%s\n' "pwsudo:$PWSUDO_PASSWORD" | chpasswd
cat >/etc/sudoers.d/lab <<'SUDOERS'
pallet-admin ALL=(ALL) NOPASSWD: ALL
pwsudo ALL=(ALL) ALL
SUDOERS
chmod 440 /etc/sudoers.d/lab

# Each node brings a host key of its own. Tests open many connections at once.
rm -f /etc/ssh/ssh_host_*
cat >/etc/ssh/sshd_config.d/lab.conf <<'SSHD'
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
MaxStartups 1000
MaxSessions 1000
PerSourceMaxStartups none
SSHD

# Nobody logs in on a console there is not.
if command -v systemctl >/dev/null; then
    systemctl mask console-getty.service getty@.service systemd-logind-varlink.socket
fi
apt-get -q -o Acquire::Retries=3 update
