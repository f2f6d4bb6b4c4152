# Makes a running guest fit to be an image. Runs as root in the guest, in any POSIX shell.
#
# Set before this: $USER_NAME, and $KEYS, one public key in each line. After it come calls of `step`.
# A step has a function `is_…`, which changes nothing and succeeds where nothing is to be done; and
# `do_…` unless it is beyond a script. What `do_…` prints last is the reason if it fails.

export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022
failed=

say() { printf 'vmfest-prepare: %s %s %s\n' "$1" "$2" "$3"; }

# step NAME FUNCTION: how `check` and `apply` go about a step of each kind.
check_need() { "is_$2" >/dev/null 2>&1 </dev/null && say "$1" ready || say "$1" open; }
check_fix() { check_need "$1" "$2"; }
check_advice() { "is_$2" >/dev/null 2>&1 </dev/null && say "$1" ready || say "$1" advice; }
check_seal() { say "$1" later; }

apply_need() {
    "is_$2" >/dev/null 2>&1 </dev/null && say "$1" ready && return
    failed=1
    say "$1" failed
}
apply_fix() {
    "is_$2" >/dev/null 2>&1 </dev/null && say "$1" ready && return
    if reason=$("do_$2" 2>&1 </dev/null) && "is_$2" >/dev/null 2>&1 </dev/null; then
        say "$1" changed
    else
        failed=1
        say "$1" failed "$(printf '%s\n' "$reason" | grep -v '^[[:space:]]*$' | tail -n 1)"
    fi
}
apply_advice() { check_advice "$1" "$2"; }
# These make the guest a stranger to whoever knows it: only when all else is done.
apply_seal() {
    if [ -n "$failed" ]; then
        say "$1" later
    elif reason=$("do_$2" 2>&1 </dev/null); then
        say "$1" changed
    else
        failed=1
        say "$1" failed "$(printf '%s\n' "$reason" | tail -n 1)"
    fi
}

# What the guest is.

has() { command -v "$1" >/dev/null 2>&1; }
is_systemd() {
    [ -d /run/systemd/system ] && return
    case $(readlink -f /sbin/init) in */systemd) ;; *) false ;; esac
}
is_openrc() { has rc-update; }
starts_at_boot() {
    if is_systemd; then
        systemctl is-enabled --quiet "$1.service" || systemctl is-enabled --quiet "$1.socket"
    elif is_openrc; then
        rc-update show | grep -qw "$1"
    else
        # Nobody can tell, so nobody complains.
        true
    fi
}
install_package() {
    if has apt-get; then
        apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$@"
    elif has dnf; then dnf -qy install "$@"
    elif has yum; then yum -qy install "$@"
    elif has zypper; then zypper -qn install "$@"
    elif has apk; then apk add -q "$@"
    elif has pacman; then pacman -Sy --noconfirm "$@"
    else echo "install $* by hand: no package manager is known here" && false
    fi
}
home_of() { awk -F : -v user="$1" '$1 == user { print $6 }' /etc/passwd; }
shell_of() { awk -F : -v user="$1" '$1 == user { print $7 }' /etc/passwd; }
relabel() { if has restorecon; then restorecon -F "$@"; fi; }

# What every image needs.

is_root() { [ "$(id -u)" = 0 ]; }

is_sudo() { has sudo; }
do_sudo() { install_package sudo; }

is_sshd() { [ -x /usr/sbin/sshd ] && { starts_at_boot sshd || starts_at_boot ssh; }; }
do_sshd() {
    if [ ! -x /usr/sbin/sshd ]; then
        if has pacman || has apk || has zypper; then install_package openssh; else install_package openssh-server; fi ||
            return
    fi
    if is_systemd; then
        systemctl enable ssh.service || systemctl enable sshd.service
    elif is_openrc; then
        rc-update add sshd default
    fi
}

