//! What the tests of all managers need.

use pallet_core::action::Fragment;

use super::{Installing, Packager};
use crate::probes::Installed;
use crate::values::PackageName;

/// As installing is done by default.
pub(super) const HOW: Installing<'static> = Installing { recommends: true, release: None };

/// Packages by their names.
pub(super) fn packages(names: &[&str]) -> Vec<PackageName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// The code that something adds to a fragment.
pub(super) fn code(add: impl FnOnce(&mut Fragment)) -> String {
    let mut fragment = Fragment::new();
    add(&mut fragment);
    fragment.code().to_owned()
}

/// All programs of a manager for packages: each line as it is sent, definitions apart. bash has to
/// find no mistake in them.
pub(super) fn programs(manager: &dyn Packager, names: &[&str]) -> Vec<String> {
    let all = packages(names);
    for package in &all {
        assert_eq!(manager.check(package), Ok(()), "{package}");
    }
    let all: Vec<&PackageName> = all.iter().collect();
    let programs = vec![
        code(|it| manager.install(it, &all, HOW)),
        code(|it| manager.install(it, &all, Installing { recommends: false, ..HOW })),
        code(|it| manager.renew(it, &all, HOW)),
        code(|it| manager.remove(it, &all, false)),
        code(|it| manager.remove(it, &all, true)),
        code(|it| manager.hold(it, &all, true)),
        code(|it| manager.hold(it, &all, false)),
        code(|it| manager.update(it)),
        code(|it| manager.upgrade(it, false)),
        code(|it| manager.upgrade(it, true)),
    ];
    let scripts = [
        code(|it| manager.define(it)),
        manager.look(&all),
        manager.look_for_newer(&all, None),
        manager.look_for_upgrades(true),
    ];
    for script in programs.iter().chain(&scripts) {
        let output = std::process::Command::new("bash").args(["-nc", script]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{script}: {output:?}");
    }
    programs.into_iter().map(|program| program.trim_end().to_owned()).collect()
}

/// What a manager reads: version, `held`, `by X` for a provider, or `-`.
pub(super) fn told(manager: &dyn Packager, names: &[&str], output: &str) -> Vec<String> {
    let all = packages(names);
    let all: Vec<&PackageName> = all.iter().collect();
    let tell = |seen: Installed| match (seen.version, seen.provided_by) {
        (Some(version), _) if seen.is_held => format!("{version} held"),
        (Some(version), _) => version,
        (None, Some(provider)) => format!("by {provider}"),
        (None, None) => "-".to_owned(),
    };
    manager.read(&all, output).unwrap().into_iter().map(tell).collect()
}

/// The newer versions that a manager reads; `-` where there is none.
pub(super) fn newer(manager: &dyn Packager, names: &[&str], output: &str) -> Vec<String> {
    let all = packages(names);
    let all: Vec<&PackageName> = all.iter().collect();
    let read = manager.read_newer(&all, output);
    read.into_iter().map(|version| version.unwrap_or_else(|| "-".to_owned())).collect()
}
