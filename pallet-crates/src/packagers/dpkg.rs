//! Packages of Debian and its relatives, as dpkg knows them.

use pallet_core::shell;

use crate::probes::Installed;
use crate::probes::words::command_lines;
use crate::values::{PackageName, RemotePath};

/// Package, status, architecture and version; the first letter tells it from a provider.
const FIELDS: &str = r"P\t${Package}\t${db:Status-Abbrev}\t${Architecture}\t${Version}\n";

/// A script that tells what dpkg knows of packages. Architectures are matched when the output is
/// read: `x:amd64` does not find a package for all architectures, though it fits.
pub(super) fn script(names: &[&str]) -> String {
    // dpkg's own record tells the node's architecture.
    let names: Vec<&str> = std::iter::once("dpkg").chain(names.iter().copied()).collect();
    let mut script = String::from("list=\n");
    for line in command_lines(&format!("dpkg-query -W -f '{FIELDS}' --"), &names) {
        // 1 says that some are missing.
        script.push_str(&format!(
            "found=$(exec {line} 2>/dev/null) || [ $? -eq 1 ] || exit 1\nlist=$list$found$'\\n'\n"
        ));
    }
    script.push_str("printf %s \"$list\"\n");
    // Only names that are not installed as themselves need the list of who provides what.
    script.push_str("for name in");
    for name in &names {
        script.push_str(&format!(" {}", shell::quote(name)));
    }
    script.push_str(
        "; do case $'\\n'\"$list\" in *$'\\nP\\t'\"$name\"$'\\t'?[itW]*) ;; *)\n\
         dpkg-query -W -f 'V\\t${Package}\\t${db:Status-Abbrev}\\t${Provides}\\n'\n\
         break ;; esac; done\n",
    );
    script
}

/// The command that prints the name and the version of a package in a file.
pub(super) fn content(file: &RemotePath) -> String {
    let format = "${Package} ${Version}";
    shell::command(["dpkg-deb", "-W", "--showformat", format, "--", file.as_str()])
}

/// Reads what the script has printed.
pub(super) fn read(packages: &[&PackageName], output: &str) -> Result<Vec<Installed>, String> {
    let mut records = Vec::new();
    let mut providers = Vec::new();
    for line in output.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            ["P", name, status, arch, version] => {
                let is_held = status.starts_with('h');
                records.push(Record { name, arch, status: Status::of(status), is_held, version });
            }
            ["V", name, status, provides] => {
                if Status::of(status) == Status::Configured && !provides.is_empty() {
                    providers.push((*name, *provides));
                }
            }
            _ => return Err(format!("`{line}` is no package")),
        }
    }
    let native = records.iter().find(|record| record.name == "dpkg").map(|record| record.arch);
    Ok(packages.iter().map(|package| installed(package, &records, &providers, native)).collect())
}

struct Record<'a> {
    name: &'a str,
    arch: &'a str,
    status: Status,
    is_held: bool,
    version: &'a str,
}

#[derive(PartialEq, Clone, Copy)]
enum Status {
    Absent,
    ConfigurationOnly,
    Unfinished,
    Configured,
}

impl Status {
    /// The first letter of dpkg's abbreviation is what is wanted, the second what is.
    fn of(abbreviation: &str) -> Self {
        match abbreviation.chars().nth(1) {
            // Waiting for triggers, or having some pending, is as good as installed.
            Some('i' | 't' | 'W') => Self::Configured,
            Some('U' | 'F' | 'H') => Self::Unfinished,
            Some('c') => Self::ConfigurationOnly,
            _ => Self::Absent,
        }
    }
}

fn installed(
    package: &PackageName,
    records: &[Record<'_>],
    providers: &[(&str, &str)],
    native: Option<&str>,
) -> Installed {
    let wanted = match package.arch() {
        None | Some("native") => native,
        Some("any") => None,
        arch => arch,
    };
    let fits = |record: &&Record<'_>| {
        record.name == package.name()
            && (record.arch == "all" || wanted.is_none_or(|wanted| wanted == record.arch))
    };
    // Of several architectures the best counts, which matters for `any` alone.
    let rank = |record: &&Record<'_>| record.status as u8;
    let Some(record) = records.iter().filter(fits).max_by_key(rank) else {
        return Installed { provided_by: provider(package, providers), ..Installed::default() };
    };
    match record.status {
        Status::Absent => {
            Installed { provided_by: provider(package, providers), ..Installed::default() }
        }
        Status::ConfigurationOnly => Installed {
            left_configuration: true,
            provided_by: provider(package, providers),
            ..Installed::default()
        },
        status => Installed {
            version: Some(record.version.to_owned()),
            is_configured: status == Status::Configured,
            is_held: record.is_held,
            ..Installed::default()
        },
    }
}

