//! What `package` and `packages` do: packages that are installed, upgraded, held or removed
//! together.

use std::borrow::Cow;

use pallet_core::action::{ActionError, Change, Decision, Fragment, Key, ProbeSet, View};
use pallet_core::facts::PackageManager;
use pallet_core::shell;

use super::packages::PackageEnsure;
use crate::packagers::{self, Files, Installing, Packager};
use crate::probes::{Installed, InstalledPackage, NewerVersion, Origin};
use crate::values::{PackageName, ReleaseName, RemotePath};

/// Packages that one transaction installs or removes.
pub(super) struct Transaction<'a> {
    pub packages: &'a [PackageName],
    pub ensure: PackageEnsure,
    pub recommends: bool,
    /// The release that they come from; `None` leaves it to the package manager.
    pub release: Option<&'a ReleaseName>,
    /// The file on the node that the only package comes from, in place of a source.
    pub file: Option<&'a RemotePath>,
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
            // A file has the version that it has.
            let wanted = match self.file {
                Some(_) => Cow::Owned(package.without_version()),
                None => Cow::Borrowed(package),
            };
            if let Some(manager) = manager
                && let Err(reason) = manager.check(&wanted)
            {
                let message = format!("`{package}` is no package for {}", manager.name());
                return Err(ActionError::new(format!("{message}: {reason}")));
            }
            if self.ensure == PackageEnsure::Latest && package.version().is_some() {
                return Err(ActionError::new(format!("{package} cannot be the latest"))
                    .help("leave out the version, or ensure = \"latest\""));
            }
        }
        if let Some(manager) = manager.filter(|manager| !manager.has_releases())
            && self.release.is_some()
        {
            let told = format!("`release` is for apt, and the node has {}", manager.name());
            return Err(ActionError::new(told)
                .help("name the version, or give the step to apt's nodes with only-on"));
        }
        if self.file.is_some() {
            if self.ensure != PackageEnsure::Present {
                return Err(ActionError::new("a file only says what is to be present")
                    .help("leave out `file`, or `ensure`"));
            }
            if self.release.is_some() {
                return Err(ActionError::new("a package is in a file, or in a release")
                    .help("leave out one of them"));
            }
            if let Some(manager) = manager.filter(|manager| manager.files().is_none()) {
                let told = format!("{} installs no packages from files here", manager.name());
                return Err(ActionError::new(told).help("install it with exec-script"));
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
        let Some((manager, _)) = packagers::seen_by(view) else { return };
        for package in self.packages {
            wanted.ask::<InstalledPackage>((manager, package.clone()));
            if self.ensure == PackageEnsure::Latest {
                wanted.ask::<NewerVersion>((self.origin(manager), package.clone()));
            }
        }
    }

    pub fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let (kind, manager) = packagers::on(view.facts())?;
        self.check(Some(manager))?;
        let look = |package: &PackageName| {
            let newer = match self.ensure {
                PackageEnsure::Latest => {
                    let request = (self.origin(kind), package.clone());
                    view.get::<NewerVersion>(&request)?.clone()
                }
                _ => None,
            };
            let installed = view.get::<InstalledPackage>(&(kind, package.clone()))?.clone();
            Ok((package.clone(), Found { installed, newer }))
        };
        let found: Vec<_> = self.packages.iter().map(look).collect::<Result<_, ActionError>>()?;
        self.decide_from(manager, &found)
    }

    fn origin(&self, manager: PackageManager) -> Origin {
        Origin { manager, release: self.release.cloned() }
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
        let how = Installing { recommends: self.recommends, release: self.release };
        // What is held cannot be touched.
        let loosened = which(&|it| it.is_held);
        if !loosened.is_empty() {
            manager.hold(fragment, &loosened, false);
        }
        let installed = which(&|it| it.deed == Deed::Install);
        if !installed.is_empty() {
            match (self.file, manager.files()) {
                (Some(file), Some(files)) => {
                    for package in installed {
                        fragment.line(&expect(manager, files, (package, file)));
                        files.install_file(fragment, package, file, how);
                    }
                }
                _ => manager.install(fragment, &installed, how),
            }
        }
        let renewed = which(&|it| it.deed == Deed::Renew);
        if !renewed.is_empty() {
            manager.renew(fragment, &renewed, how);
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

/// Code that goes on only if a file holds the package that is asked for: another one would be
/// installed again and again.
fn expect(
    manager: &dyn Packager,
    files: &dyn Files,
    (package, file): (&PackageName, &RemotePath),
) -> String {
    let name = package.name();
    let patterns = match package.version() {
        None => format!("{}' '*", shell::quote(name)),
        Some(version) => {
            let whole = format!("{name} {version}");
            match manager.fits(version, &format!("{version}-1")) {
                true => format!("{0}|{0}-*", shell::quote(&whole)),
                false => shell::quote(&whole).into_owned(),
            }
        }
    };
    format!(
        "found=$({}); case $found in {patterns}) ;; *) echo {}\"$found\" >&2; exit 1 ;; esac",
        files.content(file),
        shell::quote(&format!("{file} should be {package}, and is ")),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{change, outcome};
    use super::*;

    const USUAL: Transaction<'static> = Transaction {
        packages: &[],
        ensure: PackageEnsure::Present,
        recommends: true,
        release: None,
        file: None,
        hold: None,
    };

    fn installed(version: &str) -> Installed {
        Installed { version: Some(version.to_owned()), is_configured: true, ..Installed::default() }
    }

    fn decide(
        name: &str,
        (ensure, hold): (PackageEnsure, Option<bool>),
        found: (Installed, Option<&str>),
    ) -> Result<Decision, ActionError> {
        let packages: [PackageName; 1] = [name.parse().unwrap()];
        let transaction = Transaction { packages: &packages, ensure, hold, ..USUAL };
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
        let transaction = Transaction { packages: &packages, recommends: false, ..USUAL };
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
    fn releases_are_for_apt() {
        let release = "bookworm-backports".parse().unwrap();
        let packages: [PackageName; 1] = ["git".parse().unwrap()];
        let transaction = Transaction { packages: &packages, release: Some(&release), ..USUAL };
        let found = [(packages[0].clone(), Found::default())];
        let apt = packagers::of(PackageManager::Apt);
        let change = change(transaction.decide_from(apt, &found));
        let code = change.fragment.code();
        assert!(code.ends_with("\napt install -t bookworm-backports -- git\n"), "{code}");
        let dnf = packagers::of(PackageManager::Dnf);
        let error = transaction.check(Some(dnf)).unwrap_err().to_string();
        assert_eq!(error, "`release` is for apt, and the node has dnf");
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
            let transaction = Transaction { packages: &packages, ensure, hold, ..USUAL };
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
