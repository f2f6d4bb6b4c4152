//! Debian roots made by debootstrap, with the machine's own package source.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::mounts;
use super::namespace::{Root, in_private_namespaces};
use super::prerequisites::retry;
use super::tool::Tool;

/// Used when the machine's own apt sources name no Debian mirror.
const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";
const DEFAULT_SECURITY_MIRROR: &str = "http://deb.debian.org/debian-security";

/// apt settings that a root inherits from the machine: how to reach the mirror, and how strict to
/// be about its dates.
const INHERITED_APT_SETTINGS: [&str; 5] = [
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
    "Acquire::http::ProxyAutoDetect",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
];

/// A Debian root to be made.
pub(crate) struct Recipe<'a> {
    /// The release, such as `bookworm`.
    pub suite: &'a str,
    /// Archive areas, such as `main,contrib`.
    pub components: &'a str,
    /// Packages besides the minimal system.
    pub packages: &'a [&'a str],
}

impl Recipe<'_> {
    /// Makes the root in `folder`, which must not exist or be left over from an earlier failure.
    pub(crate) fn bootstrap(&self, folder: &Path, log: &Path) -> anyhow::Result<()> {
        let mirror = Mirror::of_this_machine();
        retry("debootstrap", || {
            remove(folder)?;
            // debootstrap mounts /proc in the root while it works.
            in_private_namespaces()
                .args(["debootstrap", "--variant=minbase"])
                .arg("--keyring=/usr/share/keyrings/debian-archive-keyring.gpg")
                .arg(format!("--components={}", self.components))
                .arg(format!("--include={}", self.packages.join(",")))
                .args([self.suite, &folder.display().to_string(), &mirror.archive])
                .log(log)
                .run()
                .map(drop)
        })?;
        self.configure(folder, &mirror)
    }

    /// Package sources, name resolution and the refusal to start services.
    fn configure(&self, folder: &Path, mirror: &Mirror) -> anyhow::Result<()> {
        let areas = self.components.replace(',', " ");
        let mut sources = format!("deb {} {} {areas}\n", mirror.archive, self.suite);
        if self.suite != "sid" {
            sources.push_str(&format!(
                "deb {} {}-updates {areas}\ndeb {} {}-security {areas}\n",
                mirror.archive, self.suite, mirror.security, self.suite
            ));
        }
        write(&folder.join("etc/apt/sources.list"), &sources)?;
        write(
            &folder.join("etc/apt/apt.conf.d/90lab"),
            &apt_settings(
                &Tool::new("apt-config").arg("dump").run().unwrap_or_default(),
                |variable| std::env::var(variable).ok(),
            ),
        )?;
        write_resolver(&folder.join("etc"))
    }
}

/// Copies the machine's name servers into the folder `etc` of a root.
pub(crate) fn write_resolver(etc: &Path) -> anyhow::Result<()> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let resolver = read("/etc/resolv.conf");
    // A resolver on the machine's loopback cannot be reached from a node; systemd-resolved says
    // elsewhere whom it asks itself.
    let resolver = if only_loopback(&resolver) {
        let upstream = read("/run/systemd/resolve/resolv.conf");
        if upstream.is_empty() { resolver } else { upstream }
    } else {
        resolver
    };
    let path = etc.join("resolv.conf");
    // May be a link to somewhere in /run.
    fs::remove_file(&path).ok();
    write(&path, &resolver)
}

/// Keeps packages' installation scripts from starting services in a root that is being made.
pub(crate) fn forbid_services(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join("usr/sbin/policy-rc.d");
    write(&path, "#!/bin/sh\nexit 101\n")?;
    set_mode(&path, 0o755)
}

/// Lifts [`forbid_services`].
pub(crate) fn allow_services(folder: &Path) {
    fs::remove_file(folder.join("usr/sbin/policy-rc.d")).ok();
}

/// Makes `folder` once: `make` fills `FOLDER.partial`, which is renamed when it is complete.
pub(crate) fn make_once(
    folder: &Path,
    make: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let partial = partial_of(folder);
    remove(&partial)?;
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("could not make the folder {}", parent.display()))?;
    }
    make(&partial)?;
    fs::rename(&partial, folder)
        .with_context(|| format!("could not rename {} to {}", partial.display(), folder.display()))
}

/// Where [`make_once`] makes `folder`.
pub(crate) fn partial_of(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    folder.with_file_name(name)
}

/// Removes a root, or any other folder or file, after making sure that nothing is mounted in it.
pub(crate) fn remove(folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    if let Some(point) = mounts::unmount_below(folder).first() {
        bail!(
            "{} is still mounted, so {} is not removed. Unmount it (`umount {}`) and try again",
            point.display(),
            folder.display(),
            point.display()
        );
    }
    // rm knows no file system borders that matter here and is quick with large trees.
    Tool::new("rm").args(["-rf", "--one-file-system", "--"]).arg(folder).run().map(drop)
}

