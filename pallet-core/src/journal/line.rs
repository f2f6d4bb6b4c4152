//! The lines of a journal.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::RunId;
use crate::report::{ActionReport, Report};
use crate::spec::Origin;

/// The version of the format that is written.
pub(super) const FORMAT: u32 = 1;

/// What a journal says first: which run it is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Heading {
    /// The version of the format.
    pub format: u32,
    /// The run.
    pub run: RunId,
    /// Who began it: `user@host`.
    pub holder: String,
    /// What it is of: runs of the same project are resumed together. `pallet` writes the path of
    /// the file that describes the machines.
    pub project: String,
    /// What was asked for, in the words of the program that began it.
    pub command: Value,
}

/// One line of a journal: a JSON object.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "line")]
pub(super) enum Line {
    /// Always the first.
    Run(Heading),
    /// The run is resumed from here on.
    Resumed { holder: String },
    /// An action was begun on a node.
    Begun {
        node: String,
        phase: String,
        id: String,
        action: String,
        subject: String,
        /// Where its step was written; older journals do not say it.
        #[serde(default)]
        origin: Option<Origin>,
        /// When, in milliseconds since 1970.
        #[serde(default)]
        at: Option<u64>,
    },
    /// An action has changed a node.
    Done { node: String, phase: String, id: String, report: Box<ActionReport> },
    /// A node has said that an action failed.
    Failed { node: String, phase: String, id: String, message: String },
    /// The run has ended, so far.
    End {
        failed: bool,
        stopped: Option<String>,
        /// All that happened, for those who look at it later; older journals do not say it.
        #[serde(default)]
        report: Option<Box<Report>>,
    },
}
