//! Package managers that Debian has, beside its own: each installs, upgrades, holds and removes a
//! package of two versions that is made on the node.

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

use node::{LabNode, step};
use pallet_core::action::Mode;
use pallet_core::facts::PackageManager;
use xtask::lab::NodeKind;

/// Makes the package `Pallet_test`, versions 1.0 and 1.1, in a repository of rpm; and another one,
/// which is installed: zypper cannot read a database of nothing.
const RPMS: &str = r#"
mkdir -p /opt/rpm /opt/repo
for package in Pallet_other-1.0 Pallet_test-1.0 Pallet_test-1.1; do
cat >/opt/rpm/spec <<SPEC
Name: ${package%-*}
Version: ${package#*-}
Release: 1
Summary: test
License: none
BuildArch: noarch
Provides: virtual-${package%-*}
%description
test
%install
mkdir -p %{buildroot}/etc
echo setting >%{buildroot}/etc/${package%-*}.conf
%files
%config(noreplace) /etc/${package%-*}.conf
SPEC
rpmbuild --quiet --define '_topdir /opt/rpm' -bb /opt/rpm/spec 2>/dev/null
done
cp /opt/rpm/RPMS/*/*.rpm /opt/repo
createrepo_c -q /opt/repo
"#;

/// The same for pacman, in versions 1.0-1 and 1.1-1; the first is in the repository.
const ARCH_PACKAGES: &str = r"
ln -sf /proc/self/mounts /etc/mtab
mkdir -p /opt/pac/package/etc; cd /opt/pac
echo setting >package/etc/pallet-test.conf
for version in 1.0-1 1.1-1; do
printf '%s\n' 'pkgname = pallet-test' pkgver\ =\ $version 'pkgdesc = test' 'arch = any' 'size = 8' \
  'backup = etc/pallet-test.conf' 'provides = virtual-pallet-test' >package/.PKGINFO
bsdtar -C package -czf pallet-test-$version-any.pkg.tar.gz .PKGINFO etc
done
repo-add -q test.db.tar.gz pallet-test-1.0-1-any.pkg.tar.gz
printf '[test]\nSigLevel = Never\nServer = file:///opt/pac\n' >>/etc/pacman.conf
";

async fn prepared(packages: &str, seeds: &[&str]) -> LabNode {
    let mut node = LabNode::new(NodeKind::Plain).await;
    let install = format!("{{ packages = {{ names = [{packages}], recommends = false }} }}");
    node.told(Mode::Apply, vec![step(&install)]).await;
    for seed in seeds {
        node.output(&format!("set -e\n{seed}")).await;
    }
    node
}

/// The step is previewed, carried out, and found to be done.
async fn is(node: &mut LabNode, text: &str, expected: &str) {
    assert_eq!(node.told(Mode::Check, vec![step(text)]).await, [expected], "preview: {text}");
    assert_eq!(node.told(Mode::Apply, vec![step(text)]).await, [expected], "{text}");
    assert_eq!(node.told(Mode::Apply, vec![step(text)]).await, ["unchanged"], "again: {text}");
}

/// What holds for all: `old` and `new` are the versions, as the manager tells them.
async fn whole_life(node: &mut LabNode, name: &str, old: &str, new: &str, make_newer: &str) {
    let package = |more: &str| format!(r#"{{ package = {{ name = "{name}"{more} }} }}"#);
    node.output(make_newer).await;
    is(node, &package(r#", ensure = "latest""#), &format!("{name} {old} → {new}")).await;
    is(node, &format!(r#"{{ package = "virtual-{name}" }}"#), "unchanged").await;
    is(node, &package(", hold = true"), &format!("{name} held")).await;
    let removed = node.run(Mode::Apply, vec![step(&package(r#", ensure = "absent""#))]).await;
    assert!(removed.failure.unwrap().message.starts_with(&format!("{name} is held")));
    is(node, &package(", hold = false"), &format!("{name} no longer held")).await;
    node.output(&format!("echo changed >/etc/{name}.conf")).await;
    is(node, &package(r#", ensure = "purged""#), &format!("{name} {new} removed")).await;
    let left = format!("ls /etc/{name}.conf* 2>/dev/null | wc -l");
    assert_eq!(node.output(&left).await, "0", "nothing is left");
    let unknown = node.run(Mode::Apply, vec![step(r#"{ package = "no-such-package" }"#)]).await;
    assert!(unknown.failure.is_some());
}

/// Lists of packages: fetched for the first time, and not again.
async fn lists(node: &mut LabNode) {
    let update = r#"{ package-manager = "update" }"#;
    assert_eq!(node.told(Mode::Check, vec![step(update)]).await.len(), 1);
    node.told(Mode::Apply, vec![step(update)]).await;
    is(node, update, "unchanged").await;
}

/// Two versions, and upgrades of everything.
async fn versions(node: &mut LabNode) {
    let upgrade = r#"{ package-manager = "upgrade" }"#;
    is(node, r#"{ package = "Pallet_test=1.0" }"#, "Pallet_test=1.0 installed").await;
    is(node, upgrade, "1 packages upgraded").await;
    is(node, r#"{ package = "Pallet_test=1.0-1" }"#, "Pallet_test 1.1-1 → 1.0-1").await;
}

/// From a file: first the newer one, then an older version in its place, and never another one.
async fn files(node: &mut LabNode, name: &str, file: impl Fn(&str) -> String) {
    let step_of = |wanted: &str, version: &str| {
        format!(r#"{{ package = {{ name = "{wanted}", file = "{}" }} }}"#, file(version))
    };
    node.told(
        Mode::Apply,
        vec![step(&format!(r#"{{ package = {{ name = "{name}", ensure = "absent" }} }}"#))],
    )
    .await;
    is(node, &step_of(name, "1.1-1"), &format!("{name} installed")).await;
    let older = format!("{name}=1.0-1");
    is(node, &step_of(&older, "1.0-1"), &format!("{name} 1.1-1 → 1.0-1")).await;
    let other = node.run(Mode::Apply, vec![step(&step_of("other", "1.1-1"))]).await;
    let output = &other.actions[0].output;
    assert!(output.ends_with(&format!("should be other, and is {name} 1.1-1")), "{output}");
}

const SOURCE: &str =
    r#"{ package-source = { name = "test", uris = ["file:///opt/repo"], key = "KEY" } }"#;

#[tokio::test]
async fn dnf() {
    // Debian's dnf knows no release, and one of its plugins wants keys of its own.
    let settings = "mkdir -p /etc/dnf/vars /etc/pki/rpm-gpg /etc/yum.repos.d
        echo 1 >/etc/dnf/vars/releasever
        printf '[main]\\nenabled = 0\\n' >/etc/dnf/plugins/local.conf
        printf '[test]\\nname=test\\nbaseurl=file:///opt/repo\\ngpgcheck=0\\n' >/etc/yum.repos.d/test.repo";
    let packages = r#""dnf", "rpm", "createrepo-c", "dnf-plugins-core""#;
    let mut node = prepared(packages, &[RPMS, settings]).await;
    node.use_package_manager(PackageManager::Dnf);
    lists(&mut node).await;
    versions(&mut node).await;
    files(&mut node, "Pallet_test", |version| {
        format!("/opt/repo/Pallet_test-{version}.noarch.rpm")
    })
    .await;
    whole_life(&mut node, "Pallet_test", "1.0-1", "1.1-1", ":").await;
    let source = SOURCE.replace("KEY", "-----BEGIN PGP PUBLIC KEY BLOCK-----\\n");
    let told = "key: created with mode 0644; source: content differs";
    is(&mut node, &source, told).await;
    assert_eq!(node.output("dnf -q repolist --all | grep -c ^test").await, "1");
    is(
        &mut node,
        r#"{ package-source = { name = "test", ensure = "absent" } }"#,
        "source: removed; key: removed",
    )
    .await;
}

#[tokio::test]
async fn zypper_and_pacman() {
    // Debian's rpm keeps a database in each home, and zypper uses that of the system.
    // Debian's pacman leaves the folder of its sources to whoever installs it.
    let settings = "mkdir -p /etc/zypp/repos.d /etc/rpm /etc/pacman.d
        echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
        printf '[test]\\nname=test\\nbaseurl=file:///opt/repo\\nenabled=1\\ngpgcheck=0\\n' >/etc/zypp/repos.d/test.repo";
    let packages = r#""zypper", "rpm", "createrepo-c", "pacman-package-manager", "makepkg", "libarchive-tools""#;
    let other = "rpm -i /opt/repo/Pallet_other-1.0-1.noarch.rpm";
    let mut node = prepared(packages, &[RPMS, settings, other, ARCH_PACKAGES]).await;
    node.use_package_manager(PackageManager::Zypper);
    lists(&mut node).await;
    versions(&mut node).await;
    files(&mut node, "Pallet_test", |version| {
        format!("/opt/repo/Pallet_test-{version}.noarch.rpm")
    })
    .await;
    whole_life(&mut node, "Pallet_test", "1.0-1", "1.1-1", ":").await;

    node.use_package_manager(PackageManager::Pacman);
    lists(&mut node).await;
    is(&mut node, r#"{ package = "pallet-test" }"#, "pallet-test installed").await;
    files(&mut node, "pallet-test", |version| {
        format!("/opt/pac/pallet-test-{version}-any.pkg.tar.gz")
    })
    .await;
    let newer = "cd /opt/pac && repo-add -q test.db.tar.gz pallet-test-1.1-1-any.pkg.tar.gz && \
        pacman -Sy >/dev/null";
    whole_life(&mut node, "pallet-test", "1.0-1", "1.1-1", newer).await;
    let source = r#"{ package-source = { name = "more", uris = ["file:///opt/pac"] } }"#;
    is(&mut node, source, "source: created with mode 0644").await;
    assert_eq!(node.output("pacman-conf --repo-list").await, "test\nmore");
    let absent = r#"{ package-source = { name = "more", ensure = "absent" } }"#;
    is(&mut node, absent, "source: removed").await;
    assert_eq!(node.output("pacman-conf --repo-list").await, "test");
}
