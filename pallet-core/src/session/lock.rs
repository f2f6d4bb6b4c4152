//! The node's lock: one run at a time works on a node.

use std::fmt;

use crate::engine::RunId;

/// What is asked for with a lock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockRequest<'a> {
    /// How many seconds to wait for another run.
    pub wait: u64,
    /// The run.
    pub run: &'a RunId,
    /// Whether to tell what the run has done on the node before.
    pub resumes: bool,
    /// Who runs it.
    pub holder: &'a str,
    /// The folder of lock and log, in place of the node's default.
    pub folder: Option<&'a str>,
}

impl LockRequest<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { wait, run, resumes, holder, folder } = self;
        let resumes = if *resumes { "yes" } else { "no" };
        let line = |text: &str| text.replace(['\n', '\r', '\0', '\u{1e}'], " ");
        format!(
            "lock {wait} {run} {resumes}\n{}\n{}\n",
            line(holder),
            line(folder.unwrap_or_default())
        )
        .into_bytes()
    }
}

/// A run that has the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The run; it tells when it began.
    pub run: Option<RunId>,
    /// The process on the node that holds the lock.
    pub process: String,
    /// Who runs it: `user@host`.
    pub who: String,
}

impl Holder {
    /// Reads `RUN PROCESS BOOT WHO`, as it stands in the run log.
    pub(super) fn parse(line: &str) -> Self {
        let mut words = line.splitn(4, ' ');
        let run = words.next().and_then(|run| run.parse().ok());
        let process = words.next().unwrap_or("?").to_owned();
        let who = words.nth(1).unwrap_or("somebody").to_owned();
        Self { run, process, who }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.run {
            Some(run) => write!(f, "run {run} of {}, begun {}", self.who, run.began()),
            None => write!(f, "a run of {}", self.who),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_tell_who_and_since_when() {
        let holder = Holder::parse("20261121T093015Z-5f1c09a2 4711 4c2e:12 ann@desk 2");
        assert_eq!(holder.process, "4711");
        assert_eq!(
            holder.to_string(),
            "run 20261121T093015Z-5f1c09a2 of ann@desk 2, begun 2026-11-21 09:30:15 UTC"
        );
        assert_eq!(Holder::parse("").to_string(), "a run of somebody");
    }

    #[test]
    fn a_request_is_three_lines_whatever_is_in_it() {
        let run = RunId::new();
        let request =
            LockRequest { wait: 5, run: &run, resumes: true, holder: "a\nb", folder: None };
        let text = String::from_utf8(request.encode()).unwrap();
        assert_eq!(text, format!("lock 5 {run} yes\na b\n\n"));
    }
}
