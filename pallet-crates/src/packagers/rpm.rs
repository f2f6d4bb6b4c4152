//! The rpm database, which dnf, yum and zypper share.

use pallet_core::action::Fragment;

use super::{command, names};
use crate::probes::Installed;
use crate::probes::words::command_lines;
use crate::values::{PackageName, RemotePath};

/// Name, architecture, epoch, version and release; the first letter tells it from what else rpm
/// prints.
const FIELDS: &str = r"P\t%{NAME}\t%{ARCH}\t%|EPOCH?{%{EPOCH}}:{0}|\t%{VERSION}\t%{RELEASE}\n";

/// Names of packages as rpm allows them; without its `perl(Some::Module)`, which are no packages.
pub(super) fn check(package: &PackageName) -> Result<(), &'static str> {
    match package.name().contains(['@', '/']) {
        true => Err("its names are made of letters, digits, `+`, `-`, `.` and `_`"),
        false => Ok(()),
    }
}

/// Whether what is written as a version fits an installed one: epoch and release may be left out.
pub(super) fn fits(wanted: &str, installed: &str) -> bool {
    let without_epoch = installed.split_once(':').map_or(installed, |(_, rest)| rest);
    let version = without_epoch.rsplit_once('-').map_or(without_epoch, |(version, _)| version);
    let wanted = wanted.strip_prefix("0:").unwrap_or(wanted);
    wanted == installed || wanted == without_epoch || wanted == version
}

/// A script that tells what is installed, who provides what is not, and, by `locks`, what is held.
pub(super) fn script(packages: &[&PackageName], locks: &str) -> String {
    let names = names(packages);
    let mut script = String::from("list=$(\n");
    for line in command_lines(&format!("rpm -q --qf '{FIELDS}'"), &names) {
        // Its status counts the packages that are missing.
        script.push_str(&line);
        script.push_str(" 2>/dev/null\n");
    }
    script.push_str(")\nprintf '%s\\n' \"$list\"\n");
    for name in names {
        let name = pallet_core::shell::quote(name);
        script.push_str(&format!(
            "case $'\\n'\"$list\" in *$'\\nP\\t'{name}$'\\t'*) ;; *) \
             rpm -q --qf 'V\\t'{name}'\\t%{{NAME}}\\n' --whatprovides {name} 2>/dev/null ;; esac\n"
        ));
    }
    script.push_str(locks);
    script
}

/// Reads what the script has printed. Held are the names in lines that begin with `H` and a tab.
pub(super) fn read(packages: &[&PackageName], output: &str) -> Result<Vec<Installed>, String> {
    let lines: Vec<Vec<&str>> = output.lines().map(|line| line.split('\t').collect()).collect();
    let read = |package: &&PackageName| {
        let is_it = |line: &&Vec<&str>| match line.as_slice() {
            ["P", name, arch, ..] => {
                *name == package.name()
                    && package.arch().is_none_or(|wanted| wanted == *arch || *arch == "noarch")
            }
            _ => false,
        };
        let mut seen = Installed {
            is_held: lines
                .iter()
                .any(|line| matches!(line.as_slice(), ["H", name] if *name == package.name())),
            ..Installed::default()
        };
        // Of several versions, as there are of kernels, the last one is the newest.
        match lines.iter().rev().find(is_it).map(Vec::as_slice) {
            Some(["P", _, _, epoch, version, release]) => {
                let epoch = if *epoch == "0" { String::new() } else { format!("{epoch}:") };
                seen.version = Some(format!("{epoch}{version}-{release}"));
                seen.is_configured = true;
            }
            Some(line) => return Err(format!("`{}` is no package", line.join(" "))),
            None => {
                let provider = lines.iter().find_map(|line| match line.as_slice() {
                    ["V", name, provider] if *name == package.name() => Some(*provider),
                    _ => None,
                });
                seen.provided_by = provider.map(str::to_owned);
            }
        }
        Ok(seen)
    };
    packages.iter().map(read).collect()
}

/// The command that prints the name and the version of a package in a file.
pub(super) fn content(file: &RemotePath) -> String {
    let format = "%{NAME} %{VERSION}-%{RELEASE}";
    pallet_core::shell::command([
        "rpm",
        "-qp",
        "--nosignature",
        "--qf",
        format,
        "--",
        file.as_str(),
    ])
}

/// `curl.x86_64-7.76.1`, as rpm's relatives write packages; `sign` stands before the version.
pub(super) fn spelled(package: &PackageName, sign: char) -> String {
    let mut text = package.name().to_owned();
    match (package.arch(), package.version(), sign) {
        // `name-version.arch`, but `name.arch=version`.
        (arch, Some(version), '-') => {
            text.push_str(&format!("-{version}"));
            text.extend(arch.map(|arch| format!(".{arch}")));
        }
        (arch, version, sign) => {
            text.extend(arch.map(|arch| format!(".{arch}")));
            text.extend(version.map(|version| format!("{sign}{version}")));
        }
    }
    text
}

/// Adds `remove`, and with `purge` the removal of what rpm keeps of changed configuration files.
pub(super) fn remove(
    fragment: &mut Fragment,
    packages: &[&PackageName],
    purge: bool,
    remove: &[&str],
) {
    let line = command(remove, packages, |it| spelled(&PackageName::without_version(it), '-'));
    if !purge {
        fragment.line(&line);
        return;
    }
    let list = command(&["rpm", "-qc"], packages, |package| package.name().to_owned());
    fragment.line(&format!("kept=$({list} | grep '^/' || :)"));
    fragment.line(&line);
    fragment.line(
        "while IFS= read -r file; do [ -z \"$file\" ] || rm -f -- \"$file.rpmsave\"; done <<<\"$kept\"",
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing::packages;
    use super::*;

    #[test]
    fn versions_may_be_short() {
        for (wanted, installed, expected) in [
            ("7.76.1-26.el9", "7.76.1-26.el9", true),
            ("7.76.1", "7.76.1-26.el9", true),
            ("0:7.76.1-26.el9", "7.76.1-26.el9", true),
            ("8.7p1", "1:8.7p1-3.el9", true),
            ("1:8.7p1-3.el9", "1:8.7p1-3.el9", true),
            ("2:8.7p1-3.el9", "1:8.7p1-3.el9", false),
            ("7.76", "7.76.1-26.el9", false),
        ] {
            assert_eq!(fits(wanted, installed), expected, "{wanted} {installed}");
        }
    }

    #[test]
    fn spellings() {
        let spell = |name: &str, sign| spelled(&packages(&[name]).remove(0), sign);
        assert_eq!(spell("curl:x86_64=7.76.1-1", '-'), "curl-7.76.1-1.x86_64");
        assert_eq!(spell("curl:x86_64=7.76.1-1", '='), "curl.x86_64=7.76.1-1");
        assert_eq!(spell("curl:i686", '-'), "curl.i686");
        assert_eq!(spell("NetworkManager", '-'), "NetworkManager");
    }
}
