//! What libraries have to say.

use std::io::{self, Write};

use pallet_core::secret::redact;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::Global;
use crate::screen;

/// Standard error, without secrets: not all that is logged is ours.
struct Discreet;

impl Write for Discreet {
    /// Called once per event, so that a secret is never split.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        screen::say(&redact(&text));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// What libraries have to say goes to standard error: warnings of ours always, everything of ours
/// with `-vv`, and that of others, too, with `-vvv`. A program that has seen to its logs itself is
/// left alone.
pub fn start(global: &Global) {
    let level = match global.verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let others = match global.verbose {
        0 | 1 => LevelFilter::OFF,
        2 => LevelFilter::WARN,
        _ => LevelFilter::DEBUG,
    };
    let targets =
        ["pallet_cli", "pallet_core", "pallet_crates", "pallet_incus", "vmfest", "vbox_soap"]
            .into_iter()
            .fold(Targets::new().with_default(others), |targets, ours| {
                targets.with_target(ours, level)
            });
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(|| Discreet)
        .with_ansi(global.color.applies_to(&std::io::stderr()));
    // Runs, nodes and phases tell how long they took; with -vv actions and exchanges, too.
    let ends = if global.verbose > 0 { FmtSpan::CLOSE } else { FmtSpan::NONE };
    let layer = layer.with_span_events(ends);
    let logs = tracing_subscriber::registry().with(targets);
    if global.verbose > 1 {
        let _ = logs.with(layer).try_init();
    } else {
        // Between lines for people times and modules are noise.
        let _ = logs.with(layer.without_time().with_target(false)).try_init();
    }
}
