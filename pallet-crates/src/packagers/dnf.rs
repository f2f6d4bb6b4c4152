//! dnf, of both generations, and yum before it: Fedora, RHEL and their relatives.

use pallet_core::action::Fragment;

use super::repo_file::RepoFiles;
use super::{Files, Installing, Lists, Packager, ProxyFile, Sources, command, rpm};
use crate::actions::CLOSE_THE_REST;
use crate::probes::Installed;
use crate::values::{PackageName, ReleaseName, RemotePath};

/// dnf or yum: they understand the same words, with few exceptions.
pub(super) struct Dnf {
    command: &'static str,
    sources: RepoFiles,
}

pub(super) const DNF: Dnf = Dnf::called("dnf");
pub(super) const YUM: Dnf = Dnf::called("yum");

/// Held packages, from the files of the plugin `versionlock`: of dnf5 (a TOML file), of dnf
/// (`curl-0:7.76.1-26.el9.*`) and of yum (`0:curl-7.29.0-59.el7.*`).
const LOCKS: &str = r#"for file in /etc/dnf/versionlock.toml /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list; do
[ ! -r "$file" ] || sed -n -e 's/^name *= *"\(.*\)"$/H\t\1/p' -e 's/^\([^#! :]*\)-[0-9][0-9]*:[^-]*-[^-]*$/H\t\1/p' -e 's/^[0-9][0-9]*:\([^ ]*\)-[^-]*-[^-]*$/H\t\1/p' "$file"
done
"#;

impl Dnf {
    const fn called(command: &'static str) -> Self {
        let sources =
            RepoFiles { folder: "/etc/yum.repos.d", manager: command, imports_keys: false };
        Self { command, sources }
    }

    /// yum knows no weak dependencies.
    fn without_recommends(&self, how: Installing<'_>) -> Option<&'static str> {
        (!how.recommends && self.command == "dnf").then_some("--setopt=install_weak_deps=False")
    }

    fn look_for(&self, packages: &[&PackageName]) -> String {
        let words = [self.command, "-q", "check-update"];
        // 100 says that there is something.
        format!(
            "{} </dev/null 2>/dev/null || [ $? -eq 100 ] || exit 1\n",
            command(&words, packages, |package| package.name().to_owned())
        )
    }
}

/// The updates in what check-update prints: name, architecture and version. Long names stand on
/// lines of their own, so words are taken by threes.
fn updates(output: &str) -> Vec<(&str, &str, &str)> {
    let own = output.split("\nObsoleting Packages").next().unwrap_or_default();
    let lines = own.lines().filter(|line| !line.starts_with("Last metadata"));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words
        .chunks(3)
        .filter_map(|three| match three {
            [package, version, _] => {
                let (name, arch) = package.rsplit_once('.')?;
                Some((name, arch, *version))
            }
            _ => None,
        })
        .collect()
}

impl Packager for Dnf {
    fn name(&self) -> &'static str {
        self.command
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

    fn look_for_newer(&self, packages: &[&PackageName], _: Option<&ReleaseName>) -> String {
        self.look_for(packages)
    }

    fn read_newer(&self, packages: &[&PackageName], output: &str) -> Vec<Option<String>> {
        let updates = updates(output);
        let newer = |package: &&PackageName| {
            let fits = |(name, arch, _): &&(&str, &str, &str)| {
                *name == package.name() && package.arch().is_none_or(|wanted| wanted == *arch)
            };
            updates.iter().find(fits).map(|(_, _, version)| (*version).to_owned())
        };
        packages.iter().map(newer).collect()
    }

    fn look_for_upgrades(&self, _full: bool) -> String {
        self.look_for(&[])
    }

    fn count_upgrades(&self, output: &str) -> (usize, usize) {
        (updates(output).len(), 0)
    }

    fn lists(&self) -> Lists {
        match self.command {
            "dnf" => Lists {
                files: "/var/cache/dnf/*.solv /var/cache/libdnf5/*/solv",
                stamps: &["/var/lib/pallet/dnf-updated"],
                sources: "/etc/yum.repos.d /etc/yum.repos.d/*",
                below: "/etc/yum.repos.d",
            },
            _ => Lists {
                files: "/var/cache/yum/*/*/*/repomd.xml",
                stamps: &["/var/lib/pallet/yum-updated"],
                sources: "/etc/yum.repos.d /etc/yum.repos.d/*",
                below: "/etc/yum.repos.d",
            },
        }
    }

