//! Programs: what is sent to a session in one go.

use crate::action::{Fragment, ProbeSet};

/// A program for a node: code, and the payloads that it takes.
#[derive(Debug, Default)]
pub struct Program {
    code: String,
    payload: Vec<u8>,
}

impl Program {
    /// A program that answers all questions of `wanted`; section `n` is the `n`-th batch.
    pub(crate) fn probes(wanted: &ProbeSet) -> Self {
        let mut program = Self::default();
        for (section, batch) in wanted.batches().enumerate() {
            let script = batch.script();
            program.code.push_str(&format!(
                "pallet_mark begin {section}\n(\nexport LC_ALL=C\n{script}\n)\npallet_mark end {section} $?\n"
            ));
        }
        program
    }

    /// A program that runs fragments in order and stops at the first that fails.
    pub(crate) fn fragments<'a>(fragments: impl IntoIterator<Item = &'a Fragment>) -> Self {
        let mut program = Self::default();
        for (section, fragment) in fragments.into_iter().enumerate() {
            let code = fragment.code();
            // A service that it starts need not hold the payloads of others open.
            let close = if fragment.payloads().is_empty() { " 4<&-" } else { "" };
            program.code.push_str(&format!(
                "pallet_mark begin {section}\n(\nset -e\n{code}) 2>&1{close}\npallet_end {section} $?\n"
            ));
            fragment.payloads().iter().for_each(|bytes| program.payload.extend_from_slice(bytes));
        }
        program
    }

    /// The bytes that go to the node.
    pub(super) fn encode(&self) -> Vec<u8> {
        let code = format!("{{\n{}:\n}}\n", self.code);
        let mut bytes = format!("{} {}\n", code.len(), self.payload.len()).into_bytes();
        bytes.extend_from_slice(code.as_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}
