//! Events: what happens while it happens.

use serde::Serialize;
use tokio::sync::mpsc;

use crate::report::{ActionReport, Failure};

/// Something that happened in a run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A node is being created.
    Creating {
        /// The node.
        node: String,
    },
    /// A stopped node is being started.
    Starting {
        /// The node.
        node: String,
    },
    /// A created or started node is waited for.
    Waiting {
        /// The node.
        node: String,
    },
    /// A node that was waited for answers.
    Answered {
        /// The node.
        node: String,
        /// Where its sshd listens; nothing for a node that needs none.
        address: Option<String>,
    },
    /// A node is being destroyed.
    Destroying {
        /// The node.
        node: String,
    },
    /// A node is gone.
    Destroyed {
        /// The node.
        node: String,
    },
    /// A node is being connected to.
    Connecting {
        /// The node.
        node: String,
        /// Where.
        address: String,
    },
    /// A node is connected to, and its facts are known.
    Connected {
        /// The node.
        node: String,
        /// The account that is logged in.
        user: String,
    },
    /// A host key was accepted on first contact, because its service or image says so.
    HostKeyAccepted {
        /// The node.
        node: String,
        /// The key's fingerprint.
        fingerprint: String,
    },
    /// Another run works on a node, and is waited for.
    NodeBusy {
        /// The node.
        node: String,
        /// Which run, of whom, since when.
        holder: String,
        /// How many seconds it is waited for.
        patience: u64,
    },
    /// A node has no `flock`, so that nothing keeps other runs away from it.
    NodeNotLocked {
        /// The node.
        node: String,
    },
    /// A phase begins on a node.
    PhaseStarted {
        /// The node.
        node: String,
        /// The phase.
        phase: String,
        /// How many actions it has there.
        actions: usize,
    },
    /// An action is being carried out on a node.
    ActionStarted {
        /// The node.
        node: String,
        /// The phase.
        phase: String,
        /// The action's name.
        action: String,
        /// What it is about.
        subject: String,
    },
    /// An action is settled, changed or not.
    ActionFinished {
        /// The node.
        node: String,
        /// The phase.
        phase: String,
        /// What became of it.
        report: ActionReport,
    },
    /// A phase has ended on a node.
    PhaseFinished {
        /// The node.
        node: String,
        /// The phase.
        phase: String,
    },
    /// Something failed.
    Failed {
        /// What and why.
        failure: Failure,
    },
}

impl Event {
    /// The node that it happened on, if it was one.
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::Creating { node }
            | Self::Starting { node }
            | Self::Waiting { node }
            | Self::Answered { node, .. }
            | Self::Destroying { node }
            | Self::Destroyed { node }
            | Self::Connecting { node, .. }
            | Self::Connected { node, .. }
            | Self::HostKeyAccepted { node, .. }
            | Self::NodeBusy { node, .. }
            | Self::NodeNotLocked { node }
            | Self::PhaseStarted { node, .. }
            | Self::ActionStarted { node, .. }
            | Self::ActionFinished { node, .. }
            | Self::PhaseFinished { node, .. } => Some(node),
            Self::Failed { failure } => failure.node.as_deref(),
        }
    }
}

/// Where events go. Cloning is cheap; nobody has to listen.
#[derive(Debug, Clone, Default)]
pub struct Events(Option<mpsc::UnboundedSender<Event>>);

impl Events {
    /// Events that nobody listens to.
    pub fn none() -> Self {
        Self::default()
    }

    /// Events and the end at which they arrive.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(Some(sender)), receiver)
    }

    /// Tells an event. That nobody listens any more is no error.
    pub fn send(&self, event: Event) {
        if let Some(sender) = &self.0 {
            let _ = sender.send(event);
        }
    }
}
