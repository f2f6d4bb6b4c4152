//! The crate's error.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::instance::{Interface, State};
use crate::models::Invalid;
use crate::tree;

/// What went wrong, why, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// VirtualBox or its web service refused or failed. The source says why: not running, logon
    /// refused, or a fault with its code.
    #[error("cannot {doing}: {source}")]
    VirtualBox {
        /// What was being done, as in "start the VM web-1".
        doing: String,
        /// What the web service said.
        source: vbox_soap::Error,
    },

    /// The program's tokio run time was shut down in the middle of the work.
    #[error("cannot {doing}: the program is ending")]
    Interrupted {
        /// What was being done.
        doing: String,
    },

    /// VirtualBox did not come to an end in time.
    #[error("gave up after {} s waiting to {doing}; {last_seen}", .waited.as_secs())]
    TimedOut {
        /// What was being waited for.
        doing: String,
        /// How long it was waited.
        waited: Duration,
        /// What was seen last.
        last_seen: String,
    },

    /// A meta file has a mistake.
    #[error("{}{}{}{}", .file.display(), Place(.error.position()), KeyPath(.error), .error.message())]
    Meta {
        /// The file.
        file: PathBuf,
        /// The mistake, and where it is.
        error: tree::Error,
    },

    /// Two meta files define the same model.
    #[error(
        "the model {name} stands in two meta files, {} and {}; rename or remove one",
        .first.display(), .second.display()
    )]
    DuplicateModel {
        /// The model's name, with a colon.
        name: String,
        /// The file that was read first.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
    },

    /// There is no model of that name.
    #[error("there is no {kind} model {name}{}", Known(.suggestion, .known, .folder))]
    UnknownModel {
        /// `image` or `hardware`.
        kind: &'static str,
        /// The name that was asked for.
        name: String,
        /// The name that was probably meant.
        suggestion: Option<String>,
        /// The names that there are.
        known: Vec<String>,
        /// The folder that was searched for meta files.
        folder: PathBuf,
    },

    /// The values of a model do not make a VM.
    #[error("cannot make {what}: {invalid}")]
    InvalidModel {
        /// What was to be made.
        what: String,
        /// The value that is wrong.
        invalid: Invalid,
    },

    /// The file of an image model does not exist.
    #[error(
        "the image file {} does not exist (or may not be read); put it there, or correct :uuid in \
         the model's meta file", .path.display()
    )]
    ModelFileMissing {
        /// The file that is missing.
        path: PathBuf,
    },

    /// VirtualBox has the image in a state in which instances could alter it.
    #[error("the image {} cannot be shared by instances: {problem}", .path.display())]
    ModelNotShareable {
        /// The image file.
        path: PathBuf,
        /// Why, and what to do.
        problem: String,
    },

    /// An image model cannot be removed while instances need it.
    #[error(
        "the image {} is in use by {}; destroy what uses it first",
        .path.display(), .users.join(", ")
    )]
    ModelInUse {
        /// The image file.
        path: PathBuf,
        /// Names of VMs, or files of disks that no VM has.
        users: Vec<String>,
    },

    /// A name that no instance can have.
    #[error("{name:?} cannot be the name of an instance: {problem}")]
    InvalidName {
        /// The name.
        name: String,
        /// What a name must be like.
        problem: &'static str,
    },

    /// VirtualBox has a VM of that name; it is never overwritten.
    #[error(
        "VirtualBox has a VM with the name {name} already; choose another name, or destroy that VM"
    )]
    NameTaken {
        /// The name.
        name: String,
    },

    /// The folder for a new VM exists although VirtualBox knows no such VM.
    #[error(
        "the folder {} exists, though VirtualBox knows no VM there. It may belong to a VM being \
         created right now, or be left over; look into it and remove it, or choose another name",
        .path.display()
    )]
    FolderExists {
        /// The folder.
        path: PathBuf,
    },

    /// The machine exists but was not made by this crate, which therefore leaves it alone.
    #[error("the VM {name} was not made by vmfest, so vmfest does not touch it")]
    NotOurs {
        /// Its name.
        name: String,
    },

    /// The instance is gone.
    #[error("the VM {name} does not exist any more")]
    Gone {
        /// Its name.
        name: String,
    },

    /// The VM is in a state in which this cannot be done.
    #[error("cannot {doing} while it is {state}: that can be done while it is {allowed}; {advice}")]
    WrongState {
        /// What was to be done.
        doing: String,
        /// The state it is in.
        state: State,
        /// The states in which it can be done, in words.
        allowed: String,
        /// What to do first.
        advice: &'static str,
    },

    /// The server's version cannot do that.
    #[error("cannot {doing}: that takes VirtualBox {since} or newer")]
    TooOld {
        /// What was to be done.
        doing: String,
        /// The first version that can do it.
        since: &'static str,
    },

    /// The host cannot run a VM as it is set up now.
    #[error("cannot start the VM {name}: {problem}")]
    Host {
        /// The VM.
        name: String,
        /// What VirtualBox says, and what to do about it.
        problem: String,
    },

    /// The VM has a snapshot of that name; it is never overwritten.
    #[error(
        "the VM {name} has a snapshot {snapshot} already; choose another name, or delete that one"
    )]
    SnapshotExists {
        /// The VM.
        name: String,
        /// The snapshot.
        snapshot: String,
    },

    /// The VM has no snapshot of that name.
    #[error("the VM {name} has no snapshot {snapshot}; {}", KnownSnapshots(.known))]
    UnknownSnapshot {
        /// The VM.
        name: String,
        /// The snapshot that was asked for.
        snapshot: String,
        /// Those that there are.
        known: Vec<String>,
    },

    /// Linked clones have their disks over those of the VM.
    #[error("the VM {name} cannot go while its linked clones {} need its disks; destroy them first", .clones.join(", "))]
    HasClones {
        /// The VM.
        name: String,
        /// The clones.
        clones: Vec<String>,
    },

    /// Another process is making, renaming or destroying a VM of that name right now.
    #[error(
        "another process is working on the VM {name} (making, renaming or destroying it); try again when it has finished"
    )]
    Busy {
        /// The VM.
        name: String,
    },

    /// Disks and network are made with the VM.
    #[error(
        "{key} of the VM {name} cannot be changed: disks, network and serial ports are made with the VM; make another one"
    )]
    FixedHardware {
        /// The VM.
        name: String,
        /// The key, with a colon.
        key: &'static str,
    },

    /// A key or character that no key of a US keyboard gives.
    #[error("{0}")]
    NoSuchKey(#[from] crate::keyboard::NoSuchKey),

    /// The VM has no forward to its SSH port, and its guest tells no address.
    #[error(
        "the VM {name} has no port forward to the guest's port 22, and its guest tells no address \
         on a host-only or bridged adapter (the Guest Additions would); use :network-type :nat, or \
         a NAT adapter with such a rule in :nat-rules"
    )]
    NoSshForward {
        /// Its name.
        name: String,
    },

    /// Something on the host uses the port that a forward wants. VirtualBox would start the VM
    /// nevertheless, and connections would end up elsewhere.
    #[error(
        "port {port} on {address} is in use, and the forward {rule:?} of the VM {name} needs it; \
         stop what uses the port, or change the rule"
    )]
    PortTaken {
        /// The VM.
        name: String,
        /// The forward's name.
        rule: String,
        /// The host's address.
        address: String,
        /// The port.
        port: u16,
    },

    /// No free port was found for an SSH forward.
    #[error("found no free port for an SSH forward among {first} to {last} on 127.0.0.1")]
    NoFreePort {
        /// The first port that was considered.
        first: u16,
        /// The last one.
        last: u16,
    },

    /// An adapter cannot be connected to a network of the host.
    #[error("cannot connect the VM {name} to {network}: {problem}")]
    Network {
        /// The VM.
        name: String,
        /// What it was to be connected to.
        network: String,
        /// What is missing, and what to do about it.
        problem: String,
    },

    /// The guest did not come up in time.
    #[error("{0}")]
    GuestSilent(Box<Silence>),

    /// An image cannot be imported, cloned or removed.
    #[error(transparent)]
    Image(#[from] crate::images::ImageError),

    /// A file or folder could not be worked with.
    #[error("cannot {doing} {}: {source}", .path.display())]
    Io {
        /// What was to be done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { doing, path: path.as_ref().to_owned(), source }
    }

    /// Whether what was asked for was wrong, as opposed to something failing.
    #[must_use]
    pub fn is_input(&self) -> bool {
        if let Self::Image(error) = self {
            return error.is_input();
        }
        matches!(
            self,
            Self::Meta { .. }
                | Self::DuplicateModel { .. }
                | Self::UnknownModel { .. }
                | Self::InvalidModel { .. }
                | Self::ModelFileMissing { .. }
                | Self::InvalidName { .. }
                | Self::FixedHardware { .. }
                | Self::NoSuchKey(_)
        )
    }
}

