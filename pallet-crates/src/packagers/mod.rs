//! Package managers, one file each: what a node's tools are asked, how their answers are read, and
//! the commands that change something.
//!
//! To add one, write its file, and name it in [`of`].

mod apk;
mod apt;
mod brew;
mod dnf;
mod dpkg;
mod pacman;
mod repo_file;
mod rpm;
#[cfg(test)]
mod testing;
mod zypper;

use pallet_core::action::{ActionError, Fragment, View};
use pallet_core::facts::{Facts, PackageManager};
use pallet_core::shell;

use crate::probes::Installed;
use crate::values::{DropInName, PackageName, ReleaseName, RemotePath};

/// A package manager.
///
/// Scripts that look run with `LC_ALL=C` and change nothing. Commands that change something run
/// after [`define`](Self::define) in the same fragment; nobody watches them, so none of them may
/// ask anything.
pub(crate) trait Packager: Sync {
    /// What messages and files call it: `apt`.
    fn name(&self) -> &'static str;

    /// Says what it cannot do with a name that is fine in general: a sentence without an end.
    fn check(&self, package: &PackageName) -> Result<(), &'static str>;

    /// Whether an installed version is the one that is asked for.
    fn fits(&self, wanted: &str, installed: &str) -> bool {
        wanted == installed
    }

    /// A script that tells what is installed of `packages`.
    fn look(&self, packages: &[&PackageName]) -> String;

    /// Reads what [`look`](Self::look) has printed: one answer for each package.
    fn read(&self, packages: &[&PackageName], output: &str) -> Result<Vec<Installed>, String>;

    /// Whether packages can be asked for from a release that is not the node's own.
    fn has_releases(&self) -> bool {
        false
    }

    /// A script that tells which newer versions there are of `packages`, as far as the lists know.
    fn look_for_newer(&self, packages: &[&PackageName], release: Option<&ReleaseName>) -> String;

    /// Reads what [`look_for_newer`](Self::look_for_newer) has printed: the newer version of each
    /// package, if there is one.
    fn read_newer(&self, packages: &[&PackageName], output: &str) -> Vec<Option<String>>;

    /// A script that tells what an upgrade of everything would do.
    fn look_for_upgrades(&self, full: bool) -> String;

    /// Reads what [`look_for_upgrades`](Self::look_for_upgrades) has printed: how many packages are
    /// upgraded, and how many removed.
    fn count_upgrades(&self, output: &str) -> (usize, usize);

    /// Where its lists of packages, and their sources, are.
    fn lists(&self) -> Lists;

    /// Adds a function of the manager's name, so that it is run in one way everywhere.
    fn define(&self, fragment: &mut Fragment);

    /// Finishes what an earlier run of the tools has left half done.
    fn finish(&self, _fragment: &mut Fragment) {}

    /// Installs packages that are missing, or in another version than the one that is named.
    fn install(&self, fragment: &mut Fragment, packages: &[&PackageName], how: Installing<'_>);

    /// How it installs packages from files, if it does.
    fn files(&self) -> Option<&dyn Files> {
        None
    }

    /// Upgrades packages that are installed.
    fn renew(&self, fragment: &mut Fragment, packages: &[&PackageName], how: Installing<'_>);

    /// Removes packages; `purge` removes what they leave behind, too.
    fn remove(&self, fragment: &mut Fragment, packages: &[&PackageName], purge: bool);

    /// Keeps upgrades from touching packages, or no longer does.
    fn hold(&self, fragment: &mut Fragment, packages: &[&PackageName], hold: bool);

    /// Fetches the lists of packages.
    fn update(&self, fragment: &mut Fragment);

    /// Upgrades everything; `full` may remove packages.
    fn upgrade(&self, fragment: &mut Fragment, full: bool);

    /// How it knows further sources of packages, if files say so.
    fn sources(&self) -> Option<&dyn Sources> {
        None
    }

    /// The file with which all that it fetches goes through a proxy.
    ///
    /// # Errors
    /// What to do where it has no file of its own for that.
    fn proxy(&self, url: &str) -> Result<ProxyFile, &'static str>;
}

/// What goes for all packages that are installed together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Installing<'a> {
    /// Whether packages that they recommend are installed too.
    pub recommends: bool,
    /// The release that they come from, where it is not left to the manager; only for managers that
    /// [have releases](Packager::has_releases).
    pub release: Option<&'a ReleaseName>,
}

/// How a package manager installs what is in a file on the node, in place of a source.
pub(crate) trait Files {
    /// The command that prints the name of the package in a file, a space, and its version.
    fn content(&self, file: &RemotePath) -> String;

