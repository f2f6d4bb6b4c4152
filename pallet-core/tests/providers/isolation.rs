//! What happens in a sandbox stays there, and what is private stays out.

use std::collections::BTreeSet;
use std::path::PathBuf;

use pallet_core::compute::sandbox::SandboxConfig;
use serde_json::json;

use crate::support::{Project, create, destroy_all, here, request, run, run_as};

/// The machine's files that sandboxes share, with owners, modes, times and contents, and what
/// root could change of its kernel.
fn machine() -> BTreeSet<String> {
    let files = here(
        "find /etc /usr/bin /usr/sbin /var/lib/dpkg -xdev -printf '%p %u %g %m %s %T@\\n'
         find /etc /var/lib/dpkg -xdev -type f -exec sha256sum {} +
         find /dev /proc/sys/kernel -maxdepth 1 | sed 's/^/there: /'
         cd /proc/sys/kernel; head hostname panic core_pattern sysrq domainname
         ls /lib/modules; cut -d' ' -f1 /proc/modules; cut -d' ' -f1 /proc/swaps",
    );
    files.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn root_in_a_sandbox_changes_nothing_outside() {
    let project = Project::new();
    let service = project.open("box").await;
    let service = service.as_ref();
    let before = machine();
    let node = create(service, vec![request("one", json!({}))]).await.remove(0);

    // Everything that root can do to files.
    run(
        service,
        &node,
        "echo x >>/etc/passwd; chmod 777 /etc/shadow; chown 1:1 /bin/sh; touch /usr/local/x",
    )
    .await;
    run(
        service,
        &node,
        "rm -rf /etc/apt /usr/share/doc /var/lib/dpkg/info; mv /etc/hosts /etc/stsoh",
    )
    .await;
    run(
        service,
        &node,
        "ln -f /usr/bin/env /usr/bin/vne; setfattr -n user.x -v y /etc/passwd 2>/dev/null; true",
    )
    .await;

    // What root must not do at all.
    for script in [
        "echo 1 >/proc/sys/kernel/panic",
        "echo x >/proc/sys/kernel/core_pattern",
        "echo c >/proc/sysrq-trigger && test ! -s /proc/sysrq-trigger && false",
        "echo 1 >/sys/kernel/mm/ksm/run || echo 1 >/sys/block/vda/queue/nomerges",
        "mknod /tmp/disk b 8 0 || mknod /tmp/disk b 254 0",
        "mknod /tmp/kmsg c 1 11",
        "mount -t tmpfs x /mnt",
        "mount -t devtmpfs x /mnt",
        "mount -t proc x /mnt",
        "mount -o remount,rw /sys",
        "umount /proc/sys",
        "mount -o remount,bind,rw /proc/sys",
        "unshare --mount true",
        "hostname other",
        "date -s 2001-01-01",
        "chroot /proc/1/root/../../.. ls /work /old_root /lost+found",
        "nsenter --target 1 --mount --net true",
        "kill -0 2>/dev/null $(cat /proc/sys/kernel/pid_max)",
        "insmod /nothing.ko || modprobe dummy_hcd",
        "dmesg --clear",
        "swapoff -a && swapon /swapfile",
        "reboot -f || poweroff -f || echo b >/proc/sysrq-trigger && false",
        "cat /proc/kcore | head -c 1 | grep -q .",
        "head -c 1 /dev/vda || head -c 1 /dev/sda || head -c 1 /dev/mem",
        "ls /run/pallet",
    ] {
        let (said, status) = run_as(
            service,
            &node,
            "root",
            &format!("timeout 10 sh -c {}", pallet_core::shell::quote(script)),
        )
        .await;
        assert_ne!(status, 0, "{script}: {said}");
    }
    // Settings of its own network are its own.
    let forwarding = here("cat /proc/sys/net/ipv4/ip_forward");
    let own = run(service, &node, "echo 0 >/proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward").await;
    assert_eq!(own, "0\n1");
    assert_eq!(here("cat /proc/sys/net/ipv4/ip_forward"), forwarding);

    destroy_all(service).await;
    let after = machine();
    let differences: Vec<_> = before.symmetric_difference(&after).collect();
    assert!(differences.is_empty(), "{differences:#?}");
    project.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_somebodys_is_not_there() {
    let secret =
        tempfile::Builder::new().prefix("pallet-test-").tempdir_in("/usr/local/etc").unwrap();
    std::fs::write(secret.path().join("token"), "hunter2").unwrap();
    let hidden = secret.path().join("named");
    std::fs::create_dir(&hidden).unwrap();
    std::fs::write(hidden.join("file"), "hunter2").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(secret.path().join("token"), std::fs::Permissions::from_mode(0o640))
        .unwrap();
    std::fs::set_permissions(secret.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(secret.path().join("public"), "open").unwrap();

    let project = Project::new();
    let config = SandboxConfig { hide: vec![PathBuf::from(&hidden)], ..SandboxConfig::default() };
    let service = project.open_with("box", config).await;
    let service = service.as_ref();
    let node = create(service, vec![request("one", json!({}))]).await.remove(0);

    let folder = secret.path().display();
    assert_eq!(
        run(service, &node, &format!("cd {folder}; ls; cat public; ls named")).await,
        "named\npublic\nopen"
    );
    for empty in [
        "/home",
        "/mnt",
        "/srv",
        "/tmp",
        "/opt",
        "/boot",
        "/media",
        "/var/log",
        "/var/tmp",
        "/etc/ssl/private",
    ] {
        assert_eq!(
            run(service, &node, &format!("ls -A {empty} 2>/dev/null; true")).await,
            "",
            "{empty}"
        );
    }
    let top = "ls -A / | tr '\\n' ' '";
    let known = "bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin srv sys tmp usr var";
    for name in run(service, &node, top).await.split(' ') {
        assert!(known.split(' ').any(|one| one == name), "{name}");
    }
    assert_eq!(run(service, &node, "ls -A /root").await, here("ls -A /etc/skel"));
    assert_eq!(
        run(service, &node, "ls /dev | tr '\\n' ' '").await,
        "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
    );
    run(
        service,
        &node,
        "echo x >/dev/null; head -c 4 /dev/urandom >/dev/shm/x; script -qec true /dev/null",
    )
    .await;

    // No password, and nobody with a user's id but nobody.
    let hashes = run(service, &node, "cut -d: -f2 /etc/shadow | sort -u | tr -d '*!\\n'").await;
    assert_eq!(hashes, "");
    let people = run(service, &node, "awk -F: '$3 >= 1000 && $3 < 65534' /etc/passwd").await;
    assert_eq!(people, "");
    let backups =
        run(service, &node, "ls /etc/shadow- /etc/passwd- /etc/ssh/ssh_host_* 2>/dev/null; true")
            .await;
    assert_eq!(backups, "");
    assert_eq!(
        run(service, &node, "stat -c '%U:%G %a' /etc/shadow /tmp / /etc | tr '\\n' ' '").await,
        here("stat -c '%U:%G %a' /etc/shadow /tmp / /etc | tr '\\n' ' '")
    );
    // It works as a system: passwords can be set, users made.
    run(service, &node, "useradd -m x && echo x:y | chpasswd && su x -c 'id -un'").await;
    destroy_all(service).await;
    project.is_clean();
}
