//! Importing images: from the folder of a system's root, or from a tar.
//!
//! ```no_run
//! use pallet_incus::client::Client;
//! use pallet_incus::images::{Description, import};
//! # async fn example(client: &Client) -> Result<(), pallet_incus::client::Error> {
//! let description = Description {
//!     os: Some("Debian".to_owned()),
//!     version: Some("12".to_owned()),
//!     username: Some("pallet-admin".to_owned()),
//!     ..Description::of_this_machine()
//! };
//! let image =
//!     import(client, "/srv/roots/debian-12".as_ref(), "debian-12", &description, |_| {}).await?;
//! println!("{image}");
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::client::{Client, Error, Upload, hex};

/// How much is sent at a time.
const CHUNK: usize = 256 * 1024;
/// How many pieces wait for the server.
const WAITING: usize = 4;

/// The property that says which account an image comes with.
pub(crate) const USERNAME: &str = "pallet.username";
/// The property that says that this account works without sudo.
pub(crate) const NO_SUDO: &str = "pallet.no-sudo";

/// What an image is: its properties, which node-specs choose it by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// The system's family: `Debian`.
    pub os: Option<String>,
    /// The system's version: `12`.
    pub version: Option<String>,
    /// The version's name: `bookworm`.
    pub release: Option<String>,
    /// The architecture as `uname -m` prints it.
    pub architecture: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// The account that it comes with. Default: none is known, and the admin user is used.
    pub username: Option<String>,
    /// Whether that account works without sudo.
    pub no_sudo: bool,
}

impl Description {
    /// Of the architecture of this machine.
    pub fn of_this_machine() -> Self {
        Self { architecture: Some(std::env::consts::ARCH.to_owned()), ..Self::default() }
    }

    fn properties(&self) -> BTreeMap<String, String> {
        let no_sudo = self.no_sudo.then(|| "true".to_owned());
        let known = [
            ("os", &self.os),
            ("version", &self.version),
            ("release", &self.release),
            ("architecture", &self.architecture),
            ("description", &self.description),
            (USERNAME, &self.username),
            (NO_SUDO, &no_sudo),
        ];
        let given = known.into_iter().filter_map(|(key, value)| Some((key, value.clone()?)));
        given.map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// The document that every image has. JSON is YAML.
    fn metadata(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        serde_json::json!({
            "architecture": self.architecture.as_deref().unwrap_or(std::env::consts::ARCH),
            "creation_date": now.as_secs(),
            "properties": self.properties(),
        })
        .to_string()
    }
}

/// Imports an image and calls it `alias`; returns its fingerprint. `source` is one of
///
/// - a folder with a system's root (needs root, to keep owners and devices);
/// - a folder with a `rootfs` and a `metadata.yaml`, which then says what the image is;
/// - a tar, packed or not, of either.
///
/// `sent` hears how many bytes are on their way. The image that was called `alias` before stays,
/// without that name. `tar` has to be installed.
///
/// # Errors
/// [`Error`].
pub async fn import(
    client: &Client,
    source: &Path,
    alias: &str,
    description: &Description,
    mut sent: impl FnMut(u64) + Send,
) -> Result<String, Error> {
    // `tar` would look for a relative path in the folder that it has changed to.
    let source = &std::path::absolute(source).map_err(|error| Error::Local {
        what: source.display().to_string(),
        reason: error.to_string(),
    })?;
    let kind = Kind::of(source).await?;
    let (sender, chunks) = mpsc::channel(WAITING);
    let (boundary, properties) = match kind {
        Kind::RootTar => (Some(format!("pallet-{}", hex(&nonce()?))), description.properties()),
        Kind::RootFolder => (None, BTreeMap::new()),
        // What is said here counts more than what the image says of itself.
        Kind::ImageTar | Kind::ImageFolder => (None, description.properties()),
    };
    let mut pipe = Pipe { to: sender, bytes: 0, sent: &mut sent };
    let upload = Upload { chunks, properties, boundary: boundary.clone() };
    // What is sent ends, whole or not, before the server's answer comes, or is refused by it.
    let (fed, answer) = tokio::join!(
        async {
            kind.feed(source, description, boundary.as_deref(), &mut pipe)
                .await
                .map(|()| drop(pipe))
        },
        client.upload(upload)
    );
    let fingerprint = match (fed, answer) {
        (_, Ok(fingerprint)) => fingerprint,
        // Without a local reason the server's counts.
        (Err(error), Err(_)) => return Err(error),
        (Ok(()), Err(error)) => return Err(error),
    };
    client.set_alias(alias, &fingerprint).await?;
    Ok(fingerprint)
}

/// What is to be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RootFolder,
    ImageFolder,
    RootTar,
    ImageTar,
}

