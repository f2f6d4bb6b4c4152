"""The role of examples/role for pyinfra 3."""

from pyinfra import host
from pyinfra.operations import apt, files, server

server.group(group="benchgrp", gid=2000)
server.group(group="benchops", gid=2001)
for user, uid, group, home, shell, create in [
    ("benchapp", 2000, "benchgrp", "/var/lib/bench", "/usr/sbin/nologin", False),
    ("benchdep", 2001, "benchgrp", "/home/benchdep", "/bin/bash", True),
    ("benchmon", 2002, "benchops", "/nonexistent", "/usr/sbin/nologin", False),
]:
    server.user(user=user, uid=uid, group=group, home=home, shell=shell, ensure_home=create, create_home=create)

for path, mode, user, group in [
    ("/opt/bench", "755", "root", "root"),
    ("/opt/bench/data", "750", "benchapp", "benchgrp"),
    ("/var/lib/bench", "700", "benchapp", "benchgrp"),
    ("/etc/bench", "755", "root", "root"),
    ("/home/benchdep/.ssh", "700", "benchdep", "benchgrp"),
]:
    files.directory(path=path, mode=mode, user=user, group=group)

STATIC = {3: ("640", "root", "benchgrp"), 6: ("600", "benchapp", "benchgrp"), 9: ("755", "root", "root")}
changes = []
for number in range(1, 11):
    mode, user, group = STATIC.get(number, ("644", "root", "root"))
    name = f"static-{number:02}.conf"
    changes.append(files.put(src=f"files/{name}", dest=f"/etc/bench/{name}", mode=mode, user=user, group=group))

RENDERED = {2: ("600", "root", "root"), 5: ("640", "benchapp", "benchgrp")}
for number in range(1, 11):
    mode, user, group = RENDERED.get(number, ("644", "root", "root"))
    name = f"template-{number:02}"
    files.template(
        src=f"templates/{name}.j2", dest=f"/etc/bench/{name}.conf", mode=mode, user=user, group=group,
        node={"name": host.name, "group": "role"}, environment={"region": "region-1"},
    )

for number in range(1, 6):
    files.link(path=f"/opt/bench/current-{number}", target=f"/etc/bench/static-{number:02}.conf")

for key, value in [
    ("net.core.somaxconn", 4096),
    ("vm.swappiness", 10),
    ("fs.file-max", 200000),
    ("net.ipv4.tcp_syncookies", 1),
    ("kernel.panic", 30),
]:
    files.line(path="/etc/sysctl.d/99-bench.conf", line=f"^{key} *=.*$", replace=f"{key} = {value}")

server.user_authorized_keys(
    user="benchdep",
    group="benchgrp",
    public_keys=[
        f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{number:043} developer-{number}@example.org" for number in (1, 2, 3)
    ],
)
for number in (1, 2):
    files.put(src=f"files/cron-{number}", dest=f"/etc/cron.d/bench-{number}", mode="644", user="root", group="root")
apt.packages(packages=["openssh-server", "sudo", "procps", "iproute2", "ca-certificates"])
server.shell(commands=["/usr/sbin/sshd -t"])
server.shell(commands=["echo reloaded >>/run/bench.reload"], _if=lambda: any(c.did_change() for c in changes))
