//! zypper: SUSE's systems.

use pallet_core::action::Fragment;

use super::repo_file::RepoFiles;
use super::{Files, Installing, Lists, Packager, ProxyFile, Sources, command, rpm};
use crate::actions::CLOSE_THE_REST;
use crate::probes::Installed;
use crate::values::{PackageName, ReleaseName, RemotePath};

/// zypper, with rpm below it.
pub(super) struct Zypper;

const SOURCES: RepoFiles =
    RepoFiles { folder: "/etc/zypp/repos.d", manager: "zypper", imports_keys: true };

/// The names of locks, of which the file has a line each.
const LOCKS: &str =
    "[ ! -r /etc/zypp/locks ] || sed -n 's/^solvable_name: *\\(.*\\)$/H\\t\\1/p' /etc/zypp/locks\n";

/// Name, available version and architecture of the rows of a table of updates.
fn updates(output: &str) -> Vec<(&str, &str, &str)> {
    output
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            match cells.as_slice() {
                ["v", _, name, _, version, arch] => Some((*name, *version, *arch)),
                _ => None,
            }
        })
        .collect()
}

impl Packager for Zypper {
    fn name(&self) -> &'static str {
        "zypper"
    }

    fn check(&self, package: &PackageName) -> Result<(), &'static str> {
        rpm::check(package)
    }

    fn fits(&self, wanted: &str, installed: &str) -> bool {
        rpm::fits(wanted, installed)
    }

    fn look(&self, packages: &[&PackageName]) -> String {
        rpm::script(packages, LOCKS)
    }

    fn read(&self, packages: &[&PackageName], output: &str) -> Result<Vec<Installed>, String> {
        rpm::read(packages, output)
    }

    fn look_for_newer(&self, _: &[&PackageName], _: Option<&ReleaseName>) -> String {
        self.look_for_upgrades(false)
    }

    fn read_newer(&self, packages: &[&PackageName], output: &str) -> Vec<Option<String>> {
        let updates = updates(output);
        let newer = |package: &&PackageName| {
            let fits = |(name, _, arch): &&(&str, &str, &str)| {
                *name == package.name() && package.arch().is_none_or(|wanted| wanted == *arch)
            };
            updates.iter().find(fits).map(|(_, version, _)| (*version).to_owned())
        };
        packages.iter().map(newer).collect()
    }

    fn look_for_upgrades(&self, _full: bool) -> String {
        "zypper --non-interactive --quiet --no-refresh list-updates </dev/null || exit 1\n"
            .to_owned()
    }

    fn count_upgrades(&self, output: &str) -> (usize, usize) {
        (updates(output).len(), 0)
    }

    fn lists(&self) -> Lists {
        Lists {
            files: "/var/cache/zypp/solv/*/solv",
            stamps: &["/var/lib/pallet/zypper-updated"],
            sources: "/etc/zypp/repos.d /etc/zypp/repos.d/*",
            below: "/etc/zypp",
        }
    }

    /// 102 and 103 say that all went well, and that something should be started anew.
    fn define(&self, fragment: &mut Fragment) {
        fragment.line(&format!(
            "zypper() {{ command zypper --non-interactive --quiet \"$@\" {CLOSE_THE_REST} \
             || case $? in 102|103) ;; *) return 1 ;; esac; }}"
        ));
    }

    fn install(&self, fragment: &mut Fragment, packages: &[&PackageName], how: Installing<'_>) {
        let mut words = vec!["zypper", "install", "--auto-agree-with-licenses"];
        words.push(if how.recommends { "--recommends" } else { "--no-recommends" });
        let has_version = packages.iter().any(|package| package.version().is_some());
        words.extend(has_version.then_some("--oldpackage"));
        words.push("--");
        fragment.line(&command(&words, packages, |package| rpm::spelled(package, '=')));
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }

    fn renew(&self, fragment: &mut Fragment, packages: &[&PackageName], _: Installing<'_>) {
        let words = ["zypper", "update", "--auto-agree-with-licenses", "--"];
        fragment.line(&command(&words, packages, |it| rpm::spelled(&it.without_version(), '=')));
    }

    fn remove(&self, fragment: &mut Fragment, packages: &[&PackageName], purge: bool) {
        rpm::remove(fragment, packages, purge, &["zypper", "remove", "--"]);
    }

    fn hold(&self, fragment: &mut Fragment, packages: &[&PackageName], hold: bool) {
        let words = ["zypper", if hold { "addlock" } else { "removelock" }, "--"];
        fragment.line(&command(&words, packages, |package| package.name().to_owned()));
    }

    fn update(&self, fragment: &mut Fragment) {
        fragment.run(["zypper", "refresh"]);
    }

    fn upgrade(&self, fragment: &mut Fragment, full: bool) {
        let verb = if full { "dist-upgrade" } else { "update" };
        fragment.run(["zypper", verb, "--auto-agree-with-licenses"]);
    }

    fn sources(&self) -> Option<&dyn Sources> {
        Some(&SOURCES)
    }

    /// It goes by the environment and by `/etc/sysconfig/proxy`, which are everybody's.
    fn proxy(&self, _: &str) -> Result<ProxyFile, &'static str> {
        Err(
            "write it with line-in-file to /etc/sysconfig/proxy: PROXY_ENABLED=\"yes\" and HTTP_PROXY=\"…\"",
        )
    }
}

