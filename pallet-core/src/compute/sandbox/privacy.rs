//! What of this machine a sandbox must not show. Only looks, changes nothing.
//!
//! Three rules: of the folders at the top and of `/var` and `/var/lib`, only those are shown that
//! are known to hold a system and not somebody's data; within those, nothing is shown that other
//! users of the machine may not read; and some names are never shown.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Something that is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Mask {
    /// It is as if it had never been there.
    Gone(PathBuf),
    /// The folder is there with its owner and mode, and empty.
    Empty {
        /// The folder.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
        /// User and group.
        owner: (u32, u32),
    },
}

impl Mask {
    /// What is masked.
    pub fn path(&self) -> &Path {
        match self {
            Self::Gone(path) | Self::Empty { path, .. } => path,
        }
    }
}

/// Folders at the top that hold the system.
const SYSTEM: [&str; 12] = [
    "bin", "etc", "gnu", "lib", "lib32", "lib64", "libx32", "nix", "sbin", "usr", "var", "libexec",
];
/// Folders at the top that every system has, and whose contents are somebody's.
const STANDARD: [&str; 12] =
    ["boot", "dev", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp"];
/// Folders of `/var` that belong to the system.
const VAR: [&str; 2] = ["cache", "lib"];
/// Folders of `/var/lib` that belong to packages that hold no data.
const VAR_LIB: [&str; 30] = [
    "PackageKit",
    "alternatives",
    "apk",
    "apt",
    "ca-certificates",
    "ca-certificates-java",
    "command-not-found",
    "dnf",
    "dpkg",
    "emacsen-common",
    "gems",
    "ghostscript",
    "initramfs-tools",
    "locales",
    "man-db",
    "misc",
    "pacman",
    "pam",
    "python",
    "python3",
    "rpm",
    "sgml-base",
    "shells.state",
    "texmf",
    "ucf",
    "usbutils",
    "vim",
    "xml-core",
    "yum",
    "zypp",
];
/// Package databases: nothing in them is private, and there is much of it.
const TRUSTED: [&str; 4] = ["/var/lib/dpkg", "/var/lib/apt", "/var/lib/rpm", "/var/lib/pacman"];
/// Files that not everybody may read and that a system does not work without. The account files
/// are replaced by ones without people and passwords.
const NEEDED: [&str; 5] =
    ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/sudoers.d/README", "/etc/sudo.conf"];
/// Never shown, whoever may read it.
const NEVER: [&str; 9] = [
    "/etc/crypttab",
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/machine-id",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/subgid-",
    "/etc/subuid-",
    "/var/lib/misc/random-seed",
];
/// Folders that are shown empty, whoever may read them.
const EMPTIED: [&str; 7] = [
    "/etc/NetworkManager/system-connections",
    "/etc/kubernetes",
    "/etc/letsencrypt",
    "/etc/rancher",
    "/etc/ssl/private",
    "/etc/wireguard",
    "/etc/openvpn",
];

/// Everything below `root` that must not be shown. `more` are further paths.
pub(super) fn masks(root: &Path, more: &[PathBuf]) -> io::Result<Vec<Mask>> {
    let mut look = Look { root: root.to_owned(), masks: Vec::new(), more };
    for (name, metadata) in entries(root)? {
        let path = Path::new("/").join(&name);
        if metadata.is_symlink() || SYSTEM.iter().any(|known| *known == name) {
            continue;
        }
        if metadata.is_dir() && STANDARD.iter().any(|known| *known == name) {
            look.empty(path, &metadata);
        } else {
            look.masks.push(Mask::Gone(path));
        }
    }
    look.keep("/var", &VAR)?;
    look.keep("/var/lib", &VAR_LIB)?;
    look.walk(Path::new("/etc"))?;
    look.walk(Path::new("/var/cache"))?;
    look.walk(Path::new("/usr/local/etc"))?;
    for name in VAR_LIB {
        look.walk(&Path::new("/var/lib").join(name))?;
    }
    look.extras()?;
    Ok(look.masks)
}

struct Look<'a> {
    root: PathBuf,
    masks: Vec<Mask>,
    more: &'a [PathBuf],
}

