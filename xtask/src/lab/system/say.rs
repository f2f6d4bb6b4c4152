//! What `cargo xtask lab` tells its user: one plain line per step, with the time it took.

use std::fmt::Display;
use std::io::Write as _;
use std::time::Instant;

/// Prints one line.
pub(crate) fn say(text: impl Display) {
    print(format_args!("lab: {text}\n"));
}

/// Prints to standard output. Nobody reading it any more is no reason to stop half-way.
pub(crate) fn print(text: impl Display) {
    write!(std::io::stdout(), "{text}").ok();
}

/// Announces `what`, runs it, and says how long it took. Steps that failed stay silent: the error
/// that goes up says more.
pub(crate) fn step<T>(
    what: impl Display,
    run: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    say(format_args!("{what} …"));
    let started = Instant::now();
    let value = run()?;
    say(format_args!("{what}: done in {:.1} s", started.elapsed().as_secs_f64()));
    Ok(value)
}