is_user() {
    id -u "$USER_NAME" && [ -d "$(home_of "$USER_NAME")" ] || return
    case $(shell_of "$USER_NAME") in */nologin | */false) false ;; esac
}
do_user() {
    if id -u "$USER_NAME" >/dev/null 2>&1; then
        echo "the account is there, but has no home folder or may not log in"
        return 1
    fi
    shell=/bin/sh
    [ -x /bin/bash ] && shell=/bin/bash
    if has useradd; then
        useradd --create-home --shell "$shell" "$USER_NAME"
    else
        adduser -D -s "$shell" "$USER_NAME"
    fi || return
    # No password, but not locked either: sshd without PAM lets nobody in whose account is locked.
    printf '%s:*\n' "$USER_NAME" | chpasswd -e
}

is_key() {
    folder=$(home_of "$USER_NAME")/.ssh
    [ ! -L "$folder" ] && [ ! -L "$folder/authorized_keys" ] &&
        [ "$(stat -c '%a %U' "$folder")" = "700 $USER_NAME" ] &&
        [ "$(stat -c '%a %U' "$folder/authorized_keys")" = "600 $USER_NAME" ] &&
        printf '%s\n' "$KEYS" | while read -r key; do
            grep -qxF -- "$key" "$folder/authorized_keys" || exit 1
        done
}
do_key() {
    folder=$(home_of "$USER_NAME")/.ssh
    if [ -L "$folder" ] || [ -L "$folder/authorized_keys" ]; then
        echo "$folder/authorized_keys is a symbolic link; make it a file"
        return 1
    fi
    [ -d "${folder%/.ssh}" ] || { echo "$USER_NAME has no home folder" && return 1; }
    mkdir -p "$folder" && touch "$folder/authorized_keys" || return
    # Its last line may be without an end.
    [ -z "$(tail -c 1 "$folder/authorized_keys")" ] || echo >>"$folder/authorized_keys"
    printf '%s\n' "$KEYS" | while read -r key; do
        grep -qxF -- "$key" "$folder/authorized_keys" || printf '%s\n' "$key" >>"$folder/authorized_keys"
    done
    chmod 700 "$folder" && chmod 600 "$folder/authorized_keys" &&
        chown -R "$USER_NAME:$(id -gn "$USER_NAME")" "$folder" && relabel -R "$folder"
}

is_sudoers() { su -s /bin/sh -c 'sudo -n true' "$USER_NAME"; }
do_sudoers() {
    # sudo passes over names with a dot.
    file=/etc/sudoers.d/90-vmfest new=/etc/sudoers.d/90-vmfest.new
    mkdir -p -m 750 /etc/sudoers.d &&
        printf 'Defaults:%s !requiretty\n%s ALL=(ALL) NOPASSWD: ALL\n' "$USER_NAME" "$USER_NAME" >"$new" &&
        chmod 440 "$new" && visudo -cqf "$new" && mv "$new" "$file" && relabel "$file"
}

is_login() {
    config=$(/usr/sbin/sshd -T -C "user=$USER_NAME,host=localhost,addr=127.0.0.1" 2>/dev/null)
    # Without host keys, for one, it tells nothing.
    [ -n "$config" ] || return 0
    printf '%s\n' "$config" | grep -qx 'pubkeyauthentication yes' || return
    allowed=$(printf '%s\n' "$config" | sed -n 's/^allowusers //p')
    denied=$(printf '%s\n' "$config" | sed -n 's/^denyusers //p')
    for pattern in $denied; do
        # shellcheck disable=SC2254
        case $USER_NAME in $pattern) return 1 ;; esac
    done
    [ -n "$allowed" ] || return 0
    for pattern in $allowed; do
        # shellcheck disable=SC2254
        case $USER_NAME in ${pattern%%@*}) return 0 ;; esac
    done
    false
}

# What names the network card of this very machine.

RULES=/etc/udev/rules.d
is_card_names() {
    [ ! -s "$RULES/70-persistent-net.rules" ] &&
        { [ ! -e /lib/udev/rules.d/75-persistent-net-generator.rules ] || [ -e "$RULES/75-persistent-net-generator.rules" ]; } &&
        ! grep -qsi '^HWADDR=' /etc/sysconfig/network-scripts/ifcfg-* && ! grep -rqs 'macaddress:' /etc/netplan
}
do_card_names() {
    rm -f "$RULES/70-persistent-net.rules" || return
    if [ -e /lib/udev/rules.d/75-persistent-net-generator.rules ]; then
        # An empty file of that name here takes the place of the one that writes those rules.
        : >"$RULES/75-persistent-net-generator.rules"
    fi
    for file in /etc/sysconfig/network-scripts/ifcfg-*; do
        [ ! -f "$file" ] || sed -i -e '/^HWADDR=/Id' -e '/^UUID=/Id' "$file" || return
    done
    file=$(grep -rls 'macaddress:' /etc/netplan | head -n 1)
    [ -z "$file" ] || { echo "$file names a MAC address; name the interface instead" && false; }
}

