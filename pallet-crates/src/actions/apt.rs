//! What `package` and `packages` do on Debian and its relatives.

use pallet_core::action::{ActionError, Change, Decision, Fragment, Key, ProbeSet, View};
use pallet_core::facts::PackageManager;
use pallet_core::shell;

use super::CLOSE_THE_REST;
use super::packages::PackageEnsure;
use crate::probes::{Dpkg, Installed};
use crate::values::PackageName;

/// Packages that one transaction installs or removes.
pub(super) struct Transaction<'a> {
    pub packages: &'a [PackageName],
    pub ensure: PackageEnsure,
    pub recommends: bool,
}

impl Transaction<'_> {
    pub fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        if view.facts().package_manager == Some(PackageManager::Apt) {
            self.packages.iter().for_each(|package| wanted.ask::<Dpkg>(package.clone()));
        }
    }

    pub fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        require_apt(view)?;
        let look =
            |package: &PackageName| Ok((package.clone(), view.get::<Dpkg>(package)?.clone()));
        let found: Vec<_> = self.packages.iter().map(look).collect::<Result<_, ActionError>>()?;
        Ok(self.decide_from(&found))
    }

    fn decide_from(&self, found: &[(PackageName, Installed)]) -> Decision {
        let differences: Vec<(&PackageName, String)> = found
            .iter()
            .filter_map(|(package, seen)| Some((package, self.difference(package, seen)?)))
            .collect();
        if differences.is_empty() {
            return Decision::Unchanged;
        }
        let packages: Vec<&PackageName> = differences.iter().map(|(package, _)| *package).collect();
        let is_half_done = |seen: &Installed| seen.version.is_some() && !seen.is_configured;
        let finish = found.iter().any(|(_, seen)| is_half_done(seen));
        // Scripts of packages may do anything.
        let change = Change::new(self.fragment(&packages, finish), [Key::Everything]);
        Decision::Change(differences.into_iter().map(|(_, line)| line).fold(change, Change::detail))
    }

    /// A line that says what differs, if anything does.
    fn difference(&self, package: &PackageName, seen: &Installed) -> Option<String> {
        let name = package.qualified();
        match (self.ensure, &seen.version) {
            (PackageEnsure::Present, Some(version)) => match package.version() {
                Some(wanted) if wanted != version => Some(format!("{name} {version} → {wanted}")),
                _ if !seen.is_configured => Some(format!("{name} is only half installed")),
                _ => None,
            },
            (PackageEnsure::Present, None) => match (&seen.provided_by, package.version()) {
                (Some(_), None) => None,
                _ => Some(format!("{package} installed")),
            },
            (PackageEnsure::Absent | PackageEnsure::Purged, Some(version)) => {
                Some(format!("{name} {version} removed"))
            }
            (PackageEnsure::Purged, None) if seen.left_configuration => {
                Some(format!("configuration of {name} removed"))
            }
            (PackageEnsure::Absent | PackageEnsure::Purged, None) => None,
        }
    }

    /// `finish` says that an earlier run of dpkg was cut short.
    fn fragment(&self, packages: &[&PackageName], finish: bool) -> Fragment {
        let mut fragment = Fragment::new();
        define_apt(&mut fragment);
        if finish {
            fragment.line("dpkg --force-confdef --force-confold --configure -a");
        }
        match self.ensure {
            PackageEnsure::Present => self.install(&mut fragment, packages),
            PackageEnsure::Absent => remove(&mut fragment, "remove", packages),
            PackageEnsure::Purged => remove(&mut fragment, "purge", packages),
        }
        fragment
    }

    fn install(&self, fragment: &mut Fragment, packages: &[&PackageName]) {
        fragment.line("compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null || apt update");
        // apt-get takes a name that it does not know, and that has a `.` or `+` in it, for a
        // regular expression, and installs whatever fits.
        let doubtful: Vec<&str> = packages
            .iter()
            .map(|package| package.name())
            .filter(|name| name.contains(['.', '+']))
            .collect();
        if !doubtful.is_empty() {
            fragment.line(&format!(
                "for name in {}; do apt-cache pkgnames -- \"$name\" | grep -Fx -e \"$name\" >/dev/null \
                 || {{ echo \"apt knows no package called $name\" >&2; exit 100; }}; done",
                shell::command(doubtful)
            ));
        }
        let mut words = vec!["apt".to_owned(), "install".to_owned()];
        if !self.recommends {
            words.push("--no-install-recommends".to_owned());
        }
        if packages.iter().any(|package| package.version().is_some()) {
            words.push("--allow-downgrades".to_owned());
        }
        words.push("--".to_owned());
        words.extend(packages.iter().map(ToString::to_string));
        fragment.run(words);
    }
}

fn remove(fragment: &mut Fragment, verb: &str, packages: &[&PackageName]) {
    let names = packages.iter().map(|package| package.qualified());
    let words = ["apt", verb, "--"].into_iter().map(str::to_owned).chain(names);
    fragment.run(words);
}

