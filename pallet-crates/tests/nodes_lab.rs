//! Steps that have to do with each other, on a real node: previewed, carried out, left alone,
//! repaired. What one step does by itself is in the cases of `cases_lab.rs`.

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
async fn lists_of_packages_are_fetched_when_a_source_has_changed_in_the_same_phase() {
    let mut node = LabNode::new(NodeKind::Plain).await;
    let update = || vec![step(r#"{ package-manager = { run = "update", max-age = "1h" } }"#)];
    node.told(Mode::Apply, update()).await;
    let source = r##"{ remote-file = { path = "/etc/apt/sources.list.d/none.list", content = "# none\n" } }"##;
    let both = || [vec![step(source)], update()].concat();
    let told = node.told(Mode::Apply, both()).await;
    assert_eq!(told, ["created with mode 0644", "sources have changed since the last time"]);
    assert_eq!(node.told(Mode::Apply, both()).await, ["unchanged", "unchanged"]);
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
    let added = "key: fetched; source: created with mode 0644";
    assert_eq!(node.told(Mode::Check, vec![source(&digest)]).await, [added]);
    let told = node.told(Mode::Apply, vec![source(&digest), update()]).await;
    assert_eq!(told, [added, "lists fetched for the first time"]);
    let told = node.told(Mode::Apply, vec![source(&digest), update()]).await;
    assert_eq!(told, ["unchanged", "unchanged"]);
    node.output("echo spoiled >/etc/apt/keyrings/more.gpg").await;
    assert_eq!(node.told(Mode::Apply, vec![source(&digest)]).await, ["key: fetched"]);
}

/// A server whose certificate nobody trusts, and then everybody.
const SECURE_SERVER: &str = r#"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
  -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout /root/key.pem -out /root/page.crt 2>/dev/null
setsid timeout 300 openssl s_server -accept 8443 -key /root/key.pem -cert /root/page.crt -www -quiet \
  </dev/null >/dev/null 2>&1 3<&- 4<&- &
until (exec 5<>/dev/tcp/localhost/8443) 2>/dev/null; do sleep 0.1; done
"#;

#[tokio::test]
async fn pages_with_a_certificate_need_one_of_two_programs() {
    let mut node = LabNode::new(NodeKind::Plain).await;
    let page = |more: &str| {
        let url = "https://localhost:8443/";
        vec![step(&format!(r#"{{ wait-for = {{ http = "{url}", timeout = "1s"{more} }} }}"#))]
    };
    let programs = |ensure: &str, names: &str| {
        vec![step(&format!(r#"{{ packages = {{ names = [{names}], ensure = "{ensure}" }} }}"#))]
    };
    node.told(Mode::Apply, programs("absent", r#""curl", "wget""#)).await;
    node.told(Mode::Apply, programs("present", r#""openssl", "ca-certificates""#)).await;
    node.output(SECURE_SERVER).await;
    let neither = node.run(Mode::Apply, page("")).await;
    assert_eq!(neither.actions[0].output, "https needs curl or wget, and the node has neither");
    for program in ["curl", "wget"] {
        node.output("rm -f /usr/local/share/ca-certificates/page.crt; update-ca-certificates -f")
            .await;
        let names = format!("\"{program}\"");
        node.told(Mode::Apply, programs("present", &names)).await;
        assert_eq!(node.told(Mode::Apply, page(", insecure = true")).await, ["unchanged"]);
        let untrusted = node.run(Mode::Apply, page("")).await;
        assert!(untrusted.failure.is_some(), "{program} trusts anybody");
        node.output("cp /root/page.crt /usr/local/share/ca-certificates/; update-ca-certificates")
            .await;
        assert_eq!(node.told(Mode::Apply, page("")).await, ["unchanged"], "{program}");
        node.told(Mode::Apply, programs("absent", &names)).await;
    }
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
