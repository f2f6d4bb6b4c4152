//! apt: Debian, Ubuntu and their relatives.

use pallet_core::action::{ActionError, Fragment};
use pallet_core::shell;

use super::{Files, Installing, Lists, Packager, ProxyFile, Source, Sources, command, dpkg, names};
use crate::actions::CLOSE_THE_REST;
use crate::probes::Installed;
use crate::values::{DropInName, PackageName, ReleaseName, RemotePath};

/// apt, with dpkg below it.
pub(super) struct Apt;

const KEYRINGS: &str = "/etc/apt/keyrings";

impl Packager for Apt {
    fn name(&self) -> &'static str {
        "apt"
    }

    /// apt-get takes a name that it does not know, and that has a `.` or `+` in it, for a regular
    /// expression; that is seen to when it is run.
    fn check(&self, package: &PackageName) -> Result<(), &'static str> {
        let is_fit =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte);
        match package.name().bytes().all(is_fit) {
            true => Ok(()),
            false => Err("its names are made of lower-case letters, digits, `+`, `-` and `.`"),
        }
    }

    fn look(&self, packages: &[&PackageName]) -> String {
        dpkg::script(&names(packages))
    }

    fn read(&self, packages: &[&PackageName], output: &str) -> Result<Vec<Installed>, String> {
        dpkg::read(packages, output)
    }

    fn has_releases(&self) -> bool {
        true
    }

    /// A source of the release may only come with an earlier step, so that it is no mistake that
    /// apt does not know it yet: each package then has a version that nobody knows, and apt itself
    /// refuses the release if it is still unknown when it matters.
    fn look_for_newer(&self, packages: &[&PackageName], release: Option<&ReleaseName>) -> String {
        let policy = |words: &[&str]| command(words, packages, |it| it.qualified());
        let Some(release) = release else {
            return format!("{}\n", policy(&["apt-cache", "policy", "--"]));
        };
        let default = format!("APT::Default-Release={release}");
        let known = policy(&["apt-cache", "-o", &default, "policy", "--"]);
        let newest = format!("%s:\\n  Installed: ?\\n  Candidate: newest of {release}\\n");
        format!("{known} 2>/dev/null || {}\n", policy(&["printf", &newest]))
    }

    /// `git:`, and below it `  Installed: 1:2.39` and `  Candidate: 1:2.47`. What is installed is
    /// the candidate, too, where nothing is newer.
    fn read_newer(&self, packages: &[&PackageName], output: &str) -> Vec<Option<String>> {
        let newer = |package: &&PackageName| {
            let heads = [format!("{}:", package.qualified()), format!("{}:", package.name())];
            let mut lines = output.lines().skip_while(|line| !heads.iter().any(|it| it == line));
            lines.next();
            let mut values = lines.take_while(|line| line.starts_with(' '));
            let value = |line: Option<&str>| line?.split_once(": ").map(|it| it.1.to_owned());
            let installed = value(values.next());
            let candidate = value(values.next()).filter(|version| version != "(none)");
            candidate.filter(|candidate| Some(candidate) != installed.as_ref())
        };
        packages.iter().map(newer).collect()
    }

    fn look_for_upgrades(&self, full: bool) -> String {
        let verb = verb(full);
        // Even what is only simulated is written to a log, unless that has no name.
        format!(
            "apt-get -s -q -o Debug::NoLocking=true -o Dir::Log::Planner= {verb} </dev/null || exit 1\n"
        )
    }

    fn count_upgrades(&self, output: &str) -> (usize, usize) {
        let count = |word: &str| output.lines().filter(|it| it.starts_with(word)).count();
        (count("Inst "), count("Remv "))
    }

    fn lists(&self) -> Lists {
        Lists {
            files: "/var/lib/apt/lists/*Packages*",
            // The other one is that of Debian's daily update.
            stamps: &["/var/lib/pallet/apt-updated", "/var/lib/apt/periodic/update-success-stamp"],
            sources: "/etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/sources.list.d/*",
            below: "/etc/apt",
        }
    }

    /// Another run is waited for; changed configuration files stay as they are.
    fn define(&self, fragment: &mut Fragment) {
        fragment.line("export DEBIAN_FRONTEND=noninteractive");
        fragment.line(&format!(
            "apt() {{ apt-get -q -y -o DPkg::Lock::Timeout=60 -o Dpkg::Use-Pty=0 \
             -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
             \"$@\" {CLOSE_THE_REST}; }}"
        ));
    }

    fn finish(&self, fragment: &mut Fragment) {
        fragment.line("dpkg --force-confdef --force-confold --configure -a");
    }

    fn install(&self, fragment: &mut Fragment, packages: &[&PackageName], how: Installing<'_>) {
        fragment.line("compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null || apt update");
        let doubtful: Vec<&str> =
            names(packages).into_iter().filter(|name| name.contains(['.', '+'])).collect();
        if !doubtful.is_empty() {
            fragment.line(&format!(
                "for name in {}; do apt-cache pkgnames -- \"$name\" | grep -Fx -e \"$name\" >/dev/null \
                 || {{ echo \"apt knows no package called $name\" >&2; exit 100; }}; done",
                shell::command(doubtful)
            ));
        }
        let mut words = vec!["apt", "install"];
        words.extend(from(how.release));
        words.extend((!how.recommends).then_some("--no-install-recommends"));
        let has_version = packages.iter().any(|package| package.version().is_some());
        words.extend(has_version.then_some("--allow-downgrades"));
        words.push("--");
        fragment.line(&command(&words, packages, ToString::to_string));
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }

    fn renew(&self, fragment: &mut Fragment, packages: &[&PackageName], how: Installing<'_>) {
        let mut words = vec!["apt", "install", "--only-upgrade"];
        words.extend(from(how.release));
        words.push("--");
        fragment.line(&command(&words, packages, PackageName::qualified));
    }

    fn remove(&self, fragment: &mut Fragment, packages: &[&PackageName], purge: bool) {
        let verb = if purge { "purge" } else { "remove" };
        fragment.line(&command(&["apt", verb, "--"], packages, PackageName::qualified));
    }

    fn hold(&self, fragment: &mut Fragment, packages: &[&PackageName], hold: bool) {
        let verb = if hold { "hold" } else { "unhold" };
        let words = ["apt-mark", "-q", verb, "--"];
        let line = command(&words, packages, PackageName::qualified);
        fragment.line(&format!("{line} >/dev/null"));
    }

    fn update(&self, fragment: &mut Fragment) {
        // Without this, apt-get calls it a success when a source cannot be fetched.
        fragment.line("apt -o APT::Update::Error-Mode=any update");
    }

    fn upgrade(&self, fragment: &mut Fragment, full: bool) {
        fragment.run(["apt", verb(full)]);
    }

    fn sources(&self) -> Option<&dyn Sources> {
        Some(self)
    }

    fn proxy(&self, url: &str) -> Result<ProxyFile, &'static str> {
        let lines = ["http", "https"].map(|it| format!("Acquire::{it}::Proxy \"{url}\";\n"));
        Ok(ProxyFile {
            folder: "/etc/apt/apt.conf.d",
            name: "50pallet-proxy",
            text: lines.concat(),
        })
    }
}