/// `Provides` reads `awk`, or `a (= 1.0), b`.
fn provider(package: &PackageName, providers: &[(&str, &str)]) -> Option<String> {
    let provides = |list: &str| {
        list.split(", ")
            .filter_map(|item| item.split(' ').next())
            .any(|name| name == package.name())
    };
    providers.iter().find(|(_, list)| provides(list)).map(|(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::testing::packages;
    use super::*;

    fn ask(names: &[&str]) -> Vec<Installed> {
        let packages = packages(names);
        let packages: Vec<&PackageName> = packages.iter().collect();
        let script = script(&super::super::names(&packages));
        let output =
            std::process::Command::new("bash").args(["-c", &script]).env("LC_ALL", "C").output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        read(&packages, std::str::from_utf8(&output.stdout).unwrap()).unwrap()
    }

    /// Debian's dpkg and its base system.
    #[test]
    fn asks_a_real_dpkg() {
        assert!(
            std::path::Path::new("/var/lib/dpkg/status").exists(),
            "the tests need Debian, or a relative of it: there is no dpkg here"
        );
        let answers = ask(&["awk", "libc6", "no-such-package", "no-such+++"]);
        assert!(
            answers[0].provided_by.is_some() && answers[0].version.is_none(),
            "{:?}",
            answers[0]
        );
        assert!(answers[1].is_configured && answers[1].version.is_some());
        assert_eq!(answers[2], Installed::default());
        assert_eq!(answers[3], Installed::default());
        assert!(ask(&["dpkg"])[0].is_configured);
    }

    #[test]
    fn dpkg_is_asked_about_too() {
        let script = script(&["g++", "libc6"]);
        assert!(script.contains("-- dpkg g++ libc6 2>"), "{script}");
        assert!(script.contains("for name in dpkg g++ libc6;"), "{script}");
    }

    #[test]
    fn states_and_architectures() {
        let output = "P\tdpkg\tii \tamd64\t1.21\n\
            P\tlibc6\tii \tamd64\t2.36\n\
            P\tlibc6\tii \ti386\t2.35\n\
            P\tdocs\tii \tall\t1\n\
            P\tforeign\tii \ti386\t1\n\
            P\tgone\trc \tamd64\t7\n\
            P\thalf\tiF \tamd64\t3\n\
            P\theld\thi \tamd64\t4\n\
            P\ttriggers\tit \tamd64\t5\n\
            P\tg++\tii \tamd64\t4:12\n\
            P\tawk\tun \t\t\n\
            V\tmawk\tii \tawk\n\
            V\tpostfix\tii \tdefault-mta, mail-transport-agent (= 3)\n\
            V\texim4\trc \tmail-reader\n";
        let version = |text: &str| Installed {
            version: Some(text.to_owned()),
            is_configured: true,
            ..Installed::default()
        };
        let provided =
            |by: &str| Installed { provided_by: Some(by.to_owned()), ..Installed::default() };
        let cases = [
            ("libc6", version("2.36")),
            ("libc6:i386", version("2.35")),
            ("libc6:armhf", Installed::default()),
            ("libc6=9", version("2.36")),
            ("docs:amd64", version("1")),
            ("foreign", Installed::default()),
            ("foreign:any", version("1")),
            ("gone", Installed { left_configuration: true, ..Installed::default() }),
            ("half", Installed { is_configured: false, ..version("3") }),
            ("held", Installed { is_held: true, ..version("4") }),
            ("triggers", version("5")),
            ("g++", version("4:12")),
            ("awk", provided("mawk")),
            ("mail-transport-agent", provided("postfix")),
            ("mail-reader", Installed::default()),
            ("nothing", Installed::default()),
        ];
        for (name, expected) in cases {
            let package = packages(&[name]).remove(0);
            assert_eq!(read(&[&package], output), Ok(vec![expected]), "{name}");
        }
        assert!(read(&[], "garbage\n").is_err());
    }
}