    /// Installs the package of a file; `package` is known to be in it.
    fn install_file(
        &self,
        fragment: &mut Fragment,
        package: &PackageName,
        file: &RemotePath,
        how: Installing<'_>,
    );
}

/// How a package manager is told of sources.
pub(crate) trait Sources {
    /// The directory and the name of the file of a source.
    fn file(&self, name: &DropInName) -> (&'static str, String);

    /// What is in it.
    fn text(&self, source: &Source<'_>) -> Result<String, ActionError>;

    /// The directory for keys, and the name of the file of a key, which may be armoured or not.
    fn key_file(&self, name: &DropInName, armoured: bool) -> (&'static str, String);

    /// The commands that make the tools trust a key that is in place, where that is needed.
    fn trust(&self, _key: &str) -> Option<String> {
        None
    }

    /// The command that has a file read from now on, or no longer, where not all files are.
    fn include(&self, _file: &str, _is_there: bool) -> Option<String> {
        None
    }
}

/// A source of packages.
pub(crate) struct Source<'a> {
    pub name: &'a DropInName,
    pub uris: &'a [String],
    pub suites: &'a [String],
    pub components: &'a [String],
    pub architectures: &'a [String],
    /// The file of the key on the node, if it has one of its own.
    pub key: Option<&'a str>,
    pub facts: &'a Facts,
}

impl Source<'_> {
    /// Refuses what only apt's sources have.
    fn has_only_uris(&self, manager: &str) -> Result<(), ActionError> {
        let lists = [self.suites, self.components, self.architectures];
        if lists.iter().all(|list| list.is_empty()) {
            return Ok(());
        }
        Err(ActionError::new(format!(
            "`suites`, `components` and `architectures` are for apt, and the node has {manager}"
        ))
        .help("write the whole address of the packages into `uris`"))
    }
}

/// Where lists of packages, and their sources, are.
pub(crate) struct Lists {
    /// A pattern of files that are there if there are lists at all; a shell word.
    pub files: &'static str,
    /// Files whose dates tell when the lists were fetched; shell words.
    pub stamps: &'static [&'static str],
    /// Files and patterns of files that say where lists come from; shell words.
    pub sources: &'static str,
    /// The directory that all of the sources are in.
    pub below: &'static str,
}

/// A setting of a proxy.
pub(crate) struct ProxyFile {
    pub folder: &'static str,
    pub name: &'static str,
    pub text: String,
}

/// The manager of this kind.
pub(crate) fn of(manager: PackageManager) -> &'static dyn Packager {
    match manager {
        PackageManager::Apt => &apt::Apt,
        PackageManager::Dnf => &dnf::DNF,
        PackageManager::Yum => &dnf::YUM,
        PackageManager::Zypper => &zypper::Zypper,
        PackageManager::Pacman => &pacman::Pacman,
        PackageManager::Apk => &apk::Apk,
        PackageManager::Brew => &brew::Brew,
    }
}

/// The node's package manager.
pub(crate) fn on(facts: &Facts) -> Result<(PackageManager, &'static dyn Packager), ActionError> {
    match facts.package_manager {
        Some(manager) => Ok((manager, of(manager))),
        None => Err(ActionError::new("the node has no package manager that is known").help(
            "leave the step out there with only-on, or install what is needed with exec-script",
        )),
    }
}

/// The node's package manager, for looking: no manager, no questions.
pub(crate) fn seen_by(view: &View<'_>) -> Option<(PackageManager, &'static dyn Packager)> {
    on(view.facts()).ok()
}

/// A command that is run with some words and packages, as this manager writes them.
fn command(
    words: &[&str],
    packages: &[&PackageName],
    write: impl Fn(&PackageName) -> String,
) -> String {
    let packages: Vec<String> = packages.iter().map(|package| write(package)).collect();
    shell::command(words.iter().copied().chain(packages.iter().map(String::as_str)))
}

/// Names alone, each once.
fn names<'a>(packages: &[&'a PackageName]) -> Vec<&'a str> {
    let mut names: Vec<&str> = packages.iter().map(|package| package.name()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The command that marks the lists as fetched just now.
pub(crate) fn mark(lists: &Lists) -> String {
    let stamp = lists.stamps.first().copied().unwrap_or_default();
    // The folder is root's; brew's users have a stamp elsewhere.
    match stamp.starts_with("/var/lib/pallet/") {
        true => format!("(umask 077; mkdir -p -- /var/lib/pallet)\n: > {stamp}"),
        false => format!(": > {stamp}"),
    }
}