impl Kind {
    async fn of(source: &Path) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Local { what: source.display().to_string(), reason };
        let about = tokio::fs::metadata(source).await.map_err(|error| wrong(error.to_string()))?;
        if about.is_dir() {
            if source.join("metadata.yaml").is_file() && source.join("rootfs").is_dir() {
                return Ok(Self::ImageFolder);
            }
            if source.join("bin").exists() || source.join("usr").is_dir() {
                return Ok(Self::RootFolder);
            }
            let reason = "it is neither the root of a system (it has no `bin` and no `usr`) nor an \
                          image (`metadata.yaml` and `rootfs`)";
            return Err(wrong(reason.to_owned()));
        }
        // It ends at the first name that fits, and fails where none does.
        let mut list = Command::new("tar");
        list.args(["--list", "--occurrence=1", "--file"]).arg(source).args([
            "--wildcards",
            "--no-wildcards-match-slash",
            "metadata.yaml",
        ]);
        if succeeds(&mut list).await? {
            return Ok(Self::ImageTar);
        }
        let mut list = Command::new("tar");
        list.arg("--list").arg("--file").arg(source);
        if succeeds(&mut list).await? {
            return Ok(Self::RootTar);
        }
        Err(wrong("it is no tar, packed or not".to_owned()))
    }

    async fn feed<F: FnMut(u64) + Send>(
        self,
        source: &Path,
        description: &Description,
        boundary: Option<&str>,
        pipe: &mut Pipe<'_, F>,
    ) -> Result<(), Error> {
        match self {
            Self::ImageTar => pipe.file(source).await,
            Self::ImageFolder => {
                let mut tar = packer();
                tar.arg("--directory").arg(source).args(["metadata.yaml", "rootfs"]);
                tar.args(["templates"].iter().filter(|part| source.join(part).is_dir()));
                pipe.program(tar).await
            }
            Self::RootFolder => {
                let folder = scratch(&description.metadata()).await?;
                let mut tar = packer();
                // The root's own names become names below `rootfs`; what links point to does not.
                tar.arg(r"--transform=flags=rhS;s,^\.\(/\|$\),rootfs\1,")
                    .arg("--directory")
                    .arg(&folder)
                    .arg("metadata.yaml")
                    .arg("--directory")
                    .arg(source)
                    .arg(".");
                let packed = pipe.program(tar).await;
                let _ = tokio::fs::remove_dir_all(&folder).await;
                packed
            }
            Self::RootTar => {
                let folder = scratch(&description.metadata()).await?;
                let boundary = boundary.unwrap_or_default();
                let mut tar = packer();
                tar.arg("--directory").arg(&folder).arg("metadata.yaml");
                let sent = async {
                    pipe.part(boundary, "metadata").await?;
                    pipe.program(tar).await?;
                    pipe.part(boundary, "rootfs").await?;
                    pipe.file(source).await?;
                    pipe.bytes(format!("\r\n--{boundary}--\r\n").into()).await
                };
                let sent = sent.await;
                let _ = tokio::fs::remove_dir_all(&folder).await;
                sent
            }
        }
    }
}

/// `tar` that writes to standard output, as images want it.
fn packer() -> Command {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--file=-", "--numeric-owner", "--one-file-system"]);
    tar.args(["--xattrs", "--xattrs-include=security.capability", "--warning=no-file-ignored"]);
    tar
}

/// A private folder with an image's `metadata.yaml`.
async fn scratch(metadata: &str) -> Result<std::path::PathBuf, Error> {
    let folder = std::env::temp_dir().join(format!("pallet-image-{}", hex(&nonce()?)));
    let failed = |error: std::io::Error| Error::Local {
        what: folder.display().to_string(),
        reason: error.to_string(),
    };
    tokio::fs::create_dir(&folder).await.map_err(failed)?;
    tokio::fs::write(folder.join("metadata.yaml"), metadata).await.map_err(failed)?;
    Ok(folder)
}

fn nonce() -> Result<[u8; 8], Error> {
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(|error| Error::Local {
        what: "this machine has no random numbers".to_owned(),
        reason: error.to_string(),
    })?;
    Ok(nonce)
}

