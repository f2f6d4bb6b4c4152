//! Asking before something is destroyed.

use std::io::{BufRead, IsTerminal, Write};

use pallet_core::run::Preview;
use tokio::sync::oneshot;

use crate::error::{CliError, Kind};
use crate::text::{count, names};

/// Asks whether what a preview would destroy may be destroyed. Without somebody to ask that is
/// refused.
pub async fn destroy(preview: &Preview) -> Result<(), CliError> {
    let going: Vec<&str> = preview.destroy().map(|node| node.name.as_str()).collect();
    if going.is_empty() {
        return Ok(());
    }
    let what = format!("{} would be destroyed: {}", count(going.len(), "node"), names(&going));
    confirm(&what, "Destroy").await
}

/// Asks whether something else may be removed.
pub async fn remove(what: &str) -> Result<(), CliError> {
    confirm(what, "Remove").await
}

async fn confirm(what: &str, verb: &str) -> Result<(), CliError> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(CliError::new(Kind::Refused, format!("{what}; nothing was done"))
            .hint("there is no terminal to ask on: give --yes to do it"));
    }
    // The question goes where the progress goes: standard output is for results.
    let question = format!("{what}\n{verb}? [y/N] ");
    if ask(question).await.is_some_and(|answer| is_yes(&answer)) {
        return Ok(());
    }
    Err(CliError::new(Kind::Refused, "not confirmed; nothing was done"))
}

/// Asks on a thread of its own: reading from a terminal cannot be interrupted, and the thread
/// must not keep the process from ending.
pub async fn ask(question: String) -> Option<String> {
    let (sender, answer) = oneshot::channel();
    std::thread::spawn(move || {
        let mut stderr = std::io::stderr().lock();
        let _ = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
        drop(stderr);
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).is_ok() {
            let _ = sender.send(line);
        }
    });
    answer.await.ok()
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        assert!(is_yes("y\n") && is_yes(" Yes \n"));
        assert!(!is_yes("\n") && !is_yes("") && !is_yes("n\n") && !is_yes("yesterday"));
    }
}
