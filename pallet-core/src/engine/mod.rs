//! The engine: carries out one phase on one node, in waves.
//!
//! A wave looks at everything that is not settled, in one exchange; decides in Rust; and applies
//! what differs, in declared order, in a second exchange. Where an action needs to see what an
//! earlier one of the same wave has done, and that could not be predicted, the wave ends before
//! it, and the next one looks again.

mod apply;
mod connection;
mod control;
mod deeds;
mod exchange;
mod foresight;
mod hints;
mod output;
mod phase;
mod run_id;
mod show;
mod telling;
mod values;
mod wave;

pub use connection::{Connection, ConnectionError, Connector, Reach, WayBack};
pub use control::{Control, TimeLimits};
pub(crate) use deeds::{DeedState, Deeds};
pub use phase::{PhaseRun, run_phase};
pub use run_id::RunId;
