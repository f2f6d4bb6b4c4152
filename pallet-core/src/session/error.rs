//! What can go wrong with a session.

use std::time::Duration;

use super::Holder;
use crate::secret::SecretError;
use crate::transport::TransportError;

/// Why a session could not be opened or used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    /// The connection failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// sudo did not let us in.
    #[error("sudo refused {username} on the node: {reason}")]
    SudoRefused {
        /// The login.
        username: String,
        /// What sudo said.
        reason: String,
    },
    /// The password cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The node's bash did not start.
    #[error("no session could be started on the node: {reason}")]
    NotStarted {
        /// What the node said.
        reason: String,
    },
    /// The session took too long to start.
    #[error("the node did not start a session within {} s", after.as_secs())]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The session ended in the middle of a program.
    #[error("the session ended unexpectedly: {reason}")]
    Ended {
        /// Exit status and last words.
        reason: String,
    },
    /// The node answered something that makes no sense.
    #[error("the node's answer was not understood: {reason}")]
    Protocol {
        /// What was odd.
        reason: String,
    },
    /// Another run works on the node.
    #[error("another run works on the node: {holder}")]
    Locked {
        /// Which one.
        holder: Holder,
    },
    /// The node cannot be locked, or its run log cannot be written.
    #[error("the node's lock and run log cannot be written: {reason}")]
    NoLock {
        /// What the node said.
        reason: String,
    },
    /// A content did not arrive.
    #[error("a content of {size} bytes could not be put on the node: {reason}")]
    NotPut {
        /// Its size.
        size: u64,
        /// What happened.
        reason: String,
    },
    /// The node did not answer for too long.
    #[error("the node took longer than {} s for {what}", after.as_secs_f32())]
    Overdue {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
}

impl SessionError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Transport(error) => return error.help(),
            Self::Secret(error) => error.help(),
            Self::SudoRefused { username, .. } => format!(
                "give {username} the right to use sudo without a password (sudoers: `{username} ALL=(ALL) NOPASSWD: ALL`), \
                 set `sudo-password` of the admin user, or set `no-sudo = true`"
            ),
            Self::NotStarted { .. } => {
                "the node needs bash 3.2 or newer, coreutils and sudo".to_owned()
            }
            Self::Locked { holder } => format!(
                "try again when it has ended; if it is gone for good, `kill {}` on the node lets go of it",
                holder.process
            ),
            Self::NoLock { .. } => {
                "the login needs a writable /var/lib (root) or home folder (other users)".to_owned()
            }
            Self::NotPut { .. } => {
                "what has arrived is kept: the same command goes on from there".to_owned()
            }
            Self::TimedOut { .. }
            | Self::Ended { .. }
            | Self::Protocol { .. }
            | Self::Overdue { .. } => return None,
        })
    }
}
