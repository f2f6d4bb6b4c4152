//! Secrets: values that cannot be printed, and that are taken out of what is printed.
//!
//! In documents a secret is one of these; relative paths start at the document's folder:
//!
//! ```toml
//! password = { env = "DB_PASSWORD" }
//! password = { file = "secrets/db" }                  # one line end at its end is left out
//! password = { command = "pass show db" }             # through `sh -c`; or a list, without it
//! password = { age = "secrets/db.age", identity = "~/.config/pallet/age.key" }   # runs `age`
//! password = "hunter2"                                # for throw-away machines
//! ```
//!
//! Commands run, and encrypted files are decrypted, when the value is needed for the first time,
//! and once.

pub mod late;
mod maybe;
mod redact;
mod source;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use zeroize::Zeroizing;

pub use maybe::MaybeSecret;
pub use redact::redact;
use source::Source;

/// A password or passphrase. It has no `Display` and no `Serialize`, its `Debug` shows nothing of
/// it, and its memory is wiped when its last clone is dropped. As long as it lives, [`redact`]
/// takes it out of texts.
///
/// ```
/// use pallet_core::secret::Secret;
/// assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
/// ```
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

struct Inner {
    source: Source,
    value: OnceLock<Result<Plain, SecretError>>,
}

/// A value, and what may be made of it that must not be shown either.
struct Plain {
    value: Zeroizing<String>,
    _registration: redact::Registration,
}

/// Secrets that became part of other values, nobody knows of which.
static KEPT: Mutex<Vec<Secret>> = Mutex::new(Vec::new());

/// Why a secret's value cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No such variable.
    #[error("the environment variable {name} is not set")]
    Env {
        /// Its name.
        name: String,
    },
    /// The file cannot be read, or decrypted.
    #[error("cannot read {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The command failed.
    #[error("the secret's command `{command}` failed: {reason}")]
    Command {
        /// The command.
        command: String,
        /// Exit status and what it wrote to standard error.
        reason: String,
    },
}

/// What stands between an error of reading a secret and what to do about it.
pub(crate) const HELP: &str = "\nhelp: ";

impl SecretError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Env { name } => format!("set {name} for this command"),
            Self::File { .. } => "put the secret there, or name its file".to_owned(),
            Self::Command { .. } => {
                "run it in a shell: it must print the secret to standard output".to_owned()
            }
        }
    }
}

impl Secret {
    /// Takes over a secret value.
    pub fn new(value: impl Into<String>) -> Self {
        Self::known(Source::Given, value.into())
    }

    /// Keeps a clone until the program ends, so that the value is taken out of texts until then.
    pub(crate) fn keep(&self) {
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(self.clone());
    }

    /// Whether both are clones of one secret.
    #[cfg(feature = "ssh")]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn known(source: Source, value: String) -> Self {
        Self(Arc::new(Inner { source, value: OnceLock::from(Ok(Plain::new(value))) }))
    }

    fn unknown(source: Source) -> Self {
        Self(Arc::new(Inner { source, value: OnceLock::new() }))
    }

    /// The value itself. Callers must not log it or pass it on a command line. May block: asking a
    /// command takes as long as the command, the first time.
    ///
    /// # Errors
    /// [`SecretError`] when the secret's command fails or its file cannot be decrypted.
    pub fn reveal(&self) -> Result<&str, SecretError> {
        let value = self.0.value.get_or_init(|| self.0.source.fetch().map(Plain::new));
        value.as_ref().map(|plain| plain.value.as_str()).map_err(Clone::clone)
    }
}

impl Plain {
    fn new(value: String) -> Self {
        let registration = redact::Registration::of(&value);
        Self { value: Zeroizing::new(value), _registration: registration }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
