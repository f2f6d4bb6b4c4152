//! Programs: what is sent to a session in one go.

use std::collections::VecDeque;

use crate::action::{Fragment, ProbeSet, Upload};
use crate::shell;

/// A program for a node: code, and the payloads that it takes.
#[derive(Debug, Default)]
pub struct Program {
    code: String,
    payload: Vec<u8>,
    /// Whether it changes the node, so that it had better come to its end.
    pub(super) changes: bool,
}

impl Program {
    /// A program that answers all questions of `wanted`; section `n` is the `n`-th batch.
    pub(crate) fn probes(wanted: &ProbeSet) -> Self {
        let mut program = Self::default();
        program.code.push_str("export LC_ALL=C\n");
        for (section, batch) in wanted.batches().enumerate() {
            let script = batch.script();
            let (open, close) = if batch.shares_shell() { ('{', '}') } else { ('(', ')') };
            program.code.push_str(&format!(
                "pallet_look {section}\n{open}\n{script}\n{close} 3<&- 9>&-\npallet_looked $?\n"
            ));
        }
        program.code.push_str("pallet_flush\n");
        program
    }

    /// A program of a single piece of code.
    pub(crate) fn code(code: &str) -> Self {
        Self { code: format!("(\n{code}\n) 3<&- 9>&-\n"), ..Self::default() }
    }

    /// A program that runs fragments in order and stops at the first that fails.
    ///
    /// `uploads` is the node's folder in which their long contents are already; those are removed
    /// when all fragments have run.
    pub(crate) fn fragments<'a>(
        tasks: impl IntoIterator<Item = Task<'a>>,
        uploads: Option<&str>,
    ) -> Self {
        let mut program = Self { changes: true, ..Self::default() };
        let mut used = Vec::new();
        if let Some(folder) = uploads {
            program.code.push_str(&format!("pallet_uploads={}\n", shell::quote(folder)));
        }
        for (section, Task { fragment, id, ends_session }) in tasks.into_iter().enumerate() {
            let code = fragment.body();
            let beside = shell::command(fragment.temporaries());
            // A service that it starts need not hold the payloads of others open.
            let close = if fragment.payloads().is_empty() { " 4<&-" } else { "" };
            let word = if ends_session { "restart" } else { "begun" };
            program.code.push_str(&if fragment.is_brief() {
                // What stands inside of `$()` bash would read twice.
                format!(
                    "pallet_begin_brief {section} {id} {beside}\npallet_do() {{\nset -e\n{code}}}\npallet_output=$(exec 2>&1 3<&- 9>&-{close}; pallet_do)\npallet_end_brief {section} $? {id}\n"
                )
            } else {
                format!(
                    "pallet_begin {section} {word} {id} {beside}\n(\nset -e\n{code}) 2>&1 3<&- 9>&-{close}\npallet_end {section} $? {id} {word}\n"
                )
            });
            fragment.payloads().iter().for_each(|bytes| program.payload.extend_from_slice(bytes));
            used.extend(fragment.uploads().iter().map(Upload::sha256));
        }
        program.code.push_str("pallet_flush\n");
        for name in used {
            program.code.push_str(&format!("rm -f -- \"$pallet_uploads/{name}\"\n"));
        }
        program
    }

    /// Adds the bytes that go to the node.
    pub(super) fn encode(&self, to: &mut VecDeque<u8>) {
        const BEGIN: &str = "{\n";
        const END: &str = ":\n}\n";
        let length = BEGIN.len() + self.code.len() + END.len();
        let head = format!("{length} {}\n", self.payload.len());
        // Piece by piece: with many nodes every further copy counts.
        to.reserve(head.len() + length + self.payload.len());
        for piece in [&head, BEGIN, &self.code, END] {
            to.extend(piece.as_bytes());
        }
        to.extend(&self.payload);
    }
}

/// A fragment that a program runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task<'a> {
    /// What is run.
    pub fragment: &'a Fragment,
    /// What it is called in the node's run log: letters and digits.
    pub id: &'a str,
    /// Whether the session may end with it, as it does when the node starts anew.
    pub ends_session: bool,
}
