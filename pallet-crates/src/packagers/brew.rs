//! Homebrew, on macOS and Linux.

use pallet_core::action::Fragment;

use super::{Installing, Lists, Packager, ProxyFile, command, names};
use crate::actions::CLOSE_THE_REST;
use crate::probes::Installed;
use crate::probes::words::command_lines;
use crate::values::{PackageName, ReleaseName};

/// Homebrew. It refuses to work for root: its steps run with `as-user`.
pub(super) struct Brew;

/// It looks after itself only when it is told to, and asks nobody anything.
const SETTINGS: &str = "export HOMEBREW_NO_AUTO_UPDATE=1 HOMEBREW_NO_INSTALL_CLEANUP=1 \
    HOMEBREW_NO_ENV_HINTS=1 NONINTERACTIVE=1\n";

fn name(package: &PackageName) -> String {
    package.name().to_owned()
}

/// The name without the tap that it may begin with: what is installed goes by that.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

impl Packager for Brew {
    fn name(&self) -> &'static str {
        "brew"
    }

    fn check(&self, package: &PackageName) -> Result<(), &'static str> {
        match (package.version(), package.arch()) {
            (Some(_), _) => Err("versions are parts of its names: `node@20`"),
            (_, Some(_)) => Err("its packages are of one architecture"),
            (None, None) => Ok(()),
        }
    }

    fn look(&self, packages: &[&PackageName]) -> String {
        let all = names(packages);
        let names: Vec<&str> = all.iter().map(|name| short(name)).collect();
        let mut script = SETTINGS.to_owned();
        // A status tells that some are missing.
        for line in command_lines("brew list --versions", &names) {
            script.push_str(&format!("{line} 2>/dev/null | sed 's/^/P /'\n"));
        }
        script.push_str("brew list --pinned 2>/dev/null | sed 's/^/H /'\n");
        script
    }

    /// `P python@3.12 3.12.1 3.12.2`: the last version is the newest one.
    fn read(&self, packages: &[&PackageName], output: &str) -> Result<Vec<Installed>, String> {
        let lines: Vec<Vec<&str>> = output.lines().map(|line| line.split(' ').collect()).collect();
        let read = |package: &&PackageName| {
            let name = short(package.name());
            let version = lines.iter().find_map(|line| match line.as_slice() {
                ["P", found, .., version] if *found == name => Some((*version).to_owned()),
                _ => None,
            });
            let is_pin = |line: &Vec<&str>| matches!(line.as_slice(), ["H", it, ..] if *it == name);
            Installed {
                is_configured: version.is_some(),
                is_held: lines.iter().any(is_pin),
                version,
                ..Installed::default()
            }
        };
        Ok(packages.iter().map(read).collect())
    }

    fn look_for_newer(&self, packages: &[&PackageName], _: Option<&ReleaseName>) -> String {
        let words = ["brew", "outdated", "--verbose"];
        // Its status tells that there is something.
        format!("{SETTINGS}{} 2>/dev/null || :\n", command(&words, packages, name))
    }

    /// `curl (8.4.0) < 8.6.0`, casks with `!=`, and perhaps ` [pinned at 8.4.0]` behind.
    fn read_newer(&self, packages: &[&PackageName], output: &str) -> Vec<Option<String>> {
        let newer = |package: &&PackageName| {
            output.lines().find_map(|line| {
                let (found, rest) = line.split_once(" (")?;
                let (_, rest) = rest.split_once(") ")?;
                let version = rest.split(' ').nth(1)?;
                (short(found) == short(package.name())).then(|| version.to_owned())
            })
        };
        packages.iter().map(newer).collect()
    }

    fn look_for_upgrades(&self, _full: bool) -> String {
        self.look_for_newer(&[], None)
    }

    fn count_upgrades(&self, output: &str) -> (usize, usize) {
        let counts = |line: &&str| line.contains(" (") && !line.contains(" [pinned at ");
        (output.lines().filter(counts).count(), 0)
    }

    fn lists(&self) -> Lists {
        Lists {
            files: "\"$(brew --repository)\"/.git",
            stamps: &["\"$(brew --repository)\"/.pallet-updated"],
            sources: "\"$(brew --repository)\"/Library/Taps",
            below: "/",
        }
    }

    fn define(&self, fragment: &mut Fragment) {
        fragment.line(SETTINGS.trim_end());
        fragment.line(&format!("brew() {{ command brew \"$@\" {CLOSE_THE_REST}; }}"));
    }

    /// What it only recommends, brew never installs.
    fn install(&self, fragment: &mut Fragment, packages: &[&PackageName], _how: Installing<'_>) {
        fragment.line(&command(&["brew", "install", "--quiet"], packages, name));
    }

    fn renew(&self, fragment: &mut Fragment, packages: &[&PackageName], _: Installing<'_>) {
        fragment.line(&command(&["brew", "upgrade", "--quiet"], packages, name));
    }

    /// It keeps nothing that could be purged.
    fn remove(&self, fragment: &mut Fragment, packages: &[&PackageName], _purge: bool) {
        fragment.line(&command(&["brew", "uninstall"], packages, name));
    }

    fn hold(&self, fragment: &mut Fragment, packages: &[&PackageName], hold: bool) {
        let words = ["brew", if hold { "pin" } else { "unpin" }];
        fragment.line(&command(&words, packages, name));
    }

    fn update(&self, fragment: &mut Fragment) {
        fragment.run(["brew", "update", "--quiet"]);
    }

    fn upgrade(&self, fragment: &mut Fragment, _full: bool) {
        fragment.run(["brew", "upgrade", "--quiet"]);
    }

    /// It goes by the environment.
    fn proxy(&self, _: &str) -> Result<ProxyFile, &'static str> {
        Err(
            "it goes by the variable http_proxy of its environment: line-in-file writes it to /etc/environment",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{newer, packages, programs, told};
    use super::*;

    #[test]
    fn installed_packages() {
        let output = "P python@3.12 3.12.1 3.12.2\nP curl 8.6.0\nH curl 8.6.0\n";
        assert_eq!(
            told(&Brew, &["python@3.12", "homebrew/core/curl", "git"], output),
            ["3.12.2", "8.6.0 held", "-"]
        );
    }

    #[test]
    fn updates() {
        let output = "ansible (2.9.11) < 2.10.3_1\ngmp (6.1.2_2, 6.2.0) < 6.2.1\n\
            scribus (1.5.5) != 1.5.6.1\nnode (20.1.0) < 21.0.0 [pinned at 20.1.0]\n";
        assert_eq!(
            newer(&Brew, &["ansible", "gmp", "scribus", "git"], output),
            ["2.10.3_1", "6.2.1", "1.5.6.1", "-"]
        );
        assert_eq!(Brew.count_upgrades(output), (3, 0));
    }

    #[test]
    fn programs_of_brew() {
        let all = programs(&Brew, &["python@3.12", "user/tap/tool"]);
        let expected = [
            "brew install --quiet",
            "brew install --quiet",
            "brew upgrade --quiet",
            "brew uninstall",
            "brew uninstall",
            "brew pin",
            "brew unpin",
        ];
        for (program, expected) in all.iter().zip(expected) {
            assert_eq!(*program, format!("{expected} python@3.12 user/tap/tool"));
        }
        assert!(Brew.check(&packages(&["node=20"])[0]).is_err());
    }
}
