//! From the command line to the exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pallet_core::secret::redact;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::{Cli, Global};
use crate::commands::{self, Ended};
use crate::error::{CliError, Kind};
use crate::output::Output;

/// What the client does itself is little; nodes do the work.
const WORKERS: usize = 2;

/// How long work that cannot be interrupted may go on after the last word was said.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// Runs the command that the arguments ask for.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.global.output, cli.global.color, cli.global.verbose);
    log(&cli.global);
    let ended = start(cli, &output).unwrap_or_else(|error| {
        output.error(&error);
        Ended::from(error.kind)
    });
    ExitCode::from(ended.code())
}

/// Standard error, without secrets: not all that is logged is ours.
struct Discreet;

impl Write for Discreet {
    /// Called once per event, so that a secret is never split.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        io::stderr().lock().write_all(redact(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn start(cli: Cli, output: &Output) -> Result<Ended, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Kind::Failed, format!("no threads: {error}")))?;
    let ended = runtime.block_on(commands::run(cli, output));
    runtime.shutdown_timeout(LAST_BREATH);
    ended
}

/// What libraries have to say goes to standard error: warnings of ours always, everything of ours
/// with `-vv`, and that of others, too, with `-vvv`.
fn log(global: &Global) {
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
    let targets = ["pallet_core", "pallet_crates", "vmfest", "vbox_soap"]
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
        logs.with(layer).init();
    } else {
        // Between lines for people times and modules are noise.
        logs.with(layer.without_time().with_target(false)).init();
    }
}