    fn define(&self, fragment: &mut Fragment) {
        let name = self.command;
        fragment.line(&format!("{name}() {{ command {name} -q -y \"$@\" {CLOSE_THE_REST}; }}"));
    }

    fn install(&self, fragment: &mut Fragment, packages: &[&PackageName], how: Installing<'_>) {
        let mut words = vec![self.command];
        words.extend(self.without_recommends(how));
        words.push("install");
        fragment.line(&command(&words, packages, |package| rpm::spelled(package, '-')));
        // An older version than the one that is there is not installed, but downgraded to.
        let older: Vec<&PackageName> =
            packages.iter().copied().filter(|package| package.version().is_some()).collect();
        for package in older {
            let spelled = rpm::spelled(package, '-');
            let there = pallet_core::shell::command(["rpm", "-q", "--quiet", &spelled]);
            let downgrade = pallet_core::shell::command([self.command, "downgrade", &spelled]);
            fragment.line(&format!("{there} || {downgrade}"));
        }
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }

    fn renew(&self, fragment: &mut Fragment, packages: &[&PackageName], _: Installing<'_>) {
        let words = [self.command, "upgrade"];
        fragment.line(&command(&words, packages, |package| {
            rpm::spelled(&package.without_version(), '-')
        }));
    }

    fn remove(&self, fragment: &mut Fragment, packages: &[&PackageName], purge: bool) {
        // What the packages needed stays, as it does with apt.
        let words = [self.command, "--setopt=clean_requirements_on_remove=False", "remove"];
        rpm::remove(fragment, packages, purge, &words);
    }

    /// By the plugin `versionlock`, which has to be installed.
    fn hold(&self, fragment: &mut Fragment, packages: &[&PackageName], hold: bool) {
        let words = [self.command, "versionlock", if hold { "add" } else { "delete" }];
        let write = |package: &PackageName| match (self.command, hold) {
            // yum deletes entries, not names.
            ("yum", false) => format!("*:{}-*", package.name()),
            _ => package.name().to_owned(),
        };
        fragment.line(&command(&words, packages, write));
    }

    fn update(&self, fragment: &mut Fragment) {
        match self.command {
            "dnf" => fragment.run(["dnf", "--refresh", "makecache"]),
            _ => fragment.run(["yum", "clean", "expire-cache"]).run(["yum", "makecache"]),
        };
    }

    fn upgrade(&self, fragment: &mut Fragment, full: bool) {
        match (self.command, full) {
            ("dnf", true) => fragment.run(["dnf", "--allowerasing", "upgrade"]),
            _ => fragment.run([self.command, "upgrade"]),
        };
    }

    fn sources(&self) -> Option<&dyn Sources> {
        Some(&self.sources)
    }

    /// Its settings are one file, in which other things stand, too.
    fn proxy(&self, _: &str) -> Result<ProxyFile, &'static str> {
        Err("write it with line-in-file: path = \"/etc/dnf/dnf.conf\" (of yum: /etc/yum.conf), \
             line = \"proxy=…\", match = \"^proxy=\", after = \"^\\\\[main\\\\]\"")
    }
}

impl Files for Dnf {
    fn content(&self, file: &RemotePath) -> String {
        rpm::content(file)
    }