impl Look<'_> {
    fn empty(&mut self, path: PathBuf, metadata: &Metadata) {
        let (mode, owner) = (metadata.mode() & 0o7777, (metadata.uid(), metadata.gid()));
        self.masks.push(Mask::Empty { path, mode, owner });
    }

    /// Of a folder, shows some entries; other folders are shown empty, other files not at all.
    fn keep(&mut self, folder: &str, known: &[&str]) -> io::Result<()> {
        for (name, metadata) in entries(&self.real(Path::new(folder)))? {
            if metadata.is_symlink() || known.iter().any(|known| *known == name) {
                continue;
            }
            let path = Path::new(folder).join(&name);
            if metadata.is_dir() {
                self.empty(path, &metadata);
            } else {
                self.masks.push(Mask::Gone(path));
            }
        }
        Ok(())
    }

    /// Masks what others may not read.
    fn walk(&mut self, folder: &Path) -> io::Result<()> {
        if TRUSTED.iter().any(|trusted| folder == Path::new(trusted)) {
            return Ok(());
        }
        for (name, metadata) in entries(&self.real(folder))? {
            let path = folder.join(&name);
            let is = |list: &[&str]| list.iter().any(|one| path == Path::new(one));
            if is(&NEEDED) {
                continue;
            }
            if is(&NEVER) || is_host_key(&path) {
                self.masks.push(Mask::Gone(path));
            } else if metadata.is_dir() {
                if is(&EMPTIED) || metadata.mode() & 0o005 != 0o005 {
                    self.empty(path, &metadata);
                } else {
                    self.walk(&path)?;
                }
            } else if metadata.is_symlink() {
                // What it points at is looked at where it is.
            } else if !metadata.is_file()
                || metadata.mode() & 0o004 == 0
                || path.starts_with("/etc/sudoers.d")
            {
                self.masks.push(Mask::Gone(path));
            }
        }
        Ok(())
    }

    /// The paths that the description names.
    fn extras(&mut self) -> io::Result<()> {
        for path in self.more {
            let real = self.real(path);
            let metadata = match fs::symlink_metadata(&real) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            self.masks.retain(|mask| !mask.path().starts_with(path));
            if self.masks.iter().any(|mask| path.starts_with(mask.path())) {
                continue;
            }
            if metadata.is_dir() {
                self.empty(path.clone(), &metadata);
            } else {
                self.masks.push(Mask::Gone(path.clone()));
            }
        }
        Ok(())
    }

    fn real(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

fn is_host_key(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.parent() == Some(Path::new("/etc/ssh")) && name.starts_with("ssh_host_")
}

/// The entries of a folder by name, in order; none where it does not exist. What vanishes
/// meanwhile is left out.
fn entries(folder: &Path) -> io::Result<Vec<(String, Metadata)>> {
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry?;
        if let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata()) {
            found.push((name, metadata));
        }
    }
    found.sort_by(|(one, _), (two, _)| one.cmp(two));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A machine with `path mode` per line; a path that ends in a slash is a folder.
    fn machine(lines: &[(&str, u32)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, mode) in lines {
            let real = root.path().join(path);
            if path.ends_with('/') {
                fs::create_dir_all(&real).unwrap();
            } else {
                fs::create_dir_all(real.parent().unwrap()).unwrap();
                fs::write(&real, "").unwrap();
            }
            fs::set_permissions(&real, fs::Permissions::from_mode(*mode)).unwrap();
        }
        root
    }

    fn described(root: &Path, more: &[&str]) -> Vec<String> {
        let more: Vec<PathBuf> = more.iter().map(PathBuf::from).collect();
        let masks = masks(root, &more).unwrap().into_iter();
        let mut words: Vec<String> = masks
            .map(|mask| match mask {
                Mask::Gone(path) => format!("{} gone", path.display()),
                Mask::Empty { path, mode, .. } => format!("{} empty {mode:o}", path.display()),
            })
            .collect();
        words.sort();
        words
    }

    #[test]
    fn what_is_somebodys_is_not_shown() {
        let machine = machine(&[
            ("usr/bin/", 0o755),
            ("home/me/", 0o755),
            ("root/", 0o700),
            ("data/", 0o755),
            ("swapfile", 0o600),
            ("tmp/", 0o1777),
            ("var/log/", 0o755),
            ("var/lib/dpkg/status", 0o644),
            ("var/lib/dpkg/lock", 0o640),
            ("var/lib/mysql/", 0o755),
            ("var/lib/ucf/secret", 0o600),
            ("var/cache/debconf/passwords.dat", 0o600),
            ("etc/passwd", 0o644),
            ("etc/shadow", 0o640),
            ("etc/shadow-", 0o640),
            ("etc/machine-id", 0o444),
            ("etc/ssh/ssh_host_rsa_key.pub", 0o644),
            ("etc/ssh/sshd_config", 0o644),
            ("etc/ssl/private/key", 0o644),
            ("etc/app/token", 0o640),
            ("etc/app/conf", 0o644),
            ("etc/closed/conf", 0o644),
            ("etc/sudoers", 0o440),
            ("etc/sudoers.d/me", 0o644),
            ("etc/sudoers.d/README", 0o440),
        ]);
        let root = machine.path();
        symlink("usr/bin", root.join("bin")).unwrap();
        symlink("/run", root.join("var/run")).unwrap();
        fs::set_permissions(root.join("etc/closed"), fs::Permissions::from_mode(0o750)).unwrap();
        let expected = [
            "/data gone",
            "/etc/app/token gone",
            "/etc/closed empty 750",
            "/etc/machine-id gone",
            "/etc/shadow- gone",
            "/etc/ssh/ssh_host_rsa_key.pub gone",
            "/etc/ssl/private empty 755",
            "/etc/sudoers.d/me gone",
            "/home empty 755",
            "/root empty 700",
            "/swapfile gone",
            "/tmp empty 1777",
            "/var/cache/debconf/passwords.dat gone",
            "/var/lib/mysql empty 755",
            "/var/lib/ucf/secret gone",
            "/var/log empty 755",
        ];
        assert_eq!(described(root, &[]), expected);
    }

    #[test]
    fn further_paths_take_the_place_of_what_is_below_them() {
        let machine =
            machine(&[("etc/app/token", 0o600), ("etc/app/conf", 0o644), ("home/me/", 0o755)]);
        let masks = described(machine.path(), &["/etc/app", "/home/me", "/not/there"]);
        assert_eq!(masks, ["/etc/app empty 755", "/home empty 755"]);
    }

    #[test]
    fn this_machines_own_secrets_are_masked() {
        let masks = masks(Path::new("/"), &[]).unwrap();
        let hides = |path: &str| masks.iter().any(|mask| Path::new(path).starts_with(mask.path()));
        for path in ["/root", "/home", "/etc/shadow-", "/tmp", "/var/log", "/srv"] {
            assert!(hides(path) || !Path::new(path).exists(), "{path}");
        }
        for path in ["/usr/bin/env", "/etc/passwd", "/var/lib/dpkg/status"] {
            assert!(!hides(path), "{path}");
        }
    }
}