# How others know this guest: its host keys, by way of the serial port.

PRINTER=/usr/local/sbin/vmfest-host-keys
is_host_key_lines() {
    [ -x "$PRINTER" ] && { is_systemd || is_openrc; } && starts_at_boot vmfest-host-keys
}
do_host_key_lines() {
    mkdir -p /usr/local/sbin && cat >"$PRINTER" <<'PROGRAM' && chmod 755 "$PRINTER" && relabel "$PRINTER" || return
#!/bin/sh
# Makes the SSH host keys that are missing, and prints all of them on the serial port: whoever owns
# the virtual machine reads them there, and nothing on the network can forge them.
ssh-keygen -A
if [ -w /dev/ttyS0 ]; then
    for key in /etc/ssh/ssh_host_*_key.pub; do
        printf '\nssh-host-key: %s\n' "$(cut -d ' ' -f 1,2 "$key")"
    done >/dev/ttyS0
fi
PROGRAM
    if is_systemd; then
        cat >/etc/systemd/system/vmfest-host-keys.service <<'UNIT' && systemctl enable vmfest-host-keys.service
[Unit]
Description=SSH host keys, on the serial port
Before=ssh.service sshd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/vmfest-host-keys

[Install]
WantedBy=multi-user.target
UNIT
    elif is_openrc; then
        cat >/etc/init.d/vmfest-host-keys <<'SERVICE' && chmod 755 /etc/init.d/vmfest-host-keys && rc-update add vmfest-host-keys default
#!/sbin/openrc-run
description="SSH host keys, on the serial port"
depend() { before sshd; }
start() { /usr/local/sbin/vmfest-host-keys; }
SERVICE
    else
        echo "neither systemd nor OpenRC: have $PRINTER run at every boot, before sshd" && false
    fi
}

# What is good to have.

is_interfaces() {
    starts_at_boot_for_sure NetworkManager && return
    grep -rqsE '^Name=(e|en|eth)\*|^Type=ether' /etc/systemd/network && return
    grep -rqsE 'name: *["'\'']?(e|en|eth)\*' /etc/netplan && return
    [ "$(cat /etc/network/interfaces /etc/network/interfaces.d/* 2>/dev/null |
        grep -cE '^ *iface +e[^ ]+ +inet +dhcp')" -ge 2 ]
}
starts_at_boot_for_sure() { { is_systemd || is_openrc; } && starts_at_boot "$1"; }

is_serial_console() { grep -q 'console=ttyS0' /proc/cmdline; }

is_additions() { has VBoxService || starts_at_boot_for_sure vboxadd-service; }

# What must not be in two machines. From here on the guest is to be shut down.

do_logs() {
    if has journalctl; then journalctl --quiet --rotate --vacuum-time=1s; fi
    # The journal's files have a form, and journalctl has emptied them.
    find /var/log -type f ! -path '/var/log/journal/*' | while read -r file; do : >"$file"; done
    rm -f /root/.bash_history "$(home_of "$USER_NAME")/.bash_history" /var/cache/apt/archives/*.deb
}
do_cloud_init() { if has cloud-init; then cloud-init clean --logs; fi; }
do_leases() {
    rm -f /var/lib/dhcp/*.leases /var/lib/dhclient/*.leases /var/lib/dhcpcd/*.lease \
        /var/lib/NetworkManager/*.lease
}
do_identity() {
    rm -f /var/lib/systemd/random-seed || return
    # Empty, it is filled anew at the next boot.
    if [ -e /etc/machine-id ]; then : >/etc/machine-id || return; fi
    if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
        rm /var/lib/dbus/machine-id
    fi
}
do_host_keys() { rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub && sync; }

