//! Packages, as the node's package manager knows them.

use std::collections::BTreeMap;

use pallet_core::action::{Key, ProbeKind};
use pallet_core::facts::PackageManager;

use crate::packagers;
use crate::values::{PackageName, ReleaseName};

/// Asks what is installed of a package; the version in the request does not matter.
#[derive(Debug)]
pub struct InstalledPackage;

/// Asks for the newest version of a package that is installed. `None`: it is that, as far as the
/// lists know.
#[derive(Debug)]
pub struct NewerVersion;

/// Where a newer version would come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The package manager.
    pub manager: PackageManager,
    /// The release that it shall take it from. `None`: as it is set up.
    pub release: Option<ReleaseName>,
}

/// Asks how many packages an upgrade would install, and how many it would remove. The request
/// says whether it may remove any.
#[derive(Debug)]
pub struct Upgrades;

/// What is known of a package on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// The installed version, if it is installed, be it completely or not.
    pub version: Option<String>,
    /// Whether installing ended well.
    pub is_configured: bool,
    /// Whether upgrades leave it alone.
    pub is_held: bool,
    /// Whether it was removed and left configuration files.
    pub left_configuration: bool,
    /// An installed package that provides this name, if nothing of this name is installed.
    pub provided_by: Option<String>,
}

/// Requests with the same head are put to the node together. A node has one package manager, but
/// nothing says that requests are for one alone.
fn by_head<H: Ord, T>(requests: &[(H, T)]) -> BTreeMap<&H, Vec<(usize, &T)>> {
    let mut groups: BTreeMap<&H, Vec<(usize, &T)>> = BTreeMap::new();
    for (position, (head, request)) in requests.iter().enumerate() {
        groups.entry(head).or_default().push((position, request));
    }
    groups
}

/// The scripts of all groups, each with a line behind that ends its output.
fn scripts<H: Ord, T>(requests: &[(H, T)], script: impl Fn(&H, &[&T]) -> String) -> String {
    let mut all = String::new();
    for (head, group) in by_head(requests) {
        let group: Vec<&T> = group.iter().map(|(_, request)| *request).collect();
        all.push_str(&script(head, &group));
        all.push_str(&format!("echo {END}\n"));
    }
    all
}

const END: &str = "---end---";
const END_LINE: &str = "---end---\n";

/// Puts what each group has printed in the order of the requests.
fn answers<H: Ord, T, A>(
    requests: &[(H, T)],
    output: &[u8],
    read: impl Fn(&H, &[&T], &str) -> Result<Vec<A>, String>,
) -> Result<Vec<A>, String> {
    let output = String::from_utf8_lossy(output);
    let mut parts = output.split(END_LINE);
    let mut answers = BTreeMap::new();
    for (head, group) in by_head(requests) {
        let part = parts.next().unwrap_or_default();
        let subjects: Vec<&T> = group.iter().map(|(_, request)| *request).collect();
        let read = read(head, &subjects, part)?;
        answers.extend(group.iter().map(|(position, _)| *position).zip(read));
    }
    Ok(answers.into_values().collect())
}

impl ProbeKind for InstalledPackage {
    const NAME: &'static str = "package";
    const SHARES_SHELL: bool = true;
    type Request = (PackageManager, PackageName);
    type Answer = Installed;

    fn key((_, package): &Self::Request) -> Key {
        Key::package(package.name())
    }

    fn script(requests: &[Self::Request]) -> String {
        scripts(requests, |manager, packages| packagers::of(*manager).look(packages))
    }

    fn parse(requests: &[Self::Request], output: &[u8]) -> Result<Vec<Installed>, String> {
        answers(requests, output, |manager, packages, part| {
            packagers::of(*manager).read(packages, part)
        })
    }
}

impl ProbeKind for NewerVersion {
    const NAME: &'static str = "newer-version";
    type Request = (Origin, PackageName);
    type Answer = Option<String>;

    /// Lists and settings of package managers are below these; installing writes everything.
    fn key(_: &Self::Request) -> Key {
        Key::tree("/var")
    }

    fn script(requests: &[Self::Request]) -> String {
        scripts(requests, |origin, packages| {
            packagers::of(origin.manager).look_for_newer(packages, origin.release.as_ref())
        })
    }

    fn parse(requests: &[Self::Request], output: &[u8]) -> Result<Vec<Option<String>>, String> {
        answers(requests, output, |origin, packages, part| {
            Ok(packagers::of(origin.manager).read_newer(packages, part))
        })
    }
}

impl ProbeKind for Upgrades {
    const NAME: &'static str = "upgrades";
    type Request = (PackageManager, bool);
    type Answer = (usize, usize);

    /// Whatever is installed, and whatever the lists know.
    fn key(_: &Self::Request) -> Key {
        Key::Everything
    }

    fn script(requests: &[Self::Request]) -> String {
        let look = |manager: &PackageManager, kinds: &[&bool]| {
            let manager = packagers::of(*manager);
            let scripts = kinds.iter().map(|full| manager.look_for_upgrades(**full));
            // Each in a shell of its own, since it may exit.
            let scripts = scripts.map(|script| format!("(\n{script}) || exit 1\necho {PART}\n"));
            scripts.collect::<String>()
        };
        scripts(requests, look)
    }

