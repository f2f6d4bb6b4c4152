//! What a command costs.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// What one run of a command took on this machine.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Cost {
    /// From start to end.
    pub(in crate::bench) wall: Duration,
    /// Processor time of the command and of the processes it waited for.
    pub(super) cpu: Duration,
    /// Most memory that the command's own process had at a time, in kB.
    pub(super) peak_kb: u64,
}

/// Linux counts processor time in these.
const TICK: Duration = Duration::from_millis(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// Runs a command whose output goes to the file `log`, and fails if it fails.
pub(in crate::bench) fn measure(command: &mut Command, log: &Path) -> anyhow::Result<Cost> {
    let output = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("could not run {command:?}"))?;
    let folder = format!("/proc/{}", child.id());
    let mut peak_kb = 0;
    // Until it is waited for, an ended process can still be asked for its processor time.
    let (wall, cpu) = loop {
        std::thread::sleep(BETWEEN_LOOKS);
        peak_kb = peak(&folder).unwrap_or(peak_kb).max(peak_kb);
        let stat = fs::read_to_string(format!("{folder}/stat"))?;
        let fields: Vec<&str> =
            stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
        if fields.first() == Some(&"Z") {
            break (start.elapsed(), cpu(&fields)?);
        }
    };
    let status = child.wait()?;
    if !status.success() {
        let text = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        let end: Vec<&str> = lines.into_iter().rev().collect();
        bail!("{command:?} ended with {status}:\n{}", end.join("\n"));
    }
    Ok(Cost { wall, cpu, peak_kb })
}

/// proc(5): the fields after the command's name; user and system time, own and of children.
fn cpu(fields: &[&str]) -> anyhow::Result<Duration> {
    let mut ticks = 0;
    for field in fields.get(11..15).context("/proc/PID/stat is too short")? {
        ticks += field.parse::<u32>()?;
    }
    Ok(TICK * ticks)
}

fn peak(folder: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("{folder}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
