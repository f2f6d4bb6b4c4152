//! Every action on a real node: previewed, carried out, left alone, repaired.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "lab/node.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod node;
#[path = "lab/role.rs"]
mod role;

use node::{LabNode, step, told};
use pallet_core::action::Mode;
use pallet_core::report::Status;
use pallet_core::spec::Step;
use xtask::lab::NodeKind;

/// Steps as documents write them, what the first run says of each, and how the node drifts away
/// from it. Together they leave a node on which the same steps find nothing to do.
const PLAIN: &[(&str, &str, &str)] = &[
    (r#"{ group = { name = "ops", gid = 3000 } }"#, "created with gid 3000", ""),
    (
        r#"{ user = { name = "web", uid = 3000, group = "ops", groups = ["adm"], shell = "/bin/sh" } }"#,
        "created with uid 3000",
        "usermod -s /bin/bash web",
    ),
    (
        r#"{ directory = { path = "/opt/app/data", owner = "web", group = "ops", mode = "0750" } }"#,
        "created with mode 0750",
        "chmod 777 /opt/app/data",
    ),
    (
        r#"{ remote-file = { path = "/opt/app/motd", content = "hello\n", owner = "web", mode = "0640", verify = "grep -q hello %s", backups = 2 } }"#,
        "created with mode 0640",
        "echo spoiled >/opt/app/motd",
    ),
    (
        r#"{ remote-file = { path = "/opt/app/empty", content = "" } }"#,
        "created with mode 0644",
        "rm /opt/app/empty",
    ),
    (
        r#"{ symbolic-link = { path = "/opt/app/current", target = "data" } }"#,
        "created, leads to data",
        "ln -sfn elsewhere /opt/app/current",
    ),
    (
        r#"{ line-in-file = { path = "/opt/app/lines", line = "host = a", create = true } }"#,
        "created with the line",
        "",
    ),
    (
        r#"{ line-in-file = { path = "/opt/app/lines", line = "port = 2", match = "^port" } }"#,
        "line added",
        "sed -i 's/port = 2/port = 3/' /opt/app/lines",
    ),
    (
        r#"{ authorized-key = { user = "web", key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBx0 a@b" } }"#,
        "key added",
        "",
    ),
    (
        r#"{ authorized-key = { user = "web", key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBx1 c@d" } }"#,
        "key added",
        "sed -i /c@d/d /home/web/.ssh/authorized_keys",
    ),
    (
        r#"{ exec-script = { script = "date >/opt/app/built", creates = "/opt/app/built", affects = ["/opt/app/built"] } }"#,
        "/opt/app/built is missing",
        "rm /opt/app/built",
    ),
    (
        r#"{ file = { path = "/opt/app/log", owner = "web", mode = "0600" } }"#,
        "created with mode 0600",
        "chmod 644 /opt/app/log",
    ),
    (
        r#"{ sudoers = { name = "web", rules = ["web ALL=(ALL) NOPASSWD: /usr/bin/id"] } }"#,
        "created with mode 0440",
        "echo 'web ALL=(ALL) ALL' >/etc/sudoers.d/web",
    ),
    (
        r#"{ sysctl = { name = "net.ipv4.conf.lo.log_martians", value = 1 } }"#,
        "created with mode 0644; 0 → 1",
        "echo 0 >/proc/sys/net/ipv4/conf/lo/log_martians",
    ),
    (
        r#"{ cron = { name = "report", schedule = "@daily", command = "date +%F", user = "web" } }"#,
        "created with mode 0644",
        "echo spoiled >/etc/cron.d/report",
    ),
    (r#"{ package = { name = "g++", ensure = "absent" } }"#, "unchanged", ""),
    (r#"{ packages = ["libstdc++6", "libc6:amd64"] }"#, "unchanged", ""),
    (r#"{ package = "make" }"#, "make installed", "dpkg -r make >/dev/null"),
];

/// Previews, applies, applies again, spoils and repairs.
async fn all_that_is_expected(node: &mut LabNode, table: &[(&str, &str, &str)]) {
    let steps = || -> Vec<Step> { table.iter().map(|(text, ..)| step(text)).collect() };
    let expected: Vec<&str> = table.iter().map(|(_, told, _)| *told).collect();
    assert_eq!(node.told(Mode::Check, steps()).await, expected, "the preview");
    assert_eq!(node.told(Mode::Check, steps()).await, expected, "the preview changes nothing");
    assert_eq!(node.told(Mode::Apply, steps()).await, expected, "the first run");
    let unchanged = vec!["unchanged"; table.len()];
    node.exchanges();
    assert_eq!(node.told(Mode::Apply, steps()).await, unchanged, "the second run");
    assert_eq!(node.exchanges(), 1, "nothing to change costs one exchange");
    assert_eq!(node.told(Mode::Check, steps()).await, unchanged, "a preview of nothing");
    for (position, (text, _, spoil)) in table.iter().enumerate() {
        if spoil.is_empty() {
            continue;
        }
        node.output(spoil).await;
        for mode in [Mode::Check, Mode::Apply] {
            let report = node.run(mode, steps()).await;
            assert!(report.failure.is_none(), "{text}: {:#?}", report.failure);
            for (at, action) in report.actions.iter().enumerate() {
                let is_changed = matches!(action.status, Status::Changed | Status::WillChange);
                assert_eq!(is_changed, at == position, "{text}: {mode:?}: {}", told(action));
            }
        }
        assert_eq!(node.told(Mode::Apply, steps()).await, unchanged, "{text} is repaired");
    }
}

#[tokio::test]
async fn actions_on_a_plain_node() {
    let mut node = LabNode::new(NodeKind::Plain).await;
    // The node's network outlives what is written on it.
    node.output("echo 0 >/proc/sys/net/ipv4/conf/lo/log_martians").await;
    all_that_is_expected(&mut node, PLAIN).await;
    let see = "stat -c '%U:%G %a %n' /home/web /home/web/.ssh/* /opt/app/motd; cat /opt/app/lines";
    assert_eq!(
        node.output(see).await,
        "web:ops 755 /home/web\nweb:ops 600 /home/web/.ssh/authorized_keys\n\
         web:root 640 /opt/app/motd\nhost = a\nport = 2"
    );
    let kept =
        "stat -c '%U %a' /var/lib/pallet/backups; cat /var/lib/pallet/backups/opt/app/motd/*";
    assert_eq!(node.output(kept).await, "root 700\nspoiled");
}

#[tokio::test]
async fn what_does_not_pass_its_check_is_not_put_in_place() {
    let mut node = LabNode::new(NodeKind::Plain).await;
    node.output("echo 'AllowUsers a' >/etc/ssh/extra").await;
    let bad = r#"{ remote-file = { path = "/etc/ssh/extra", content = "Nonsense yes\n", verify = "/usr/sbin/sshd -t -f %s" } }"#;
    let report = node.run(Mode::Apply, vec![step(bad)]).await;
    let output = report.failure.unwrap().output;
    assert!(output.contains("Nonsense") && output.contains("the old file stays"), "{output}");
    assert_eq!(
        node.output("cat /etc/ssh/extra; ls -A /etc/ssh | grep pallet || :").await,
        "AllowUsers a"
    );
}

#[tokio::test]
async fn waiting_for_a_port_that_opens_later() {
    let mut node = LabNode::new(NodeKind::Plain).await;
    let wait = |what: &str| vec![step(&format!("{{ wait-for = {{ {what} }} }}"))];
    assert_eq!(node.told(Mode::Apply, wait("port = 22")).await, ["unchanged"]);
    let later = "port = 2022, timeout = \"30s\"";
    let preview = node.told(Mode::Check, wait(later)).await;
    assert_eq!(preview, ["may: it is not there yet, and would be waited for"]);
    node.output("(sleep 1; exec /usr/sbin/sshd -D -p 2022) >/dev/null 2>&1 &").await;
    assert_eq!(node.told(Mode::Apply, wait(later)).await, ["waited for"]);
    assert_eq!(node.told(Mode::Apply, wait(later)).await, ["unchanged"]);
}

#[tokio::test]
async fn wrong_rules_for_sudo_lock_nobody_out() {
    let mut node = LabNode::new(NodeKind::Plain).await;
    let bad = r#"{ sudoers = { name = "bad", rules = ["root ALL=(ALL"] } }"#;
    let report = node.run(Mode::Apply, vec![step(bad)]).await;
    let output = report.failure.unwrap().output;
    assert!(output.contains("syntax error"), "{output}");
    assert_eq!(
        node.output("visudo -c >/dev/null && ls -A /etc/sudoers.d | grep -c bad || :").await,
        "0"
    );
}

#[tokio::test]
async fn lists_of_packages_are_fetched_when_they_are_old_or_sources_change() {
    let mut node = LabNode::new(NodeKind::Plain).await;
    let update = || vec![step(r#"{ package-manager = { run = "update", max-age = "1h" } }"#)];
    let first = ["lists fetched for the first time"];
    assert_eq!(node.told(Mode::Check, update()).await, first);
    assert_eq!(node.told(Mode::Apply, update()).await, first);
    assert_eq!(node.told(Mode::Apply, update()).await, ["unchanged"]);
    node.output("touch -d '2 hours ago' /var/lib/pallet/apt-updated; touch -d '3 hours ago' /etc/apt/sources.list /etc/apt/sources.list.d").await;
    assert_eq!(node.told(Mode::Apply, update()).await, ["lists are older than 1h"]);
    assert_eq!(node.told(Mode::Apply, update()).await, ["unchanged"]);
    // A source that is added in the same phase is seen.
    let source = r##"{ remote-file = { path = "/etc/apt/sources.list.d/none.list", content = "# none\n" } }"##;
    let both = || [vec![step(source)], update()].concat();
    let told = node.told(Mode::Apply, both()).await;
    assert_eq!(told, ["created with mode 0644", "sources have changed since the last time"]);
    assert_eq!(node.told(Mode::Apply, both()).await, ["unchanged", "unchanged"]);
    let upgrade = || vec![step(r#"{ package-manager = "full-upgrade" }"#)];
    node.told(Mode::Apply, upgrade()).await;
    assert_eq!(node.told(Mode::Apply, upgrade()).await, ["unchanged"]);
}

#[tokio::test]
async fn sources_of_packages_with_their_keys() {
    let mut node = LabNode::new(NodeKind::Plain).await;
    let ring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let digest = node.output(&format!("sha256sum {ring} | cut -d ' ' -f 1")).await;
    let source = |digest: &str| {
        step(&format!(
            r#"{{ package-source = {{ name = "more", uris = ["http://deb.debian.org/debian/"], suites = ["bookworm-backports"], key-url = "file://{ring}", key-sha256 = "{digest}" }} }}"#
        ))
    };
    let update = || step(r#"{ package-manager = "update" }"#);
    let wrong = node.run(Mode::Apply, vec![source(&"0".repeat(64))]).await;
    assert!(wrong.failure.unwrap().output.contains("Hash Sum mismatch"));
    assert_eq!(
        node.output("ls /etc/apt/sources.list.d /etc/apt/keyrings").await,
        "/etc/apt/keyrings:\n\n/etc/apt/sources.list.d:"
    );

    let added = "key: fetched; source: created with mode 0644";
    assert_eq!(node.told(Mode::Check, vec![source(&digest)]).await, [added]);
    let told = node.told(Mode::Apply, vec![source(&digest), update()]).await;
    assert_eq!(told, [added, "lists fetched for the first time"]);
    let told = node.told(Mode::Apply, vec![source(&digest), update()]).await;
    assert_eq!(told, ["unchanged", "unchanged"]);
    node.output("echo spoiled >/etc/apt/keyrings/more.gpg").await;
    assert_eq!(node.told(Mode::Apply, vec![source(&digest)]).await, ["key: fetched"]);

    let absent = || vec![step(r#"{ package-source = { name = "more", ensure = "absent" } }"#)];
    assert_eq!(node.told(Mode::Apply, absent()).await, ["source: removed; key: removed"]);
    assert_eq!(node.told(Mode::Apply, absent()).await, ["unchanged"]);
}

#[tokio::test]
async fn working_copies_and_trees() {
    let local = tempfile::tempdir().unwrap();
    std::fs::create_dir(local.path().join("css")).unwrap();
    std::fs::write(local.path().join("css/main.css"), "a {}\n").unwrap();
    let tree = pallet_crates::RemoteDirectory::new("/srv/www", local.path()).unwrap();
    let tree = || vec![Step::action(tree.clone().owner("mail").unwrap())];
    let mut node = LabNode::new(NodeKind::Plain).await;
    let created = "directory: created with mode 0755; css: created with mode 0755; \
        css/main.css: created with mode 0644";
    assert_eq!(node.told(Mode::Check, tree()).await, [created]);
    assert_eq!(node.told(Mode::Apply, tree()).await, [created]);
    assert_eq!(node.told(Mode::Apply, tree()).await, ["unchanged"]);
    node.output("chown root /srv/www/css; echo >/srv/www/css/main.css").await;
    let repaired = "css: owner root → mail; css/main.css: content differs";
    assert_eq!(node.told(Mode::Check, tree()).await, [repaired]);
    assert_eq!(node.told(Mode::Apply, tree()).await, [repaired]);
    assert_eq!(node.told(Mode::Apply, tree()).await, ["unchanged"]);

    let copy = || vec![step(r#"{ git = { path = "/srv/app", repository = "/srv/origin" } }"#)];
    let missing = node.run(Mode::Apply, copy()).await.failure.unwrap();
    assert_eq!(missing.message, "the node has no git");
    let install = r#"{ package = { name = "git", recommends = false } }"#;
    node.told(Mode::Apply, vec![step(install)]).await;
    let commit = "cd /srv/origin && date +%N >file && git add file && git -c user.name=a -c user.email=a@b commit -qm x";
    node.output(&format!("git init -q -b main /srv/origin && {commit}")).await;
    let preview = node.told(Mode::Check, copy()).await;
    assert!(preview[0].starts_with("cloned at "), "{preview:?}");
    assert_eq!(node.told(Mode::Apply, copy()).await, preview);
    assert_eq!(node.told(Mode::Apply, copy()).await, ["unchanged"]);
    node.output(commit).await;
    let moved = node.told(Mode::Apply, copy()).await;
    assert!(moved[0].contains(" → "), "{moved:?}");
    assert_eq!(node.told(Mode::Apply, copy()).await, ["unchanged"]);
    assert_eq!(node.output("cmp /srv/origin/file /srv/app/file && echo same").await, "same");
}

#[tokio::test]
async fn file_systems_are_mounted() {
    let mut node = LabNode::new(NodeKind::Plain).await;
    let mount = |options: &str| {
        let mount = pallet_crates::Mount::new("/mnt/a b", "scratch", "tmpfs").unwrap();
        let directory = step(r#"{ directory = "/mnt/a b" }"#);
        vec![directory, Step::action(mount.options(options))]
    };
    let first = ["created with mode 0755", "added to fstab; mounted"];
    assert_eq!(node.told(Mode::Check, mount("size=1m,mode=0755")).await, first);
    assert_eq!(node.told(Mode::Apply, mount("size=1m,mode=0755")).await, first);
    assert_eq!(
        node.told(Mode::Apply, mount("size=1m,mode=0755")).await,
        ["unchanged", "unchanged"]
    );
    let told = node.told(Mode::Apply, mount("size=2m,mode=0755")).await;
    assert_eq!(told, ["unchanged", "line of fstab differs; remounted"]);
    assert_eq!(node.output("grep /mnt/ /proc/mounts | grep -o size=.*k").await, "size=2048k");
    node.output("umount '/mnt/a b'").await;
    assert_eq!(node.told(Mode::Check, mount("size=2m,mode=0755")).await, ["unchanged", "mounted"]);
    assert_eq!(node.told(Mode::Apply, mount("size=2m,mode=0755")).await, ["unchanged", "mounted"]);
    let absent = || vec![Step::action(pallet_crates::Mount::absent("/mnt/a b").unwrap())];
    assert_eq!(node.told(Mode::Apply, absent()).await, ["removed from fstab; unmounted"]);
    assert_eq!(node.told(Mode::Apply, absent()).await, ["unchanged"]);
}

#[tokio::test]
async fn as_many_backups_as_were_asked_for() {
    let mut node = LabNode::new(NodeKind::Plain).await;
    for content in ["one", "two", "three", "four"] {
        let file = pallet_crates::RemoteFile::new("/etc/it's").unwrap().content(content).backups(2);
        node.told(Mode::Apply, vec![Step::action(file)]).await;
    }
    let kept = node
        .output("cd \"/var/lib/pallet/backups/etc/it's\"; for f in *; do cat $f; echo; done")
        .await;
    assert_eq!(kept, "two\nthree");
}

const UNIT: &str = "[Service]\nExecStart=/usr/bin/sleep infinity\nExecReload=/bin/true\n[Install]\nWantedBy=multi-user.target\n";

#[tokio::test]
async fn services_of_systemd() {
    let mut node = LabNode::new(NodeKind::Systemd).await;
    let unit = |content: &str| {
        let file = pallet_crates::RemoteFile::new("/etc/systemd/system/nap.service").unwrap();
        Step::action(file.content(content)).id("unit")
    };
    let steps = |content: &str| {
        let restart = r#"{ service = { name = "nap", state = "restarted" } }"#;
        vec![
            unit(content),
            step(r#"{ service = { name = "nap", state = "started", enabled = true } }"#),
            step(restart).when_changed("unit"),
        ]
    };
    let preview = node.told(Mode::Check, steps(UNIT)).await;
    assert!(preview[1].starts_with("may: an earlier step"), "{preview:?}");
    let told = node.told(Mode::Apply, steps(UNIT)).await;
    assert_eq!(told, ["created with mode 0644", "enabled; started", "restarted"]);
    let unchanged = ["unchanged", "unchanged", "skipped: nothing that it waits for has changed"];
    assert_eq!(node.told(Mode::Apply, steps(UNIT)).await, unchanged);
    assert_eq!(
        node.output("systemctl is-active nap; systemctl is-enabled nap").await,
        "active\nenabled"
    );

    let pid = node.output("systemctl show -p MainPID --value nap").await;
    let other = format!("# changed\n{UNIT}");
    let told = node.told(Mode::Apply, steps(&other)).await;
    assert_eq!(told, ["content differs", "unchanged", "restarted"]);
    assert_ne!(node.output("systemctl show -p MainPID --value nap").await, pid);
    assert_eq!(node.output("systemctl show -p NeedDaemonReload --value nap").await, "no");

    let stop =
        || vec![step(r#"{ service = { name = "nap", state = "stopped", enabled = false } }"#)];
    assert_eq!(node.told(Mode::Check, stop()).await, ["disabled; stopped"]);
    assert_eq!(node.told(Mode::Apply, stop()).await, ["disabled; stopped"]);
    assert_eq!(node.told(Mode::Apply, stop()).await, ["unchanged"]);
    let reload = vec![step(r#"{ service = { name = "ssh", state = "reloaded" } }"#)];
    assert_eq!(node.told(Mode::Apply, reload).await, ["reloaded"]);
    let gone = node.run(Mode::Apply, vec![step(r#"{ service = "no-such" }"#)]).await;
    assert_eq!(gone.failure.unwrap().message, "there is no service `no-such` on the node");
}

#[tokio::test]
async fn services_with_init_scripts() {
    let mut node = LabNode::new(NodeKind::Plain).await;
    let script = "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: nap\n# Required-Start:\n# Required-Stop:\n\
        # Default-Start: 2 3 4 5\n# Default-Stop: 0 1 6\n### END INIT INFO\nf=/run/nap.pid\ncase $1 in\n\
        start) sleep 600 & echo $! >$f ;;\nstop) kill $(cat $f) && rm $f ;;\n\
        restart) $0 stop; $0 start ;;\nreload) exit 3 ;;\nstatus) [ -e $f ] ;;\nesac\n";
    let write = pallet_crates::RemoteFile::new("/etc/init.d/nap").unwrap().content(script);
    node.told(Mode::Apply, vec![Step::action(write.mode("0755").unwrap())]).await;
    let nap = |what: &str| vec![step(&format!(r#"{{ service = {{ name = "nap", {what} }} }}"#))];
    let run = r#"state = "started", enabled = true"#;
    assert_eq!(node.told(Mode::Check, nap(run)).await, ["enabled; started"]);
    assert_eq!(node.told(Mode::Apply, nap(run)).await, ["enabled; started"]);
    assert_eq!(node.told(Mode::Apply, nap(run)).await, ["unchanged"]);
    assert_eq!(node.told(Mode::Apply, nap(r#"state = "reloaded""#)).await, ["reloaded"]);
    let stop = r#"state = "stopped", enabled = false"#;
    assert_eq!(node.told(Mode::Apply, nap(stop)).await, ["disabled; stopped"]);
    assert_eq!(node.told(Mode::Apply, nap(stop)).await, ["unchanged"]);
}

#[tokio::test]
async fn a_role_of_52_steps_needs_one_wave_at_first_and_one_look_later() {
    let templates = tempfile::tempdir().unwrap();
    let mut node = LabNode::new(NodeKind::Plain).await;
    node.output(role::SEED).await;
    let steps = || role::steps(templates.path());
    assert_eq!(steps().len(), 52);

    let preview = node.run(Mode::Check, steps()).await;
    assert!(preview.failure.is_none(), "{:#?}", preview.failure);
    node.exchanges();
    let first = node.run(Mode::Apply, steps()).await;
    assert!(first.failure.is_none(), "{:#?}", first.failure);
    // One wave for all that is described: what the check looks at is not changed by it.
    assert_eq!(node.exchanges(), 2);
    for (position, (before, after)) in preview.actions.iter().zip(&first.actions).enumerate() {
        let is_package_or_check = (45..=50).contains(&position);
        assert_eq!(after.status == Status::Unchanged, is_package_or_check, "{}", told(after));
        assert_eq!(told(before), told(after), "the preview of {}", after.subject);
    }

    let second = node.told(Mode::Apply, steps()).await;
    assert_eq!(node.exchanges(), 1);
    assert_eq!(second[..51], vec!["unchanged"; 51]);
    assert_eq!(second[51], "skipped: nothing that it waits for has changed");
    let see = "cat /run/bench.reload /etc/sysctl.d/99-bench.conf; grep -c . /home/benchdep/.ssh/authorized_keys";
    assert_eq!(
        node.output(see).await,
        "reloaded\n# kernel settings\nnet.core.somaxconn = 4096\nvm.swappiness = 10\n\
         fs.file-max = 200000\nnet.ipv4.tcp_syncookies = 1\nkernel.panic = 30\n3"
    );
}