impl Files for Zypper {
    fn content(&self, file: &RemotePath) -> String {
        rpm::content(file)
    }

    /// Nobody has signed a file that somebody has put there.
    fn install_file(
        &self,
        fragment: &mut Fragment,
        _: &PackageName,
        file: &RemotePath,
        how: Installing<'_>,
    ) {
        let recommends = if how.recommends { "--recommends" } else { "--no-recommends" };
        let words = ["zypper", "install", "--auto-agree-with-licenses", recommends];
        let file = ["--oldpackage", "--allow-unsigned-rpm", "--", file.as_str()];
        fragment.run(words.into_iter().chain(file));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{newer, programs, told};
    use super::*;

    const TABLE: &str = "\
S | Repository             | Name         | Current Version     | Available Version   | Arch
--+------------------------+--------------+---------------------+---------------------+-------
v | Main Update Repository | curl         | 8.0.1-150400.5.32.1 | 8.0.1-150400.5.44.1 | x86_64
v | Main Update Repository | libgcc_s1    | 13.2.1-1.1          | 13.3.0-1.1          | x86_64
";

    #[test]
    fn tables_of_updates() {
        let names = ["curl", "libgcc_s1:x86_64", "libgcc_s1:i586", "git"];
        assert_eq!(newer(&Zypper, &names, TABLE), ["8.0.1-150400.5.44.1", "13.3.0-1.1", "-", "-"]);
        assert_eq!(Zypper.count_upgrades(TABLE), (2, 0));
        assert_eq!(Zypper.count_upgrades("No updates found.\n"), (0, 0));
    }

    #[test]
    fn locks_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("locks");
        let content =
            "\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: curl\n";
        std::fs::write(&file, content).unwrap();
        let script = LOCKS.replace("/etc/zypp/locks", file.to_str().unwrap());
        let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        let output =
            format!("P\tcurl\tx86_64\t0\t8.0.1\t1\n{}", String::from_utf8(output.stdout).unwrap());
        assert_eq!(told(&Zypper, &["curl"], &output), ["8.0.1-1 held"]);
    }

    #[test]
    fn programs_of_zypper() {
        let all = programs(&Zypper, &["libstdc++6", "curl:x86_64=8.0.1"]);
        assert_eq!(
            all[..4],
            [
                "zypper install --auto-agree-with-licenses --recommends --oldpackage -- libstdc++6 'curl.x86_64=8.0.1'",
                "zypper install --auto-agree-with-licenses --no-recommends --oldpackage -- libstdc++6 'curl.x86_64=8.0.1'",
                "zypper update --auto-agree-with-licenses -- libstdc++6 curl.x86_64",
                "zypper remove -- libstdc++6 curl.x86_64",
            ]
        );
        assert_eq!(
            all[5..],
            [
                "zypper addlock -- libstdc++6 curl",
                "zypper removelock -- libstdc++6 curl",
                "zypper refresh",
                "zypper update --auto-agree-with-licenses",
                "zypper dist-upgrade --auto-agree-with-licenses",
            ]
        );
    }
}
