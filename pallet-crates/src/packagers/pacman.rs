//! pacman: Arch and its relatives.

use pallet_core::action::{ActionError, Fragment};
use pallet_core::shell;

use super::{Files, Installing, Lists, Packager, ProxyFile, Source, Sources, command, names};
use crate::actions::CLOSE_THE_REST;
use crate::probes::Installed;
use crate::probes::words::command_lines;
use crate::values::{DropInName, PackageName, ReleaseName, RemotePath};

/// pacman. It has the newest version of everything, and no other.
pub(super) struct Pacman;

impl Packager for Pacman {
    fn name(&self) -> &'static str {
        "pacman"
    }

    fn check(&self, package: &PackageName) -> Result<(), &'static str> {
        match (package.version(), package.arch(), package.name().contains('/')) {
            (Some(_), ..) => Err("it installs the newest version of everything, and no other"),
            (_, Some(_), _) => Err("its packages are of one architecture"),
            (.., true) => Err("its names contain no `/`"),
            (None, None, false) => Ok(()),
        }
    }

    fn look(&self, packages: &[&PackageName]) -> String {
        let names = names(packages);
        let mut script = String::new();
        // A status tells that some are missing; without an exact name, a provider is printed.
        for line in command_lines("pacman -Q --", &names) {
            script.push_str(&format!("{line} 2>/dev/null | sed 's/^/P /'\n"));
        }
        for line in command_lines("pacman -T --", &names) {
            script.push_str(&format!("{line} 2>/dev/null | sed 's/^/N /'\n"));
        }
        script.push_str("pacman-conf IgnorePkg | sed 's/^/H /'\n");
        script
    }

    fn read(&self, packages: &[&PackageName], output: &str) -> Result<Vec<Installed>, String> {
        let lines: Vec<Vec<&str>> = output.lines().map(|line| line.split(' ').collect()).collect();
        let has = |letter: &str, name: &str| {
            lines.iter().any(|line| matches!(line.as_slice(), [l, n] if *l == letter && *n == name))
        };
        let read = |package: &&PackageName| {
            let name = package.name();
            let version = lines.iter().find_map(|line| match line.as_slice() {
                ["P", found, version] if *found == name => Some((*version).to_owned()),
                _ => None,
            });
            let is_missing = version.is_none() && has("N", name);
            let provider = (version.is_none() && !is_missing).then(|| "another package".to_owned());
            Installed {
                is_configured: version.is_some(),
                is_held: has("H", name),
                provided_by: provider,
                version,
                ..Installed::default()
            }
        };
        Ok(packages.iter().map(read).collect())
    }

    fn look_for_newer(&self, packages: &[&PackageName], _: Option<&ReleaseName>) -> String {
        let line = command(&["pacman", "-Qu", "--"], packages, |it| it.name().to_owned());
        // A status tells that there is nothing.
        format!("{line} 2>/dev/null || :\n")
    }

    /// `curl 8.5.0-1 -> 8.6.0-1`, perhaps with ` [ignored]`.
    fn read_newer(&self, packages: &[&PackageName], output: &str) -> Vec<Option<String>> {
        let newer = |package: &&PackageName| {
            output.lines().find_map(|line| {
                match line.split(' ').collect::<Vec<&str>>().as_slice() {
                    [name, _, "->", version, ..] if *name == package.name() => {
                        Some((*version).to_owned())
                    }
                    _ => None,
                }
            })
        };
        packages.iter().map(newer).collect()
    }

    fn look_for_upgrades(&self, _full: bool) -> String {
        "pacman -Qu 2>/dev/null || :\n".to_owned()
    }

    fn count_upgrades(&self, output: &str) -> (usize, usize) {
        let counts = |line: &&str| line.contains(" -> ") && !line.ends_with("[ignored]");
        (output.lines().filter(counts).count(), 0)
    }

    fn lists(&self) -> Lists {
        Lists {
            files: "/var/lib/pacman/sync/*.db",
            stamps: &["/var/lib/pallet/pacman-updated"],
            sources: "/etc/pacman.conf /etc/pacman.d /etc/pacman.d/*",
            below: "/etc",
        }
    }

    fn define(&self, fragment: &mut Fragment) {
        fragment.line(&format!(
            "pacman() {{ command pacman --noconfirm --noprogressbar \"$@\" {CLOSE_THE_REST}; }}"
        ));
    }

    /// What it only recommends, pacman never installs.
    fn install(&self, fragment: &mut Fragment, packages: &[&PackageName], _how: Installing<'_>) {
        fragment.line("compgen -G '/var/lib/pacman/sync/*.db' >/dev/null || pacman -Sy");
        let words = ["pacman", "-S", "--needed", "--"];
        fragment.line(&command(&words, packages, ToString::to_string));
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }

    fn renew(&self, fragment: &mut Fragment, packages: &[&PackageName], _: Installing<'_>) {
        let words = ["pacman", "-S", "--needed", "--"];
        fragment.line(&command(&words, packages, ToString::to_string));
    }

    fn remove(&self, fragment: &mut Fragment, packages: &[&PackageName], purge: bool) {
        let words = ["pacman", if purge { "-Rn" } else { "-R" }, "--"];
        fragment.line(&command(&words, packages, ToString::to_string));
    }

    /// By lines of its own in pacman's settings.
    fn hold(&self, fragment: &mut Fragment, packages: &[&PackageName], hold: bool) {
        for name in names(packages) {
            let line = format!("IgnorePkg = {name}");
            let edit = match hold {
                true => format!("/^\\[options\\]/a {line}"),
                false => format!("/^{}$/d", line.replace('.', "\\.")),
            };
            fragment.run(["sed", "-i", "-e", &edit, "/etc/pacman.conf"]);
            let held =
                format!("pacman-conf IgnorePkg | grep -Fx -e {} >/dev/null", shell::quote(name));
            fragment.line(&match hold {
                true => held,
                false => format!(
                    "! {held} || {{ echo {} >&2; exit 1; }}",
                    shell::quote(&format!("{name} is held by another line of /etc/pacman.conf"))
                ),
            });
        }
    }

    fn update(&self, fragment: &mut Fragment) {
        fragment.run(["pacman", "-Sy"]);
    }

    fn upgrade(&self, fragment: &mut Fragment, _full: bool) {
        fragment.run(["pacman", "-Su"]);
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

impl Sources for Pacman {
    fn file(&self, name: &DropInName) -> (&'static str, String) {
        ("/etc/pacman.d", format!("{name}.conf"))
    }

    fn text(&self, source: &Source<'_>) -> Result<String, ActionError> {
        source.has_only_uris("pacman")?;
        let servers: String = source.uris.iter().map(|uri| format!("Server = {uri}\n")).collect();
        Ok(format!("[{}]\n{servers}", source.name))
    }

    fn key_file(&self, name: &DropInName, armoured: bool) -> (&'static str, String) {
        ("/etc/pacman.d", format!("{name}.{}", if armoured { "asc" } else { "gpg" }))
    }

    /// These files are not read unless pacman's settings name them.
    fn include(&self, file: &str, is_there: bool) -> Option<String> {
        let line = format!("Include = {file}");
        let quoted = shell::quote(&line);
        Some(match is_there {
            true => format!(
                "grep -Fxq -e {quoted} /etc/pacman.conf || printf '\\n%s\\n' {quoted} >>/etc/pacman.conf"
            ),
            false => {
                let pattern = line.replace('.', "\\.").replace('/', "\\/");
                shell::command(["sed", "-i", "-e", &format!("/^{pattern}$/d"), "/etc/pacman.conf"])
            }
        })
    }

    fn trust(&self, key: &str) -> Option<String> {
        let key = shell::quote(key);
        Some(format!(
            "pacman-key --add {key}\npacman-key --lsign-key \
             \"$(gpg --show-keys --with-colons {key} | sed -n 's/^fpr:*\\([0-9A-F]*\\):$/\\1/p' | head -n 1)\""
        ))
    }
}

impl Files for Pacman {
    fn content(&self, file: &RemotePath) -> String {
        pallet_core::shell::command(["command", "pacman", "-Qp", "--", file.as_str()])
    }

    fn install_file(
        &self,
        fragment: &mut Fragment,
        _: &PackageName,
        file: &RemotePath,
        _how: Installing<'_>,
    ) {
        fragment.run(["pacman", "-U", "--", file.as_str()]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{newer, packages, programs, told};
    use super::*;

    #[test]
    fn installed_packages() {
        let output = "P curl 8.6.0-1\nP bash 5.2.026-2\nP gawk 5.3.0-1\nN gone\nH curl\n";
        assert_eq!(
            told(&Pacman, &["curl", "bash", "awk", "gone"], output),
            ["8.6.0-1 held", "5.2.026-2", "by another package", "-"]
        );
    }

    #[test]
    fn updates() {
        let output = "curl 8.5.0-1 -> 8.6.0-1\nlinux 6.7.4.arch1-1 -> 6.7.5.arch1-1 [ignored]\n";
        assert_eq!(
            newer(&Pacman, &["curl", "linux", "git"], output),
            ["8.6.0-1", "6.7.5.arch1-1", "-"]
        );
        assert_eq!(Pacman.count_upgrades(output), (1, 0));
    }

    #[test]
    fn programs_of_pacman() {
        let all = programs(&Pacman, &["gtk2+extra", "python-3.11"]);
        assert!(all[0].ends_with("\npacman -S --needed -- gtk2+extra python-3.11"), "{}", all[0]);
        assert_eq!(
            all[2..5],
            [
                "pacman -S --needed -- gtk2+extra python-3.11",
                "pacman -R -- gtk2+extra python-3.11",
                "pacman -Rn -- gtk2+extra python-3.11",
            ]
        );
        assert_eq!(all[7..], ["pacman -Sy", "pacman -Su", "pacman -Su"]);
        assert!(Pacman.check(&packages(&["curl=1"])[0]).is_err());
    }

    #[test]
    fn holding_edits_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pacman.conf");
        std::fs::write(&file, "[options]\nHoldPkg = pacman\n\n[core]\n").unwrap();
        let git = packages(&["git"]);
        for (hold, expected) in [
            (true, "[options]\nIgnorePkg = git\nHoldPkg = pacman\n\n[core]\n"),
            (false, "[options]\nHoldPkg = pacman\n\n[core]\n"),
        ] {
            let code = super::super::testing::code(|it| Pacman.hold(it, &[&git[0]], hold));
            let code = code.replace("/etc/pacman.conf", file.to_str().unwrap());
            // What pacman-conf does with a file of such lines.
            let tool = format!(
                "pacman-conf() {{ sed -n 's/^IgnorePkg = //p' {}; }}\nset -e\n{code}",
                file.display()
            );
            let output = std::process::Command::new("bash").args(["-c", &tool]).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), expected);
        }
    }
}