async fn succeeds(command: &mut Command) -> Result<bool, Error> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status();
    status.await.map(|status| status.success()).map_err(|error| no_tar(&error))
}

fn no_tar(error: &std::io::Error) -> Error {
    Error::Local { what: "cannot run `tar`".to_owned(), reason: error.to_string() }
}

/// The way to the server.
struct Pipe<'a, F> {
    to: mpsc::Sender<Bytes>,
    bytes: u64,
    sent: &'a mut F,
}

impl<F: FnMut(u64) + Send> Pipe<'_, F> {
    async fn bytes(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        let gone = || Error::Local {
            what: "sending the image".to_owned(),
            reason: "the server does not take it".to_owned(),
        };
        self.to.send(bytes).await.map_err(|_| gone())?;
        (self.sent)(self.bytes);
        Ok(())
    }

    async fn part(&mut self, boundary: &str, name: &str) -> Result<(), Error> {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; \
             filename=\"{name}.tar\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        self.bytes(head.into()).await
    }

    async fn file(&mut self, path: &Path) -> Result<(), Error> {
        let unreadable = |error: &std::io::Error| Error::Local {
            what: path.display().to_string(),
            reason: error.to_string(),
        };
        let file = File::open(path).await.map_err(|error| unreadable(&error))?;
        self.all_of(file, |error| unreadable(error)).await
    }

    /// Everything that a program writes; it has to succeed.
    async fn program(&mut self, mut command: Command) -> Result<(), Error> {
        let started = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = started.map_err(|error| no_tar(&error))?;
        let (Some(output), Some(mut errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(no_tar(&std::io::Error::other("a pipe is missing")));
        };
        let complaints = tokio::spawn(async move {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text).await;
            text
        });
        self.all_of(output, no_tar).await?;
        let status = child.wait().await.map_err(|error| no_tar(&error))?;
        if status.success() {
            return Ok(());
        }
        let complaints = complaints.await.unwrap_or_default();
        let reason = complaints.lines().next().unwrap_or("it does not say why").to_owned();
        Err(Error::Local { what: "`tar` has failed".to_owned(), reason })
    }

    async fn all_of(
        &mut self,
        mut from: impl AsyncRead + Unpin,
        failed: impl Fn(&std::io::Error) -> Error,
    ) -> Result<(), Error> {
        loop {
            let mut buffer = Vec::with_capacity(CHUNK);
            let read = (&mut from).take(CHUNK as u64).read_to_end(&mut buffer).await;
            if read.map_err(|error| failed(&error))? == 0 {
                return Ok(());
            }
            self.bytes(buffer.into()).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_it_is_that_is_to_be_imported() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for path in ["root/usr", "image/rootfs", "other/x"] {
            std::fs::create_dir_all(at(path)).unwrap();
        }
        std::fs::write(at("image/metadata.yaml"), "{}").unwrap();
        std::fs::write(at("text"), "no tar").unwrap();
        let pack = |tar: &str, folder: &str, names: &[&str]| {
            let mut command = std::process::Command::new("tar");
            command.arg("-czf").arg(at(tar)).arg("-C").arg(at(folder)).args(names);
            assert!(command.status().unwrap().success());
        };
        pack("root.tgz", "root", &["."]);
        pack("image.tgz", "image", &["metadata.yaml", "rootfs"]);
        for (name, kind) in [
            ("root", Kind::RootFolder),
            ("image", Kind::ImageFolder),
            ("root.tgz", Kind::RootTar),
            ("image.tgz", Kind::ImageTar),
        ] {
            assert_eq!(Kind::of(&at(name)).await.unwrap(), kind, "{name}");
        }
        for (name, part) in [
            ("other", "neither the root of a system"),
            ("text", "no tar"),
            ("nowhere", "No such file"),
        ] {
            let error = Kind::of(&at(name)).await.unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_an_image_says_of_itself() {
        let description = Description {
            os: Some("Debian".to_owned()),
            username: Some("me".to_owned()),
            no_sudo: true,
            architecture: Some("aarch64".to_owned()),
            ..Description::default()
        };
        let metadata: serde_json::Value = serde_json::from_str(&description.metadata()).unwrap();
        assert_eq!(metadata["architecture"], "aarch64");
        let properties = serde_json::json!({
            "architecture": "aarch64", "os": "Debian", "pallet.username": "me",
            "pallet.no-sudo": "true",
        });
        assert_eq!(metadata["properties"], properties);
    }
}