/// What was seen of a guest that did not come up.
#[derive(Debug, Clone)]
pub struct Silence {
    /// The VM.
    pub name: String,
    /// What was waited for.
    pub awaited: &'static str,
    /// How long.
    pub waited: Duration,
    /// The VM's state at the end.
    pub state: String,
    /// Where its SSH port was looked for.
    pub address: Option<SocketAddr>,
    /// What the last attempt to reach that port said.
    pub last_attempt: Option<String>,
    /// The VM's network adapters, with what the guest says about them.
    pub interfaces: Vec<Interface>,
    /// The console's file.
    pub console: PathBuf,
    /// The last lines on its console, cleaned of control characters.
    pub last_lines: Vec<String>,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the guest of the VM {} gave no {} in {} s; the VM is {}",
            self.name,
            self.awaited,
            self.waited.as_secs(),
            self.state
        )?;
        if let Some(address) = self.address {
            write!(f, "; {address}: {}", self.last_attempt.as_deref().unwrap_or("not tried yet"))?;
        }
        for interface in &self.interfaces {
            write!(f, "; {interface}")?;
        }
        if self.last_lines.is_empty() {
            write!(f, "; nothing was printed on its console ({})", self.console.display())
        } else {
            write!(f, "; its console ({}) ends with:", self.console.display())?;
            self.last_lines.iter().try_for_each(|line| write!(f, "\n    {line}"))
        }
    }
}

