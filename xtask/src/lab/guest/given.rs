//! A ready-made guest disk, named by `PALLET_LAB_GUEST`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::lab::layout::{Lab, fingerprint};
use crate::lab::system::debian;
use crate::lab::system::say::step;
use crate::lab::system::tool::Tool;

/// Names the file of a ready-made disk.
pub(super) const VARIABLE: &str = "PALLET_LAB_GUEST";
/// The archive with the login key, beside the disk.
const KEY_ARCHIVE: &str = "guest-key.tar.xz";

/// Unpacks the disk that the environment names, unless that was done before; returns its folder.
/// `None` if the environment names none.
pub(super) fn unpack(lab: &Lab) -> anyhow::Result<Option<PathBuf>> {
    let Some(disk) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let disk = std::path::absolute(PathBuf::from(disk))?;
    let metadata = fs::metadata(&disk).with_context(|| {
        format!(
            "{VARIABLE} names {}, which cannot be read. Correct it, or unset it to have `cargo xtask lab guest` build a disk",
            disk.display()
        )
    })?;
    let key = disk.with_file_name(KEY_ARCHIVE);
    if !key.is_file() {
        bail!(
            "the login key of {} is missing: {} has to be beside it",
            disk.display(),
            KEY_ARCHIVE
        );
    }
    let identity = format!("{} {} {:?}", disk.display(), metadata.len(), metadata.modified());
    let folder = lab.guests_dir().join(format!("given-{:08x}", fingerprint(identity.as_bytes())));
    if !folder.exists() {
        step(format_args!("unpacking {}", disk.display()), || {
            debian::make_once(&folder, |partial| fill(partial, &disk, &key))
        })?;
    }
    Ok(Some(folder))
}

fn fill(folder: &Path, disk: &Path, key: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    let packed = match disk.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => true,
        Some("vdi") => false,
        _ => bail!("{VARIABLE} names {}: it has to be a .vdi or .vdi.xz file", disk.display()),
    };
    let copy = folder.join(if packed { "guest.vdi.xz" } else { "guest.vdi" });
    fs::copy(disk, &copy).with_context(|| format!("could not copy {}", disk.display()))?;
    debian::set_mode(&copy, 0o644)?;
    if packed {
        Tool::new("xz").args(["--decompress", "--threads=0"]).arg(&copy).run()?;
    }
    let keys = folder.join("keys");
    fs::create_dir_all(&keys).with_context(|| format!("could not make {}", keys.display()))?;
    Tool::new("tar")
        .args(["--extract", "--no-same-owner", "--file"])
        .arg(key)
        .arg("--directory")
        .arg(&keys)
        .run()?;
    take_key_pair(&keys, folder)?;
    debian::remove(&keys)
}

/// Finds the key pair among the unpacked files: whatever has a `.pub` beside it.
fn take_key_pair(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from)?.flatten() {
        let private = entry.path();
        let public = PathBuf::from(format!("{}.pub", private.display()));
        if public.is_file() {
            let key = to.join("id_ed25519");
            fs::rename(&private, &key)?;
            fs::rename(&public, to.join("id_ed25519.pub"))?;
            return debian::set_mode(&key, 0o600);
        }
    }
    bail!("{KEY_ARCHIVE} contains no key pair (two files, NAME and NAME.pub)")
}