/// Runs `apt-get install` inside a root.
pub(crate) fn install(folder: &Path, packages: &[&str], log: &Path) -> anyhow::Result<()> {
    let root = Root { folder, shared: Vec::new(), environment: Vec::new() };
    let script = format!(
        "apt-get -q -o Acquire::Retries=3 update\n\
         apt-get -q -o Acquire::Retries=3 install --yes --no-install-recommends {}\n\
         apt-get clean",
        packages.join(" ")
    );
    forbid_services(folder)?;
    retry("apt-get install", || root.run(&script, log))?;
    allow_services(folder);
    Ok(())
}

/// Writes a file, with the path in the error.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

/// Sets a file's permissions.
pub(crate) fn set_mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("could not set the permissions of {}", path.display()))
}

/// Where packages come from.
struct Mirror {
    archive: String,
    security: String,
}

impl Mirror {
    fn of_this_machine() -> Self {
        let mut text = fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
        for entry in fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten() {
            text.push('\n');
            text.push_str(&fs::read_to_string(entry.path()).unwrap_or_default());
        }
        Self::found_in(&text)
    }

    /// The first Debian archive that the apt sources name, in either of their formats.
    fn found_in(sources: &str) -> Self {
        let address = |ending: &str, default: &str| {
            sources
                .lines()
                .filter(|line| !line.trim_start().starts_with('#'))
                .flat_map(str::split_whitespace)
                .map(|word| word.trim_end_matches('/'))
                .find(|word| word.starts_with("http") && word.ends_with(ending))
                .unwrap_or(default)
                .to_owned()
        };
        Self {
            archive: address("/debian", DEFAULT_MIRROR),
            security: address("/debian-security", DEFAULT_SECURITY_MIRROR),
        }
    }
}

/// The settings for a root, from what `apt-config dump` prints and the proxy variables.
fn apt_settings(dump: &str, environment: impl Fn(&str) -> Option<String>) -> String {
    let mut settings = String::from("Acquire::Languages \"none\";\n");
    // Inside, programs have a clean environment; apt's own settings come later and win.
    for scheme in ["http", "https"] {
        if let Some(proxy) = environment(&format!("{scheme}_proxy")) {
            settings.push_str(&format!("Acquire::{scheme}::Proxy \"{proxy}\";\n"));
        }
    }
    for line in dump.lines() {
        let key = line.split(' ').next().unwrap_or_default();
        if INHERITED_APT_SETTINGS.contains(&key) && !line.ends_with("\"\";") {
            settings.push_str(line);
            settings.push('\n');
        }
    }
    settings
}

fn only_loopback(resolver: &str) -> bool {
    let mut servers = resolver
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .map(str::trim)
        .peekable();
    servers.peek().is_some() && servers.all(|server| server.starts_with("127.") || server == "::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirror_from_deb822_sources() {
        let mirror = Mirror::found_in(
            "Types: deb\n# http://snapshot.example/archive/debian\nURIs: http://mirror.example/debian\nSuites: bookworm\n\n\
             URIs: http://mirror.example/debian-security/\n",
        );
        assert_eq!(mirror.archive, "http://mirror.example/debian");
        assert_eq!(mirror.security, "http://mirror.example/debian-security");
    }

    #[test]
    fn mirror_from_one_line_sources() {
        let mirror = Mirror::found_in("deb [arch=amd64] https://m.example/debian/ bookworm main\n");
        assert_eq!(mirror.archive, "https://m.example/debian");
        assert_eq!(mirror.security, DEFAULT_SECURITY_MIRROR);
    }

    #[test]
    fn another_distribution_gets_the_default_mirror() {
        let mirror = Mirror::found_in("deb http://archive.ubuntu.com/ubuntu noble main\n");
        assert_eq!(mirror.archive, DEFAULT_MIRROR);
    }

    #[test]
    fn apt_settings_that_matter_are_inherited() {
        let settings = apt_settings(
            "APT::Architecture \"amd64\";\nAcquire::http::Proxy \"http://p:3142\";\nAcquire::https::Proxy \"\";\n",
            |_| None,
        );
        assert_eq!(
            settings,
            "Acquire::Languages \"none\";\nAcquire::http::Proxy \"http://p:3142\";\n"
        );
    }

    #[test]
    fn proxy_variables_reach_apt() {
        let proxy = |name: &str| (name == "https_proxy").then(|| "http://p:1".to_owned());
        assert!(apt_settings("", proxy).ends_with("Acquire::https::Proxy \"http://p:1\";\n"));
    }

    #[test]
    fn loopback_resolvers_are_recognised() {
        assert!(only_loopback("nameserver 127.0.0.53\noptions edns0\n"));
        assert!(!only_loopback("nameserver 127.0.0.1\nnameserver 192.0.2.1\n"));
        assert!(!only_loopback("# empty\n"));
    }

    #[test]
    fn a_root_is_made_once_and_never_half() {
        let folder = std::env::temp_dir().join(format!("lab-make-once-{}", std::process::id()));
        let made = folder.join("root");
        fs::create_dir_all(&folder).unwrap();
        let failed = make_once(&made, |partial| {
            fs::create_dir_all(partial)?;
            bail!("broke off")
        });
        assert!(failed.is_err());
        assert!(!made.exists());
        make_once(&made, |partial| Ok(fs::create_dir_all(partial)?)).unwrap();
        assert!(made.exists());
        make_once(&made, |_| bail!("must not run again")).unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}
