//! What all nodes of a run share: its name, its limits, and whether it is to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::run_id::RunId;
use crate::journal::Journal;

/// What all nodes of a run share. Clones belong to the same run: stopping one stops all.
///
/// ```
/// use pallet_core::engine::Control;
/// let control = Control::new();
/// let handle = control.clone();
/// handle.stop("interrupted");
/// assert_eq!(control.stopped().as_deref(), Some("interrupted"));
/// ```
#[derive(Debug, Clone)]
pub struct Control {
    /// The run's name in run logs and journals. Default: a new one.
    pub run: RunId,
    /// Who runs it, for people whose runs have to wait for this one. Default:
    /// `user@host (process 123)`; it has to be another one for each process.
    pub holder: String,
    /// How long things may take.
    pub limits: TimeLimits,
    /// Whether the first node that fails stops the others before their next actions.
    /// Default: false.
    pub fail_fast: bool,
    /// The folder in which nodes keep their lock, run log and uploads. Default: `/var/lib/pallet`
    /// for root and `~/.local/state/pallet` for other users, unless the node's environment has
    /// `PALLET_STATE_DIR`.
    pub node_folder: Option<String>,
    /// Where what happens is written down. Default: nowhere.
    pub journal: Option<Arc<Journal>>,
    /// Whether a resumed run repeats actions of which nobody knows whether they were finished.
    /// Default: false.
    pub again: bool,
    stop: Arc<watch::Sender<Option<String>>>,
}

/// How long things may take on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// An action, unless its step says otherwise. Default: 1 h.
    pub action: Duration,
    /// Looking at a node: one exchange of probes. Default: 10 min, since guards may take a while.
    pub look: Duration,
    /// Waiting for another run to let go of the node. Default: 60 s.
    pub lock: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            action: Duration::from_secs(60 * 60),
            look: Duration::from_secs(10 * 60),
            lock: Duration::from_secs(60),
        }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self::new()
    }
}

impl Control {
    /// A new run with the default limits.
    pub fn new() -> Self {
        Self {
            run: RunId::new(),
            holder: holder(),
            limits: TimeLimits::default(),
            fail_fast: false,
            node_folder: None,
            journal: None,
            again: false,
            stop: Arc::new(watch::Sender::new(None)),
        }
    }

    /// A run that goes on where a broken one has stopped: probes again what looks first, leaves
    /// out scripts that were finished, and stops at one of which nobody knows that, unless
    /// [`again`](Self::again) is set.
    ///
    /// Run the same phases on the same groups with it.
    pub fn resuming(run: RunId, journal: Journal) -> Self {
        Self { run, journal: Some(Arc::new(journal)), ..Self::new() }
    }

    /// Whether this is a run that was resumed.
    pub fn resumes(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.before().is_some())
    }

    /// Stops the run: what nodes are doing is finished, and nothing more is begun. The first
    /// reason is kept.
    pub fn stop(&self, reason: impl Into<String>) {
        self.stop.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert_with(|| reason.into());
            is_first
        });
    }

    /// Why the run is to stop, if it is.
    pub fn stopped(&self) -> Option<String> {
        self.stop.borrow().clone()
    }

    /// Waits until the run is to stop.
    pub async fn until_stopped(&self) {
        let mut listener = self.stop.subscribe();
        // The sender lives as long as `self`.
        let _ = listener.wait_for(Option::is_some).await;
    }
}

/// `user@host (process 123)`, as far as they are known.
fn holder() -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .unwrap_or_default();
    let known = |text: &str| if text.is_empty() { "?".to_owned() } else { text.to_owned() };
    let user = user.unwrap_or_default();
    format!("{}@{} (process {})", known(user.trim()), known(host.trim()), std::process::id())
}
