//! What the script found, and did.

use std::fmt;

use super::steps::{STEPS, Step};
use crate::console;

/// What every line of the script begins with.
const PREFIX: &str = "vmfest-prepare: ";

/// What the script says about one step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The step.
    pub step: Step,
    /// How it stands.
    pub outcome: Outcome,
    /// What the guest said, if it failed.
    pub reason: Option<String>,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing was to be done.
    Ready,
    /// It is still to be done.
    Open,
    /// It was done just now.
    Changed,
    /// It could not be done.
    Failed,
    /// It is not so, and an image can do without.
    Advice,
    /// It comes when all else is done.
    Later,
}

impl Outcome {
    const ALL: [(&'static str, Self); 6] = [
        ("ready", Self::Ready),
        ("open", Self::Open),
        ("changed", Self::Changed),
        ("failed", Self::Failed),
        ("advice", Self::Advice),
        ("later", Self::Later),
    ];

    /// The outcome in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, outcome)| *outcome == self).map_or("", |(word, _)| word)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.outcome.as_str(), self.step.title)?;
        match (&self.reason, self.outcome) {
            (Some(reason), _) => write!(f, " ({reason})"),
            (None, Outcome::Open | Outcome::Failed | Outcome::Advice) => {
                write!(f, " ({})", self.step.why)
            }
            _ => Ok(()),
        }
    }
}

/// Reads what a script of [`Prepare`](super::Prepare) has printed. Other lines, such as greetings,
/// are passed over; what a guest says is cleaned of what could act on a terminal.
#[must_use]
pub fn read_findings(output: &str) -> Vec<Finding> {
    output.lines().filter_map(|line| read(line.trim_end().strip_prefix(PREFIX)?)).collect()
}

fn read(line: &str) -> Option<Finding> {
    let mut words = line.splitn(3, ' ');
    let (name, word) = (words.next()?, words.next()?);
    let step = *STEPS.iter().find(|step| step.name == name)?;
    let (_, outcome) = *Outcome::ALL.iter().find(|(known, _)| *known == word)?;
    let reason = words.next().map(console::clean).filter(|reason| !reason.is_empty());
    Some(Finding { step, outcome, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_read_among_other_lines() {
        let output = "Welcome!\nvmfest-prepare: root ready \nvmfest-prepare: sudo failed E: no \
                      \u{1b}[31mnetwork\nvmfest-prepare: colour ready\nvmfest-prepare: user blue\n";
        let found = read_findings(output);
        let shown: Vec<_> = found.iter().map(Finding::to_string).collect();
        assert_eq!(
            shown,
            ["ready: the script runs as root", "failed: sudo is installed (E: no network)"]
        );
        let open = read_findings("vmfest-prepare: sudo open").remove(0);
        assert!(open.to_string().contains("becomes root with it"), "{open}");
    }
}