/// `:3:14: ` after a file name.
struct Place(Option<tree::Position>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(position) => write!(f, ":{}:{}: ", position.line, position.column),
            None => f.write_str(": "),
        }
    }
}

/// `:small :memory-size: ` before a message.
struct KeyPath<'a>(&'a tree::Error);

impl fmt::Display for KeyPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.key_path() {
            path if path.is_empty() => Ok(()),
            path => write!(f, "{path}: "),
        }
    }
}

/// What there is instead of an unknown model: a suggestion, all names, the folder searched.
struct Known<'a>(&'a Option<String>, &'a [String], &'a Path);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(suggestion, known, folder) = self;
        if let Some(name) = suggestion {
            write!(f, "; did you mean {name}?")?;
        }
        let folder = folder.display();
        if known.is_empty() {
            write!(
                f,
                "; there are none at all: no file in {folder} whose name ends in .meta has one"
            )
        } else {
            write!(f, "; there are {} (meta files are read from {folder})", known.join(", "))
        }
    }
}

/// The snapshots that there are.
struct KnownSnapshots<'a>(&'a [String]);

impl fmt::Display for KnownSnapshots<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("it has none at all"),
            known => write!(f, "it has {}", known.join(", ")),
        }
    }
}

/// Says what was being done when VirtualBox failed.
pub(crate) trait Doing<T> {
    /// Wraps the error with what was being done.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, vbox_soap::Error> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::VirtualBox { doing: doing(), source })
    }
}