/// Packages are looked after with apt, and with nothing else so far.
pub(super) fn require_apt(view: &View<'_>) -> Result<(), ActionError> {
    match view.facts().package_manager {
        Some(PackageManager::Apt) => Ok(()),
        Some(other) => {
            let name = format!("{other:?}").to_lowercase();
            Err(unsupported(&format!(
                "the node has {name}, and packages are installed with apt only"
            )))
        }
        None => Err(unsupported("the node has no package manager that is known")),
    }
}

/// Adds the function `apt`: apt-get as it is run without anybody watching. Another run is waited
/// for; changed configuration files stay as they are.
pub(super) fn define_apt(fragment: &mut Fragment) {
    fragment.line("export DEBIAN_FRONTEND=noninteractive");
    fragment.line(&format!(
        "apt() {{ apt-get -q -y -o DPkg::Lock::Timeout=60 -o Dpkg::Use-Pty=0 \
         -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
         \"$@\" {CLOSE_THE_REST}; }}"
    ));
}

fn unsupported(reason: &str) -> ActionError {
    ActionError::new(reason).help(
        "leave the step out there with only-on = { os-family = \"debian\" }, or use exec-script",
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{change, outcome};
    use super::*;

    fn installed(version: &str) -> Installed {
        Installed { version: Some(version.to_owned()), is_configured: true, ..Installed::default() }
    }

    fn decide(name: &str, ensure: PackageEnsure, seen: Installed) -> Decision {
        let packages: [PackageName; 1] = [name.parse().unwrap()];
        let transaction = Transaction { packages: &packages, ensure, recommends: true };
        transaction.decide_from(&[(packages[0].clone(), seen)])
    }

    #[test]
    fn decision_table() {
        use PackageEnsure::{Absent, Present, Purged};
        let none = Installed::default();
        let provided = Installed { provided_by: Some("mawk".to_owned()), ..Installed::default() };
        let left = Installed { left_configuration: true, ..Installed::default() };
        let half = Installed { is_configured: false, ..installed("1") };
        let cases = [
            ("git", Present, none.clone(), "git installed"),
            ("git", Present, installed("1"), "unchanged"),
            ("git=1", Present, installed("1"), "unchanged"),
            ("git=2", Present, installed("1"), "git 1 → 2"),
            ("git=2", Present, none.clone(), "git=2 installed"),
            ("git", Present, half, "git is only half installed"),
            ("awk", Present, provided.clone(), "unchanged"),
            ("awk=1", Present, provided.clone(), "awk=1 installed"),
            ("awk", Absent, provided, "unchanged"),
            ("git:amd64", Absent, installed("1"), "git:amd64 1 removed"),
            ("git", Absent, left.clone(), "unchanged"),
            ("git", Purged, left, "configuration of git removed"),
            ("git", Purged, none, "unchanged"),
        ];
        for (name, ensure, seen, expected) in cases {
            assert_eq!(outcome(Ok(decide(name, ensure, seen))), expected, "{name} {ensure:?}");
        }
    }

    #[test]
    fn only_what_differs_is_in_the_transaction() {
        let packages: Vec<PackageName> =
            ["git", "g++", "curl=7.1"].iter().map(|name| name.parse().unwrap()).collect();
        let transaction =
            Transaction { packages: &packages, ensure: PackageEnsure::Present, recommends: false };
        let seen = [installed("1"), Installed::default(), Installed::default()];
        let found: Vec<_> = packages.iter().cloned().zip(seen).collect();
        let change = change(Ok(transaction.decide_from(&found)));
        let code = change.fragment.code();
        assert!(
            code.ends_with(
                "\napt install --no-install-recommends --allow-downgrades -- g++ 'curl=7.1'\n"
            ),
            "{code}"
        );
        assert!(code.contains("for name in g++; do"), "{code}");
    }

    #[test]
    fn what_was_cut_short_is_finished_first() {
        let half = Installed { is_configured: false, ..installed("1") };
        let change = change(Ok(decide("git", PackageEnsure::Present, half)));
        let code = change.fragment.code();
        let finish = code.find("--configure -a\n").unwrap();
        assert!(finish < code.find("\napt install").unwrap(), "{code}");
    }

    #[test]
    fn nothing_of_the_session_is_left_to_services() {
        let change = change(Ok(decide("git", PackageEnsure::Present, Installed::default())));
        assert!(change.fragment.code().contains("\"$@\" 3<&- 4<&-"), "{}", change.fragment.code());
    }

    #[test]
    fn removal() {
        let code =
            |ensure| change(Ok(decide("g++=1", ensure, installed("1")))).fragment.code().to_owned();
        assert!(code(PackageEnsure::Absent).ends_with("\napt remove -- g++\n"));
        assert!(code(PackageEnsure::Purged).ends_with("\napt purge -- g++\n"));
    }
}
