//! What `package` and `packages` do: packages that are installed, upgraded, held or removed
//! together.

use pallet_core::action::{ActionError, Change, Decision, Fragment, Key, ProbeSet, View};

use super::packages::PackageEnsure;
use crate::packagers::{self, Packager};
use crate::probes::{Installed, InstalledPackage, NewerVersion};
use crate::values::PackageName;

/// Packages that one transaction installs or removes.
pub(super) struct Transaction<'a> {
    pub packages: &'a [PackageName],
    pub ensure: PackageEnsure,
    pub recommends: bool,
    /// Whether upgrades leave them alone; `None` keeps what is.
    pub hold: Option<bool>,
}

/// What was found of a package.
#[derive(Debug, Clone, Default)]
struct Found {
    installed: Installed,
    newer: Option<String>,
}

/// What is done to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// Installed, if need be in another version.
    Install,
    /// Upgraded.
    Renew,
    /// Removed, as the transaction says.
    Remove,
    /// Held, or no longer held, and nothing else.
    Hold,
}

/// A difference that is repaired.
struct Difference<'a> {
    package: &'a PackageName,
    deed: Deed,
    /// Whether it is held now.
    is_held: bool,
    /// What people are told.
    told: String,
}

impl Transaction<'_> {
    /// Whether parameters and names make sense together, and to the node's package manager.
    pub fn check(&self, manager: Option<&dyn Packager>) -> Result<(), ActionError> {
        for package in self.packages {
            if let Some(manager) = manager
                && let Err(reason) = manager.check(package)
            {
                let message = format!("`{package}` is no package for {}", manager.name());
                return Err(ActionError::new(format!("{message}: {reason}")));
            }
            if self.ensure == PackageEnsure::Latest && package.version().is_some() {
                return Err(ActionError::new(format!("{package} cannot be the latest"))
                    .help("leave out the version, or ensure = \"latest\""));
            }
        }
        let removes = matches!(self.ensure, PackageEnsure::Absent | PackageEnsure::Purged);
        if removes && self.hold.is_some() {
            return Err(ActionError::new("what is not installed cannot be held")
                .help("remove `hold`, or say ensure = \"present\""));
        }
        Ok(())
    }

    pub fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        let Some((kind, _)) = packagers::seen_by(view) else { return };
        for package in self.packages {
            wanted.ask::<InstalledPackage>((kind, package.clone()));
            if self.ensure == PackageEnsure::Latest {
                wanted.ask::<NewerVersion>((kind, package.clone()));
            }
        }
    }

    pub fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let (kind, manager) = packagers::on(view.facts())?;
        self.check(Some(manager))?;
        let look = |package: &PackageName| {
            let request = (kind, package.clone());
            let newer = match self.ensure {
                PackageEnsure::Latest => view.get::<NewerVersion>(&request)?.clone(),
                _ => None,
            };
            let installed = view.get::<InstalledPackage>(&request)?.clone();
            Ok((package.clone(), Found { installed, newer }))
        };
        let found: Vec<_> = self.packages.iter().map(look).collect::<Result<_, ActionError>>()?;
        self.decide_from(manager, &found)
    }

    fn decide_from(
        &self,
        manager: &dyn Packager,
        found: &[(PackageName, Found)],
    ) -> Result<Decision, ActionError> {
        let differences = found
            .iter()
            .filter_map(|(package, seen)| self.difference(manager, package, seen).transpose())
            .collect::<Result<Vec<Difference<'_>>, ActionError>>()?;
        if differences.is_empty() {
            return Ok(Decision::Unchanged);
        }
        let is_half_done =
            |found: &Found| found.installed.version.is_some() && !found.installed.is_configured;
        let mut fragment = Fragment::new();
        manager.define(&mut fragment);
        if found.iter().any(|(_, seen)| is_half_done(seen)) {
            manager.finish(&mut fragment);
        }
        self.program(manager, &mut fragment, &differences);
        let only_holds = differences.iter().all(|it| it.deed == Deed::Hold);
        let writes: Vec<Key> = match only_holds {
            true => differences
                .iter()
                .map(|it| Key::package(it.package.name()))
                .chain(["/etc", "/var"].map(Key::tree))
                .collect(),
            // Scripts of packages may do anything.
            false => vec![Key::Everything],
        };
        let change = Change::new(fragment, writes);
        Ok(Decision::Change(differences.into_iter().map(|it| it.told).fold(change, Change::detail)))
    }

    /// What differs, if anything does.
    fn difference<'a>(
        &self,
        manager: &dyn Packager,
        package: &'a PackageName,
        found: &Found,
    ) -> Result<Option<Difference<'a>>, ActionError> {
        let name = package.qualified();
        let seen = &found.installed;
        let is_present = matches!(self.ensure, PackageEnsure::Present | PackageEnsure::Latest);
        let (deed, mut told) = match (&seen.version, is_present) {
            (Some(version), true) => match (package.version(), &found.newer) {
                (Some(wanted), _) if !manager.fits(wanted, version) => {
                    (Deed::Install, format!("{name} {version} → {wanted}"))
                }
                _ if !seen.is_configured => {
                    (Deed::Install, format!("{name} is only half installed"))
                }
                (None, Some(newer)) => (Deed::Renew, format!("{name} {version} → {newer}")),
                _ => (Deed::Hold, String::new()),
            },
            (None, true) => match (&seen.provided_by, package.version()) {
                (Some(_), None) => return Ok(None),
                _ => (Deed::Install, format!("{package} installed")),
            },
            (Some(version), false) => (Deed::Remove, format!("{name} {version} removed")),
            (None, false) if self.ensure == PackageEnsure::Purged && seen.left_configuration => {
                (Deed::Remove, format!("configuration of {name} removed"))
            }
            (None, false) => return Ok(None),
        };
        let hold = self.hold.filter(|hold| *hold != seen.is_held);
        match (deed, hold) {
            (Deed::Hold, None) => return Ok(None),
            (_, Some(hold)) => {
                let hold = if hold { "held" } else { "no longer held" };
                told = match told.as_str() {
                    "" => format!("{name} {hold}"),
                    told => format!("{told}, {hold}"),
                };
            }
            (_, None) if seen.is_held && self.hold.is_none() => {
                return Err(ActionError::new(format!("{name} is held: {told} is not to be"))
                    .help("somebody forbade it; hold = false in an earlier step allows it again"));
            }
            (_, None) => {}
        }
        Ok(Some(Difference { package, deed, is_held: seen.is_held, told }))
    }

    fn program(
        &self,
        manager: &dyn Packager,
        fragment: &mut Fragment,
        differences: &[Difference<'_>],
    ) {
        let which = |fits: &dyn Fn(&Difference<'_>) -> bool| -> Vec<&PackageName> {
            differences.iter().filter(|it| fits(it)).map(|it| it.package).collect()
        };
        // What is held cannot be touched.
        let loosened = which(&|it| it.is_held);
        if !loosened.is_empty() {
            manager.hold(fragment, &loosened, false);
        }
        let installed = which(&|it| it.deed == Deed::Install);
        if !installed.is_empty() {
            manager.install(fragment, &installed, self.recommends);
        }
        let renewed = which(&|it| it.deed == Deed::Renew);
        if !renewed.is_empty() {
            manager.renew(fragment, &renewed);
        }
        let removed = which(&|it| it.deed == Deed::Remove);
        if !removed.is_empty() {
            manager.remove(fragment, &removed, self.ensure == PackageEnsure::Purged);
        }
        if self.hold == Some(true) {
            manager.hold(fragment, &which(&|_| true), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use pallet_core::facts::PackageManager;

    use super::super::testing::{change, outcome};
    use super::*;

    fn installed(version: &str) -> Installed {
        Installed { version: Some(version.to_owned()), is_configured: true, ..Installed::default() }
    }

    fn decide(
        name: &str,
        (ensure, hold): (PackageEnsure, Option<bool>),
        found: (Installed, Option<&str>),
    ) -> Result<Decision, ActionError> {
        let packages: [PackageName; 1] = [name.parse().unwrap()];
        let transaction = Transaction { packages: &packages, ensure, recommends: true, hold };
        let found = Found { installed: found.0, newer: found.1.map(str::to_owned) };
        let manager = packagers::of(PackageManager::Apt);
        transaction.decide_from(manager, &[(packages[0].clone(), found)])
    }

    #[test]
    fn decision_table() {
        use PackageEnsure::{Absent, Latest, Present, Purged};
        let none = Installed::default();
        let provided = Installed { provided_by: Some("mawk".to_owned()), ..Installed::default() };
        let left = Installed { left_configuration: true, ..Installed::default() };
        let half = Installed { is_configured: false, ..installed("1") };
        let held = Installed { is_held: true, ..installed("1") };
        let cases = [
            ("git", Present, None, none.clone(), "git installed"),
            ("git", Present, None, installed("1"), "unchanged"),
            ("git=1", Present, None, installed("1"), "unchanged"),
            ("git=2", Present, None, installed("1"), "git 1 → 2"),
            ("git=2", Present, None, none.clone(), "git=2 installed"),
            ("git", Present, None, half, "git is only half installed"),
            ("awk", Present, None, provided.clone(), "unchanged"),
            ("awk=1", Present, None, provided.clone(), "awk=1 installed"),
            ("awk", Absent, None, provided, "unchanged"),
            ("git:amd64", Absent, None, installed("1"), "git:amd64 1 removed"),
            ("git", Absent, None, left.clone(), "unchanged"),
            ("git", Purged, None, left, "configuration of git removed"),
            ("git", Purged, None, none.clone(), "unchanged"),
            ("git", Latest, None, installed("1"), "git 1 → 9"),
            ("git", Latest, None, none, "git installed"),
            ("git", Present, Some(true), installed("1"), "git held"),
            ("git", Present, Some(true), held.clone(), "unchanged"),
            ("git", Present, Some(false), held.clone(), "git no longer held"),
            ("git=2", Present, Some(false), held.clone(), "git 1 → 2, no longer held"),
            ("git=2", Present, Some(true), held.clone(), "git 1 → 2"),
            ("git", Latest, None, held.clone(), "error: git is held: git 1 → 9 is not to be"),
            ("git", Absent, None, held, "error: git is held: git 1 removed is not to be"),
        ];
        for (name, ensure, hold, seen, expected) in cases {
            let newer = (ensure == Latest).then_some("9");
            let told = outcome(decide(name, (ensure, hold), (seen, newer)));
            assert_eq!(told, expected, "{name} {ensure:?}");
        }
    }

    #[test]
    fn only_what_differs_is_in_the_transaction() {
        let packages: Vec<PackageName> =
            ["git", "g++", "curl=7.1"].iter().map(|name| name.parse().unwrap()).collect();
        let (ensure, hold) = (PackageEnsure::Present, None);
        let transaction = Transaction { packages: &packages, ensure, recommends: false, hold };
        let seen = [installed("1"), Installed::default(), Installed::default()];
        let seen = seen.map(|installed| Found { installed, newer: None });
        let found: Vec<_> = packages.iter().cloned().zip(seen).collect();
        let manager = packagers::of(PackageManager::Apt);
        let change = change(transaction.decide_from(manager, &found));
        let code = change.fragment.code();
        assert!(
            code.ends_with(
                "\napt install --no-install-recommends --allow-downgrades -- g++ 'curl=7.1'\n"
            ),
            "{code}"
        );
    }

    #[test]
    fn what_was_cut_short_is_finished_first() {
        let half = Installed { is_configured: false, ..installed("1") };
        let change = change(decide("git", (PackageEnsure::Present, None), (half, None)));
        let code = change.fragment.code();
        let finish = code.find("--configure -a\n").unwrap();
        assert!(finish < code.find("\napt install").unwrap(), "{code}");
    }

    #[test]
    fn what_is_held_is_loosened_changed_and_held_again() {
        let held = Installed { is_held: true, ..installed("1") };
        let change = change(decide("git=2", (PackageEnsure::Present, Some(true)), (held, None)));
        let code = change.fragment.code();
        let places =
            ["-q unhold -- git", "\napt install", "-q hold -- git"].map(|it| code.find(it));
        assert!(places.is_sorted() && places[0].is_some(), "{code}");
    }

    #[test]
    fn parameters_that_do_not_go_together() {
        let check = |name: &str, ensure, hold| {
            let packages: [PackageName; 1] = [name.parse().unwrap()];
            let transaction = Transaction { packages: &packages, ensure, recommends: true, hold };
            let apt = packagers::of(PackageManager::Apt);
            transaction.check(Some(apt)).map_err(|error| error.to_string())
        };
        assert_eq!(check("g++", PackageEnsure::Present, Some(true)), Ok(()));
        let error = check("git=1", PackageEnsure::Latest, None).unwrap_err();
        assert_eq!(error, "git=1 cannot be the latest");
        let error = check("git", PackageEnsure::Absent, Some(true)).unwrap_err();
        assert_eq!(error, "what is not installed cannot be held");
        let error = check("NetworkManager", PackageEnsure::Present, None).unwrap_err();
        assert!(error.starts_with("`NetworkManager` is no package for apt"), "{error}");
    }
}