impl Files for Apt {
    fn content(&self, file: &RemotePath) -> String {
        dpkg::content(file)
    }

    fn install_file(
        &self,
        fragment: &mut Fragment,
        _: &PackageName,
        file: &RemotePath,
        how: Installing<'_>,
    ) {
        fragment.line("compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null || apt update");
        let mut words = vec!["apt", "install", "--allow-downgrades"];
        words.extend((!how.recommends).then_some("--no-install-recommends"));
        fragment.run(words.into_iter().chain(["--", file.as_str()]));
    }
}

/// The option that takes packages from a release.
fn from(release: Option<&ReleaseName>) -> impl Iterator<Item = &str> {
    release.into_iter().flat_map(|release| ["-t", release.as_str()])
}

fn verb(full: bool) -> &'static str {
    if full { "dist-upgrade" } else { "upgrade" }
}

impl Sources for Apt {
    fn file(&self, name: &DropInName) -> (&'static str, String) {
        ("/etc/apt/sources.list.d", format!("{name}.sources"))
    }

    fn text(&self, source: &Source<'_>) -> Result<String, ActionError> {
        let codename = &source.facts.os_codename;
        if source.suites.is_empty() && codename.is_empty() {
            return Err(ActionError::new("the node's release has no code name")
                .help("name the suites: suites = [\"stable\"]"));
        }
        let or = |list: &[String], default: &str| match list {
            [] => default.to_owned(),
            list => list.join(" "),
        };
        let suites = or(source.suites, codename);
        let mut text = format!("Types: deb\nURIs: {}\nSuites: {suites}\n", source.uris.join(" "));
        // A suite that ends in a slash is a path, and has no components.
        if !suites.ends_with('/') {
            text.push_str(&format!("Components: {}\n", or(source.components, "main")));
        }
        if !source.architectures.is_empty() {
            text.push_str(&format!("Architectures: {}\n", source.architectures.join(" ")));
        }
        if let Some(key) = source.key {
            text.push_str(&format!("Signed-By: {key}\n"));
        }
        Ok(text)
    }

