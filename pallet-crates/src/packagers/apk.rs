//! apk: Alpine.

use pallet_core::action::{ActionError, Fragment};

use super::{Installing, Lists, Packager, ProxyFile, Source, Sources, command};
use crate::actions::CLOSE_THE_REST;
use crate::probes::Installed;
use crate::values::{DropInName, PackageName, ReleaseName};

/// apk. What it holds are packages of one version in the list of what shall be installed.
pub(super) struct Apk;

/// The database of installed packages; where it is has changed once.
const DATABASE: &str = "/lib/apk/db/installed /usr/lib/apk/db/installed";

impl Packager for Apk {
    fn name(&self) -> &'static str {
        "apk"
    }

    fn check(&self, package: &PackageName) -> Result<(), &'static str> {
        match (package.arch(), package.name().contains(['@', '/'])) {
            (Some(_), _) => Err("its packages are of one architecture"),
            (None, true) => Err("its names contain neither `@` nor `/`"),
            (None, false) => Ok(()),
        }
    }

    /// Names, versions, what is provided, and what shall be installed, which is read by itself.
    fn look(&self, _: &[&PackageName]) -> String {
        format!(
            "for file in {DATABASE}; do\n\
             if [ -r \"$file\" ]; then grep -e '^[PVp]:' \"$file\"; break; fi\n\
             done\n\
             [ ! -r /etc/apk/world ] || sed 's/^/W:/' /etc/apk/world\n"
        )
    }

    fn read(&self, packages: &[&PackageName], output: &str) -> Result<Vec<Installed>, String> {
        let mut installed: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        let mut held = Vec::new();
        for line in output.lines() {
            match (line.split_once(':'), installed.last_mut()) {
                (Some(("P", name)), _) => installed.push((name, "", Vec::new())),
                (Some(("V", version)), Some(last)) => last.1 = version,
                (Some(("p", provides)), Some(last)) => {
                    let name = |item: &'_ str| item.find('=').unwrap_or(item.len());
                    last.2 =
                        provides.split(' ').filter_map(|item| item.get(..name(item))).collect();
                }
                (Some(("W", wanted)), _) => held.extend(wanted.split_once('=').map(|it| it.0)),
                _ => return Err(format!("`{line}` is no line of apk's database")),
            }
        }
        let read = |package: &&PackageName| {
            let name = package.name();
            let own = installed.iter().find(|one| one.0 == name);
            let provider = installed.iter().find(|one| one.2.contains(&name));
            Installed {
                version: own.map(|one| one.1.to_owned()),
                is_configured: own.is_some(),
                is_held: held.contains(&name),
                provided_by: provider.filter(|_| own.is_none()).map(|one| one.0.to_owned()),
                ..Installed::default()
            }
        };
        Ok(packages.iter().map(read).collect())
    }

    fn look_for_newer(&self, packages: &[&PackageName], _: Option<&ReleaseName>) -> String {
        let words = ["apk", "version", "-l", "<", "--"];
        format!("{}\n", command(&words, packages, |package| package.name().to_owned()))
    }

    /// `curl-8.5.0-r0        < 8.9.0-r0`, below a line with headings.
    fn read_newer(&self, packages: &[&PackageName], output: &str) -> Vec<Option<String>> {
        let newer = |package: &&PackageName| {
            output.lines().find_map(|line| {
                let (installed, version) = line.split_once(" < ")?;
                // Name, version and release are joined by hyphens, which names have, too.
                let mut parts = installed.trim().rsplitn(3, '-').skip(2);
                (parts.next() == Some(package.name())).then(|| version.trim().to_owned())
            })
        };
        packages.iter().map(newer).collect()
    }

    fn look_for_upgrades(&self, _full: bool) -> String {
        "apk version -l '<'\n".to_owned()
    }

    fn count_upgrades(&self, output: &str) -> (usize, usize) {
        (output.lines().filter(|line| line.contains(" < ")).count(), 0)
    }

    fn lists(&self) -> Lists {
        Lists {
            files: "/var/cache/apk/APKINDEX.* /etc/apk/cache/APKINDEX.*",
            stamps: &["/var/lib/pallet/apk-updated"],
            sources: "/etc/apk/repositories /etc/apk/repositories.d /etc/apk/repositories.d/*",
            below: "/etc/apk",
        }
    }

    fn define(&self, fragment: &mut Fragment) {
        fragment.line(&format!(
            "apk() {{ command apk --no-progress --quiet --no-interactive \"$@\" {CLOSE_THE_REST}; }}"
        ));
    }

    /// What it only recommends, apk never installs.
    fn install(&self, fragment: &mut Fragment, packages: &[&PackageName], _how: Installing<'_>) {
        fragment.line(
            "compgen -G '/var/cache/apk/APKINDEX.*' >/dev/null || \
             compgen -G '/etc/apk/cache/APKINDEX.*' >/dev/null || apk update",
        );
        fragment.line(&command(&["apk", "add", "--"], packages, ToString::to_string));
    }

    fn renew(&self, fragment: &mut Fragment, packages: &[&PackageName], _: Installing<'_>) {
        let words = ["apk", "add", "--upgrade", "--"];
        fragment.line(&command(&words, packages, |package| package.name().to_owned()));
    }

    fn remove(&self, fragment: &mut Fragment, packages: &[&PackageName], purge: bool) {
        let mut words = vec!["apk", "del"];
        words.extend(purge.then_some("--purge"));
        words.push("--");
        fragment.line(&command(&words, packages, |package| package.name().to_owned()));
    }

    fn hold(&self, fragment: &mut Fragment, packages: &[&PackageName], hold: bool) {
        for package in packages {
            let name = package.name();
            if hold {
                let read = format!(
                    "version=$(for file in {DATABASE}; do [ ! -r \"$file\" ] || \
                     sed -n '/^P:{}$/,/^$/s/^V://p' \"$file\"; done | head -n 1)",
                    name.replace('.', "\\.")
                );
                fragment.line(&read);
                fragment
                    .line(&format!("apk add -- {}=\"$version\"", pallet_core::shell::quote(name)));
            } else {
                fragment.run(["apk", "add", "--", name]);
            }
        }
    }

    fn update(&self, fragment: &mut Fragment) {
        fragment.run(["apk", "update"]);
    }

    fn upgrade(&self, fragment: &mut Fragment, full: bool) {
        match full {
            true => fragment.run(["apk", "upgrade", "--available"]),
            false => fragment.run(["apk", "upgrade"]),
        };
    }

    fn sources(&self) -> Option<&dyn Sources> {
        Some(self)
    }

    /// It goes by the environment.
    fn proxy(&self, _: &str) -> Result<ProxyFile, &'static str> {
        Err(
            "it goes by the variable http_proxy of its environment: line-in-file writes it to /etc/environment",
        )
    }
}