    fn install_file(
        &self,
        fragment: &mut Fragment,
        package: &PackageName,
        file: &RemotePath,
        how: Installing<'_>,
    ) {
        let mut words = vec![self.command];
        words.extend(self.without_recommends(how));
        fragment.run(words.into_iter().chain(["install", file.as_str()]));
        if package.version().is_some() {
            // An older version than the one that is there is not installed, but downgraded to.
            let there = rpm::spelled(package, '-');
            let there = pallet_core::shell::command(["rpm", "-q", "--quiet", &there]);
            let downgrade = pallet_core::shell::command([self.command, "downgrade", file.as_str()]);
            fragment.line(&format!("{there} || {downgrade}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{newer, programs, told};
    use super::*;

    #[test]
    fn installed_packages() {
        let output = "P\tcurl\tx86_64\t0\t7.76.1\t26.el9_3.2\nP\topenssh\tx86_64\t1\t8.7p1\t38.el9\n\
            P\tkernel\tx86_64\t0\t5.14.0\t1.el9\nP\tkernel\tx86_64\t0\t5.14.0\t2.el9\n\
            P\tglibc\tx86_64\t0\t2.34\t100.el9\npackage gone is not installed\n\
            package awk is not installed\nV\tawk\tgawk\nno package provides gone\nH\tcurl\n";
        let names = ["curl", "openssh", "kernel", "gone", "awk", "glibc:i686", "glibc:x86_64=2.34"];
        assert_eq!(
            told(&DNF, &names, output),
            [
                "7.76.1-26.el9_3.2 held",
                "1:8.7p1-38.el9",
                "5.14.0-2.el9",
                "-",
                "by gawk",
                "-",
                "2.34-100.el9"
            ]
        );
    }

    #[test]
    fn held_packages_of_three_generations() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            (
                "/etc/dnf/versionlock.toml",
                "versionlock.toml",
                "version = \"1.0\"\n\n[[packages]]\nname = \"curl\"\n[[packages.conditions]]\nkey = \"evr\"\n\
                 comparator = \"=\"\nvalue = \"8.6.0-7.fc40\"\n",
            ),
            (
                "/etc/dnf/plugins/versionlock.list",
                "dnf.list",
                "# Added lock on Mon Jan  8 12:00:00 2024\nNetworkManager-libnm-1:1.44.0-3.el9.*\n!vim-0:9.0-1.el9.*\n",
            ),
            (
                "/etc/yum/pluginconf.d/versionlock.list",
                "yum.list",
                "\n# Added locks\n0:yum-utils-1.1.31-54.el7_8.*\n",
            ),
        ];
        let mut script = LOCKS.to_owned();
        for (path, name, content) in files {
            let here = folder.path().join(name);
            std::fs::write(&here, content).unwrap();
            script = script.replace(path, here.to_str().unwrap());
        }
        let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "H\tcurl\nH\tNetworkManager-libnm\nH\tyum-utils\n"
        );
    }

    #[test]
    fn updates_with_long_names_and_without_what_obsoletes() {
        let output = "\ncurl.x86_64                    7.76.1-29.el9_4.1           baseos\n\
            python3-setuptools-with-a-long-name.noarch\n                               53.0.0-12.el9_4.1           appstream\n\
            openssh.x86_64                 1:8.7p1-38.el9_4.4          baseos\n\
            Obsoleting Packages\nnew.x86_64    2-1.el9     appstream\n    old.x86_64    1-1.el9    @appstream\n";
        let names = ["curl", "git", "openssh", "python3-setuptools-with-a-long-name", "new"];
        assert_eq!(
            newer(&DNF, &names, output),
            ["7.76.1-29.el9_4.1", "-", "1:8.7p1-38.el9_4.4", "53.0.0-12.el9_4.1", "-"]
        );
        assert_eq!(DNF.count_upgrades(output), (3, 0));
        assert_eq!(DNF.count_upgrades(""), (0, 0));
    }

    #[test]
    fn programs_of_dnf() {
        let all = programs(&DNF, &["NetworkManager", "curl:x86_64=7.76.1"]);
        assert_eq!(
            all[..2],
            [
                "dnf install NetworkManager curl-7.76.1.x86_64\n\
                 rpm -q --quiet curl-7.76.1.x86_64 || dnf downgrade curl-7.76.1.x86_64",
                "dnf '--setopt=install_weak_deps=False' install NetworkManager curl-7.76.1.x86_64\n\
                 rpm -q --quiet curl-7.76.1.x86_64 || dnf downgrade curl-7.76.1.x86_64",
            ]
        );
        assert_eq!(all[2], "dnf upgrade NetworkManager curl.x86_64");
        assert_eq!(
            all[3],
            "dnf '--setopt=clean_requirements_on_remove=False' remove NetworkManager curl.x86_64"
        );
        assert!(all[4].contains(".rpmsave"), "{}", all[4]);
        assert_eq!(
            all[5..],
            [
                "dnf versionlock add NetworkManager curl",
                "dnf versionlock delete NetworkManager curl",
                "dnf --refresh makecache",
                "dnf upgrade",
                "dnf --allowerasing upgrade",
            ]
        );
    }

    #[test]
    fn programs_of_yum() {
        let all = programs(&YUM, &["curl"]);
        assert_eq!(all[..2], ["yum install curl", "yum install curl"]);
        assert_eq!(all[6], "yum versionlock delete '*:curl-*'");
        assert_eq!(
            all[7..],
            ["yum clean expire-cache\nyum makecache", "yum upgrade", "yum upgrade"]
        );
    }
}
