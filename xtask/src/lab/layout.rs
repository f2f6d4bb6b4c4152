//! Where the lab keeps its things, and which addresses it uses.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// First port of the web services; two per lab.
const FIRST_PORT: u16 = 18083;
/// Labs that may stand beside each other on one machine.
const HIGHEST_NUMBER: u8 = 199;

/// A lab: its folder and its number. Everything else follows from these two.
#[derive(Clone, Debug)]
pub struct Lab {
    dir: PathBuf,
    number: u8,
}

impl Lab {
    /// The lab that the environment names: `PALLET_LAB_DIR` is its folder (default
    /// `~/.cache/pallet-lab`); `PALLET_LAB_NUMBER`, from 0 to 199, chooses ports, bridge and
    /// subnet (default 0, or derived from the folder when that is not the default one).
    pub fn from_env() -> anyhow::Result<Self> {
        let default =
            std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/pallet-lab"));
        let dir = match (std::env::var_os("PALLET_LAB_DIR"), &default) {
            (Some(dir), _) => PathBuf::from(dir),
            (None, Some(default)) => default.clone(),
            (None, None) => {
                bail!("neither PALLET_LAB_DIR nor HOME is set: where is the lab to live?")
            }
        };
        let dir = std::path::absolute(&dir)
            .with_context(|| format!("{} is no usable path", dir.display()))?;
        // Mount options and shell words are built from it.
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        if !dir.to_str().is_some_and(|text| text.chars().all(plain)) {
            bail!(
                "the lab's folder {} may only have letters, digits and `/._-` in its path: set PALLET_LAB_DIR",
                dir.display()
            );
        }
        let number = match std::env::var("PALLET_LAB_NUMBER") {
            Ok(text) => parse_number(&text)?,
            Err(_) if Some(&dir) == default.as_ref() => 0,
            Err(_) => derived_number(&dir),
        };
        Ok(Self { dir, number })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// What is thrown away by `lab down`.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.join("run")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.run_dir().join("log").join(format!("{name}.log"))
    }

    /// The folder that VirtualBox and its clients share under one path.
    pub(crate) fn shared_dir(&self) -> PathBuf {
        self.dir.join("shared")
    }

    /// The folder of guest disks, made and given.
    pub(crate) fn guests_dir(&self) -> PathBuf {
        self.dir.join("guest")
    }

    pub(crate) fn vbox_root(&self) -> PathBuf {
        self.dir.join("vbox/root")
    }

    /// Private key for the login at the nodes.
    pub(crate) fn node_key(&self) -> PathBuf {
        self.dir.join("keys/id_ed25519")
    }

    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.run_dir().join("known_hosts")
    }

    pub(crate) fn node_dir(&self, name: &str) -> PathBuf {
        self.run_dir().join("nodes").join(name)
    }

    /// Port of the web service that lets everyone in; the one that refuses logons has the next.
    pub(crate) fn port(&self) -> u16 {
        FIRST_PORT + 2 * u16::from(self.number)
    }

    pub(crate) fn bridge(&self) -> String {
        format!("plab{}", self.number)
    }

    /// Name of the lab's own nftables table.
    pub(crate) fn nft_table(&self) -> String {
        format!("pallet_lab_{}", self.number)
    }

    pub(crate) fn subnet(&self) -> String {
        format!("10.201.{}.0/24", self.number)
    }

    pub(crate) fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 201, self.number, host)
    }

    /// The subnet of the cluster's instances, on the same wire.
    pub(crate) fn instance_subnet(&self) -> String {
        format!("10.202.{}.0/24", self.number)
    }

    pub(crate) fn instance_address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 202, self.number, host)
    }

    /// The gateway of a network inside the cluster's members. No way leads there, so that every
    /// lab can have the same.
    pub(crate) fn hidden_gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 203, 0, 1)
    }

    /// What clusters are made of: their members' roots and their instances' image.
    pub(crate) fn cluster_cache(&self) -> PathBuf {
        self.dir.join("cluster")
    }

    /// What the clusters' members have, instances included.
    pub(crate) fn cluster_run(&self) -> PathBuf {
        self.run_dir().join("cluster")
    }

    /// Locks the lab against other commands that change it, until the returned file is dropped.
    pub(crate) fn lock(&self) -> anyhow::Result<File> {
        self.lock_named("lab")
    }

    /// Waits for and takes one of the lab's locks.
    pub(crate) fn lock_named(&self, name: &str) -> anyhow::Result<File> {
        let file = self.lock_file(name)?;
        file.lock().with_context(|| format!("could not take the lock `{name}` of the lab"))?;
        Ok(file)
    }

    /// A lock's file, not locked yet.
    pub(crate) fn lock_file(&self, name: &str) -> anyhow::Result<File> {
        let folder = self.dir.join("locks");
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not make the folder {}", folder.display()))?;
        let path = folder.join(name);
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("could not open {}", path.display()))
    }
}

fn parse_number(text: &str) -> anyhow::Result<u8> {
    match text.parse() {
        Ok(number) if number <= HIGHEST_NUMBER => Ok(number),
        _ => {
            bail!("PALLET_LAB_NUMBER is `{text}`; it has to be a number from 0 to {HIGHEST_NUMBER}")
        }
    }
}

/// A number from 1 on, the same for the same folder.
fn derived_number(dir: &Path) -> u8 {
    let number = fingerprint(dir.as_os_str().as_encoded_bytes()) % u32::from(HIGHEST_NUMBER);
    u8::try_from(number).unwrap_or_default() + 1
}

/// A short fingerprint (FNV-1a) to tell things apart by name; no protection against forgery.
pub(crate) fn fingerprint(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_labs_apart() {
        let first = derived_number(Path::new("/tmp/lab-a"));
        let second = derived_number(Path::new("/tmp/lab-b"));
        assert_ne!(first, second);
        assert_eq!(first, derived_number(Path::new("/tmp/lab-a")));
        assert!((1..=HIGHEST_NUMBER).contains(&first));
    }

    #[test]
    fn everything_follows_from_the_number() {
        let lab = Lab { dir: PathBuf::from("/lab"), number: HIGHEST_NUMBER };
        assert_eq!(lab.port(), 18481);
        assert_eq!(lab.subnet(), "10.201.199.0/24");
        assert_eq!(lab.address(7).to_string(), "10.201.199.7");
        assert!(lab.bridge().len() <= 15);
    }

    #[test]
    fn a_bad_number_is_refused() {
        assert!(parse_number("200").is_err());
        assert!(parse_number("one").unwrap_err().to_string().contains("`one`"));
        assert_eq!(parse_number("12").unwrap(), 12);
    }
}
