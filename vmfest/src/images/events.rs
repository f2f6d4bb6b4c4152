//! What can be watched while an image is imported or cloned.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::ImageError;

/// What an import or a clone is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Bytes come from the web.
    Download,
    /// A local file is read, unpacked if it is packed, and written into the model path.
    Unpack,
    /// VirtualBox makes a VDI of another format, or of a VM's disk.
    Convert,
    /// The finished disk is read once more, for its SHA-256.
    Digest,
    /// VirtualBox is told to share the disk.
    Hold,
}

impl Step {
    /// The step in a word or two, as in "downloading".
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Download => "downloading",
            Self::Unpack => "unpacking",
            Self::Convert => "converting",
            Self::Digest => "taking the digest",
            Self::Hold => "registering",
        }
    }
}

/// Something that an import or a clone tells on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A step begins.
    Started {
        /// The step.
        step: Step,
        /// How much there is to do in it, if that is known: bytes, or 100 for [`Step::Convert`].
        total: Option<u64>,
    },
    /// So much of the step is done. Told a few times a second.
    Advanced {
        /// The step.
        step: Step,
        /// How much is done.
        done: u64,
    },
    /// An earlier, interrupted download goes on where it ended.
    Resumed {
        /// How many bytes were there already.
        bytes: u64,
    },
    /// The connection was lost, and is tried again.
    Retrying {
        /// Why.
        reason: String,
    },
    /// Something that the user will want to know.
    Note {
        /// What.
        text: String,
    },
}

/// Who is told what happens.
pub(super) type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Who is told, and whether anybody still wants the result.
#[derive(Clone)]
pub(crate) struct Watch {
    listener: Option<Listener>,
    /// Held by whoever waits for the result; gone when they have given up.
    alive: std::sync::Weak<()>,
}

impl Watch {
    /// Also gives what must be kept for as long as the work is wanted.
    pub(crate) fn new(listener: Option<Listener>) -> (Self, Arc<()>) {
        let wanted = Arc::new(());
        (Self { listener, alive: Arc::downgrade(&wanted) }, wanted)
    }

    pub(crate) fn tell(&self, event: Event) {
        if let Some(listener) = &self.listener {
            listener(&event);
        }
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        self.tell(Event::Note { text: text.into() });
    }

    /// An error as soon as nobody waits for the result any more.
    pub(crate) fn check(&self) -> Result<(), ImageError> {
        match self.alive.strong_count() {
            0 => Err(ImageError::Abandoned),
            _ => Ok(()),
        }
    }

    pub(crate) fn begin(&self, step: Step, total: Option<u64>) -> Meter {
        self.tell(Event::Started { step, total });
        Meter { watch: self.clone(), step, done: 0, told: Instant::now() }
    }
}

/// How often progress is told.
const INTERVAL: Duration = Duration::from_millis(100);

/// Counts what is done of a step.
pub(crate) struct Meter {
    watch: Watch,
    step: Step,
    done: u64,
    told: Instant,
}

impl Meter {
    /// Counts `more`. An error as soon as nobody waits for the result any more.
    pub(crate) fn add(&mut self, more: u64) -> Result<(), ImageError> {
        self.set(self.done + more)
    }

    /// Sets how much is done. An error as soon as nobody waits for the result any more.
    pub(crate) fn set(&mut self, done: u64) -> Result<(), ImageError> {
        self.done = done;
        if self.told.elapsed() >= INTERVAL {
            self.told = Instant::now();
            self.tell();
        }
        self.watch.check()
    }

    fn tell(&self) {
        self.watch.tell(Event::Advanced { step: self.step, done: self.done });
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.tell();
    }
}