impl Sources for Apk {
    fn file(&self, name: &DropInName) -> (&'static str, String) {
        ("/etc/apk/repositories.d", format!("{name}.list"))
    }

    fn text(&self, source: &Source<'_>) -> Result<String, ActionError> {
        source.has_only_uris("apk")?;
        Ok(source.uris.iter().map(|uri| format!("{uri}\n")).collect())
    }

    /// A key goes by the name of its file, which signatures name.
    fn key_file(&self, name: &DropInName, _armoured: bool) -> (&'static str, String) {
        ("/etc/apk/keys", format!("{name}.rsa.pub"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{newer, programs, told};
    use super::*;

    #[test]
    fn installed_packages() {
        let output = "P:musl\nV:1.2.5-r0\np:so:libc.musl-x86_64.so.1=1\n\
            P:busybox\nV:1.36.1-r29\np:cmd:sh=1.36.1-r29 /bin/sh awk=1\nP:curl\nV:8.9.0-r0\n\
            W:alpine-base\nW:curl=8.9.0-r0\n";
        assert_eq!(
            told(&Apk, &["musl", "awk", "curl", "git"], output),
            ["1.2.5-r0", "by busybox", "8.9.0-r0 held", "-"]
        );
        assert!(Apk.read(&[], "what\n").is_err());
    }

    #[test]
    fn updates() {
        let output = "Installed:                                Available:\n\
            curl-8.5.0-r0                           < 8.9.0-r0 \n\
            ca-certificates-bundle-20240226-r0      < 20240705-r0 \n";
        assert_eq!(
            newer(&Apk, &["curl", "ca-certificates-bundle", "bundle", "git"], output),
            ["8.9.0-r0", "20240705-r0", "-", "-"]
        );
        assert_eq!(Apk.count_upgrades(output), (2, 0));
    }

    #[test]
    fn programs_of_apk() {
        let all = programs(&Apk, &["g++", "curl=8.9.0-r0"]);
        assert!(all[0].ends_with("\napk add -- g++ 'curl=8.9.0-r0'"), "{}", all[0]);
        assert_eq!(
            all[2..5],
            ["apk add --upgrade -- g++ curl", "apk del -- g++ curl", "apk del --purge -- g++ curl",]
        );
        assert!(all[5].contains("apk add -- g++=\"$version\""), "{}", all[5]);
        assert_eq!(all[6], "apk add -- g++\napk add -- curl");
        assert_eq!(all[7..], ["apk update", "apk upgrade", "apk upgrade --available"]);
    }
}
