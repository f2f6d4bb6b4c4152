//! Actions: the smallest units of configuration, and what they are made of.
//!
//! An action is a plain value that describes a part of a node: a file with this content, a user
//! with that shell. It never talks to the node itself. It says which [probes](ProbeKind) it needs,
//! [decides](Action::decide) in Rust whether what they found differs, and gives the engine a
//! [`Fragment`] that makes it so.

mod context;
mod decision;
mod digest;
mod erased;
mod fragment;
mod key;
mod knowledge;
mod probe;
mod upload;

pub use context::{ActionError, Mode, Preparation, View};
pub use decision::{Certainty, Change, Decision, Effects};
pub(crate) use digest::digest;
pub use erased::{ActionBox, ActionInfo};
pub use fragment::Fragment;
pub use key::Key;
pub use knowledge::Knowledge;
pub use probe::{ProbeKind, ProbeSet, Seen};
pub use upload::Upload;
pub(crate) use upload::UploadSource;

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A unit of configuration: implement this to add an action of your own.
///
/// The parameters are the fields of the implementing type; a step of a document, and a Rust
/// program, build the same value.
pub trait Action:
    Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static
{
    /// The key of a step in a document: `remote-file`.
    const NAME: &'static str;
    /// One sentence for reference pages and `explain`.
    const SUMMARY: &'static str;
    /// A step as it stands in a document: `{ directory = "/opt/app" }`.
    const EXAMPLE: &'static str;

    /// What this value is about, for reports: a path, a name, a shortened script.
    fn subject(&self) -> String;

    /// Checks parameters that types cannot, and completes the value for one node: templates are
    /// rendered, local files read. Called before any connection needs it; pure but for reading
    /// the local files that the parameters name.
    ///
    /// `Ok(None)` means that the value is fine as it is.
    ///
    /// # Errors
    /// [`ActionError`] with what is wrong and what to do.
    fn prepare(&self, _context: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        Ok(None)
    }

    /// Looks for mistakes in the local files that the parameters name, such as templates. Called
    /// before anything is connected to; `base` is the folder where relative paths start.
    ///
    /// # Errors
    /// [`ActionError`] with what is wrong, and where.
    fn check(&self, _base: &Path) -> Result<(), ActionError> {
        Ok(())
    }

    /// Asks for everything that [`decide`](Self::decide) will need.
    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet);

    /// Compares what was found with what this value describes. Pure.
    ///
    /// # Errors
    /// [`ActionError`] when the description cannot be reached from what was found.
    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError>;

    /// What a change by this action may write beside the parts of the node that it looks at,
    /// whatever it finds there. A plan reckons with it where an earlier change makes it unsure what
    /// will be found. Default: nothing.
    fn may_write(&self) -> Vec<Key> {
        Vec::new()
    }

    /// The name under which this action offers a value read from the node to later actions (as a
    /// placeholder), and to later phases. Default: it offers none.
    fn value_name(&self) -> Option<&str> {
        None
    }

    /// The value that was read, once what [`probe`](Self::probe) asked for is known.
    ///
    /// # Errors
    /// [`ActionError`] when there is none.
    fn value(&self, _view: &View<'_>) -> Result<String, ActionError> {
        Err(ActionError::new("the action offers no value").help("this is a mistake in the action"))
    }

    /// Whether carrying it out again does no harm, because it looks first and only repairs what
    /// differs. A resumed run does not repeat other actions: those that were finished are left
    /// out, and those whose end is not known stop it until it is told to go on. Default: true.
    fn is_repeatable(&self) -> bool {
        true
    }
}