    fn key_file(&self, name: &DropInName, armoured: bool) -> (&'static str, String) {
        (KEYRINGS, format!("{name}.{}", if armoured { "asc" } else { "gpg" }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HOW, code, packages};
    use super::*;

    #[test]
    fn programs() {
        let all = packages(&["git", "g++", "curl=7.1"]);
        let all: Vec<&PackageName> = all.iter().collect();
        let installed = code(|it| Apt.install(it, &all, Installing { recommends: false, ..HOW }));
        assert!(
            installed.ends_with(
                "\napt install --no-install-recommends --allow-downgrades -- git g++ 'curl=7.1'\n"
            ),
            "{installed}"
        );
        assert!(installed.contains("for name in g++; do"), "{installed}");
        assert_eq!(code(|it| Apt.remove(it, &all, false)), "apt remove -- git g++ curl\n");
        assert_eq!(code(|it| Apt.remove(it, &all, true)), "apt purge -- git g++ curl\n");
        let held = code(|it| Apt.hold(it, &all, true));
        assert_eq!(held, "apt-mark -q hold -- git g++ curl >/dev/null\n");
        let defined = code(|it| Apt.define(it));
        assert!(defined.contains("\"$@\" 3<&- 4<&-"), "nothing of the session is left: {defined}");
    }

    #[test]
    fn newer_versions() {
        let output = "curl:\n  Installed: 7.88.1-10+deb12u5\n  Candidate: 7.88.1-10+deb12u8\n  Version table:\n     7.88.1-10+deb12u8 500\n\
            git:\n  Installed: 1:2.39\n  Candidate: 1:2.39\n  Version table:\n *** 1:2.39 100\n\
            awk:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n\
            libc6:i386:\n  Installed: 2.35\n  Candidate: 2.36\n  Version table:\n";
        let all = packages(&["curl", "git", "awk", "libc6:i386", "gone"]);
        let all: Vec<&PackageName> = all.iter().collect();
        let newer = Apt.read_newer(&all, output);
        let shown: Vec<Option<&str>> = newer.iter().map(Option::as_deref).collect();
        assert_eq!(shown, [Some("7.88.1-10+deb12u8"), None, None, Some("2.36"), None]);
    }

    #[test]
    fn simulated_upgrades() {
        let output = "Reading package lists...\nInst a [1] (2)\nRemv b [1]\nConf a (2)\n";
        assert_eq!(Apt.count_upgrades(output), (1, 1));
    }
}
