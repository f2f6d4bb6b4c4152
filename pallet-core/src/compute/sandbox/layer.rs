//! The layer between this machine's files and those of sandboxes: it hides what is private and
//! brings what every sandbox needs. Made once for all sandboxes of a service that start at a time.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::accounts::Accounts;
use super::privacy::{Mask, masks};
use super::store::{remove_folder, unique};
use super::tool::{failed, run};
use crate::compute::ComputeError;
use crate::shell;

/// The devices that a sandbox has, with their numbers.
const DEVICES: [(&str, &str, &str); 6] = [
    ("null", "1", "3"),
    ("zero", "1", "5"),
    ("full", "1", "7"),
    ("random", "1", "8"),
    ("urandom", "1", "9"),
    ("tty", "5", "0"),
];
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// What a layer is made of.
#[derive(Hash)]
pub(super) struct Recipe {
    masks: Vec<Mask>,
    accounts: Accounts,
}

impl Recipe {
    /// Looks at the machine. `more` are further paths to hide.
    pub fn of_machine(more: &[PathBuf]) -> Result<Self, ComputeError> {
        let root = Path::new("/");
        let masks = masks(root, more)
            .map_err(|error| failed("this machine's files cannot be looked through", &error))?;
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let accounts = Accounts {
            passwd: read("/etc/passwd"),
            shadow: read("/etc/shadow"),
            group: read("/etc/group"),
            gshadow: read("/etc/gshadow"),
        };
        Ok(Self { masks, accounts: accounts.without_people() })
    }

    /// The name of the layer's folder: another recipe has another one.
    pub fn name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Makes the layer below `layers` unless it is there, and returns its folder.
    pub fn make(&self, layers: &Path) -> Result<PathBuf, ComputeError> {
        let done = layers.join(self.name());
        if done.exists() {
            return Ok(done);
        }
        // What another one left, whose programs may still be at work in it, is not touched here.
        let building = layers.join(unique(".building"));
        let context = |error: io::Error| failed("the layer below sandboxes cannot be made", &error);
        let tree = building.join("tree");
        for folder in [&tree, &building.join("work"), &building.join("merged")] {
            fs::create_dir_all(folder).map_err(context)?;
        }
        fs::set_permissions(&tree, Permissions::from_mode(0o755)).map_err(context)?;
        self.hide(&building, &tree).map_err(context)??;
        run("unshare", ["--mount", "sh", "-eus"], &self.emptying(&building))?;
        self.furnish(&tree).map_err(context)?;
        make_devices(&tree)?;
        fs::rename(&tree, &done).map_err(context)?;
        remove_folder(&building)?;
        Ok(done)
    }

    /// Puts a whiteout in the place of everything that is masked. All are links to one, since
    /// only a program can make the first.
    fn hide(&self, building: &Path, tree: &Path) -> io::Result<Result<(), ComputeError>> {
        let whiteout = building.join("whiteout");
        let text = whiteout.to_string_lossy().into_owned();
        if let Err(error) = run("mknod", [text.as_str(), "c", "0", "0"], "") {
            return Ok(Err(error));
        }
        for mask in &self.masks {
            let place = below(tree, mask.path());
            if let Some(parent) = mask.path().parent() {
                copy_folders(tree, parent)?;
            }
            fs::hard_link(&whiteout, place)?;
        }
        Ok(Ok(()))
    }

    /// A script that makes the empty folders. A folder made where a whiteout is hides what is
    /// below it; only the overlay itself can do that.
    fn emptying(&self, building: &Path) -> String {
        let at = |name: &str| building.join(name).to_string_lossy().into_owned();
        let options = format!("lowerdir=/,upperdir={},workdir={}", at("tree"), at("work"));
        let mut script =
            shell::command(["mount", "-t", "overlay", "-o", &options, "layer", &at("merged")]);
        script.push('\n');
        let mut kinds: BTreeMap<(u32, (u32, u32)), Vec<String>> = BTreeMap::new();
        for mask in &self.masks {
            if let Mask::Empty { path, mode, owner } = mask {
                let place = below(&building.join("merged"), path);
                kinds
                    .entry((*mode, *owner))
                    .or_default()
                    .push(place.to_string_lossy().into_owned());
            }
        }
        for ((mode, (user, group)), places) in kinds {
            let (mode, user, group) = (format!("{mode:o}"), user.to_string(), group.to_string());
            let install = ["install", "-d", "-m", &mode, "-o", &user, "-g", &group, "--"];
            let places = places.iter().map(String::as_str);
            script.push_str(&shell::command(install.into_iter().chain(places)));
            script.push('\n');
        }
        script
    }

    /// Writes the files that every sandbox has.
    fn furnish(&self, tree: &Path) -> io::Result<()> {
        copy_folders(tree, Path::new("/etc"))?;
        let files = [
            ("/etc/passwd", &self.accounts.passwd),
            ("/etc/shadow", &self.accounts.shadow),
            ("/etc/group", &self.accounts.group),
            ("/etc/gshadow", &self.accounts.gshadow),
            // Where no name server can be reached, asking one takes many seconds.
            ("/etc/resolv.conf", &String::new()),
            ("/etc/fstab", &String::new()),
        ];
        for (path, content) in files {
            let Ok(like) = fs::metadata(path) else { continue };
            let place = below(tree, Path::new(path));
            fs::write(&place, content)?;
            chown(&place, Some(like.uid()), Some(like.gid()))?;
            fs::set_permissions(&place, Permissions::from_mode(like.mode() & 0o7777))?;
        }
        let home = tree.join("root");
        if !home.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir("/etc/skel").into_iter().flatten().flatten() {
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), home.join(entry.file_name()))?;
            }
        }
        Ok(())
    }
}

/// Makes the devices of a sandbox, and the folders that its own file systems are mounted on.
fn make_devices(tree: &Path) -> Result<(), ComputeError> {
    let context = |error: io::Error| failed("the devices of sandboxes cannot be made", &error);
    let folder = tree.join("dev");
    for below in ["", "pts", "shm"] {
        fs::create_dir_all(folder.join(below)).map_err(context)?;
    }
    for (name, major, minor) in DEVICES {
        let place = folder.join(name).to_string_lossy().into_owned();
        run("mknod", ["-m", "666", &place, "c", major, minor], "")?;
    }
    for (name, target) in DEVICE_LINKS {
        std::os::unix::fs::symlink(target, folder.join(name)).map_err(context)?;
    }
    Ok(())
}

/// Makes the folder and those above it in the tree, each with the owner and mode that it has on
/// this machine: of a folder in several layers the uppermost one's count.
pub(super) fn copy_folders(tree: &Path, folder: &Path) -> io::Result<()> {
    let mut above: Vec<&Path> = folder.ancestors().collect();
    above.reverse();
    for path in above.into_iter().skip(1) {
        let place = below(tree, path);
        if place.exists() {
            continue;
        }
        let like = fs::metadata(path)?;
        fs::create_dir(&place)?;
        chown(&place, Some(like.uid()), Some(like.gid()))?;
        fs::set_permissions(&place, Permissions::from_mode(like.mode() & 0o7777))?;
    }
    Ok(())
}

/// `path` with `tree` as root.
pub(super) fn below(tree: &Path, path: &Path) -> PathBuf {
    tree.join(path.strip_prefix("/").unwrap_or(path))
}