    fn parse(requests: &[Self::Request], output: &[u8]) -> Result<Vec<(usize, usize)>, String> {
        answers(requests, output, |manager, kinds, part| {
            let (manager, parts) = (packagers::of(*manager), part.split(PART_LINE));
            Ok(parts.take(kinds.len()).map(|part| manager.count_upgrades(part)).collect())
        })
    }
}

const PART: &str = "---part---";
const PART_LINE: &str = "---part---\n";

/// Asks how old the lists of packages are.
#[derive(Debug)]
pub struct PackageLists;

/// What is known of lists of packages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListsState {
    /// Seconds since they were last updated. `None`: never, as far as can be told.
    pub age: Option<u64>,
    /// Whether their sources have changed since.
    pub sources_are_newer: bool,
}

impl ProbeKind for PackageLists {
    const NAME: &'static str = "package-lists";
    const DRIFTS: bool = true;
    type Request = PackageManager;
    type Answer = ListsState;

    fn key(manager: &PackageManager) -> Key {
        Key::tree(packagers::of(*manager).lists().below)
    }

    fn script(managers: &[PackageManager]) -> String {
        let script = |manager: &PackageManager| {
            let lists = packagers::of(*manager).lists();
            format!(
                "newest=\n\
                 for pattern in {files}; do [ ! -e \"$pattern\" ] || newest=none; done\n\
                 if [ -n \"$newest\" ]; then newest=\n\
                 for file in {stamps}; do\n\
                 [ ! -f \"$file\" ] || [ \"$newest\" -nt \"$file\" ] || newest=$file\n\
                 done; fi\n\
                 if [ -z \"$newest\" ]; then echo never; else\n\
                 newer=no\n\
                 for file in {sources}; do\n\
                 [ ! \"$file\" -nt \"$newest\" ] || newer=yes\n\
                 done\n\
                 echo \"$(($(date +%s) - $(stat -c %Y \"$newest\"))) $newer\"; fi\n",
                files = lists.files,
                stamps = lists.stamps.join(" "),
                sources = lists.sources,
            )
        };
        managers.iter().map(script).collect()
    }

    fn parse(managers: &[PackageManager], output: &[u8]) -> Result<Vec<ListsState>, String> {
        let output = String::from_utf8_lossy(output);
        let read = |line: &str| {
            if line == "never" {
                return Ok(ListsState::default());
            }
            let (age, newer) = line.split_once(' ').unwrap_or_default();
            let age: i64 = age.parse().map_err(|_| format!("`{line}` is no age"))?;
            // A stamp from the future is as good as none.
            let age = u64::try_from(age).ok();
            Ok(ListsState { age, sources_are_newer: newer == "yes" })
        };
        let states = output.lines().map(read).collect::<Result<Vec<_>, String>>()?;
        match states.len() == managers.len() {
            true => Ok(states),
            false => {
                Err(format!("{} managers asked for, {} told of", managers.len(), states.len()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ask;
    use super::*;

    #[test]
    fn asks_the_package_manager_of_this_machine() {
        let request = |name: &str| (PackageManager::Apt, name.parse().unwrap());
        let requests = ["awk", "libc6", "no-such-package"].map(request);
        let answers = ask::<InstalledPackage>(&requests);
        assert!(answers[0].provided_by.is_some() && answers[0].version.is_none());
        assert!(answers[1].is_configured && answers[1].version.is_some());
        assert_eq!(answers[2], Installed::default());
        // Nothing that is not installed has a newer version.
        let unknown = requests[2].1.clone();
        let origin = |release: Option<&str>| Origin {
            manager: PackageManager::Apt,
            release: release.map(|name| name.parse().unwrap()),
        };
        assert_eq!(ask::<NewerVersion>(&[(origin(None), unknown.clone())]), [None]);
        // Nor does anybody know it where the release is unknown.
        let newest = ask::<NewerVersion>(&[(origin(Some("no-such")), unknown)]);
        assert_eq!(newest, [Some("newest of no-such".to_owned())]);
        assert_eq!(ask::<PackageLists>(&[PackageManager::Apt]).len(), 1);
    }

    #[test]
    fn ages() {
        let read = |text: &[u8]| PackageLists::parse(&[PackageManager::Apt], text);
        let state = |age, sources_are_newer| Ok(vec![ListsState { age, sources_are_newer }]);
        assert_eq!(read(b"never\n"), state(None, false));
        assert_eq!(read(b"90 no\n"), state(Some(90), false));
        assert_eq!(read(b"90 yes\n"), state(Some(90), true));
        assert_eq!(read(b"-5 no\n"), state(None, false));
        assert!(read(b"").is_err());
        assert!(read(b"soon\n").is_err());
    }

    #[test]
    fn upgrades_of_both_kinds() {
        let requests = [(PackageManager::Apt, false), (PackageManager::Apt, true)];
        let output = format!("Inst a [1] (2)\n{PART}\nInst a [1] (2)\nRemv b [1]\n{PART}\n{END}\n");
        assert_eq!(Upgrades::parse(&requests, output.as_bytes()), Ok(vec![(1, 0), (1, 1)]));
    }
}
