//! What the signatures of operations are called in Rust.
//!
//! An operation with one signature has one name, `find_machine`. Where there were several, each is called after
//! the version that introduced it, `create_machine_v4_2`, and the newest has the plain name besides.

use crate::codegen::model::{Interface, Model, Operation, Versions};
use crate::codegen::names;

/// One signature of an operation among the others.
pub struct Signature<'a> {
    pub operation: &'a Operation,
    /// The method's name: the plain one for the newest, otherwise the one with the version.
    pub name: String,
    /// The name with the version, where the newest has both.
    pub pinned: Option<String>,
    /// The static that describes it.
    pub constant: String,
    /// What its own types' names end in: nothing or `V4_2`.
    pub suffix: String,
    /// The other signatures' names with their versions, oldest first.
    pub others: Vec<(String, Versions)>,
}

/// All signatures of an interface, in the model's order.
pub fn signatures<'a>(model: &Model, interface: &'a Interface) -> Vec<Signature<'a>> {
    let mut all = vec![];
    let same = |a: &Operation, b: &Operation| a.is_same_operation(b);
    for group in interface.operations.chunk_by(same) {
        let plain = group.first().map_or(String::new(), Operation::wire_name);
        let versioned = |operation: &Operation| {
            let first = operation.facts.versions.first().unwrap_or_default();
            format!("v{}", model.version(first).replace('.', "_"))
        };
        let method = |(i, operation): (usize, &Operation)| match i {
            0 => names::identifier(&plain),
            _ => format!("{}_{}", names::snake(&plain), versioned(operation)),
        };
        for (i, operation) in group.iter().enumerate() {
            let others = group.iter().enumerate().filter(|(other, _)| *other != i).rev();
            let version = versioned(operation);
            let old = i > 0;
            all.push(Signature {
                operation,
                name: method((i, operation)),
                pinned: (group.len() > 1 && !old)
                    .then(|| format!("{}_{version}", names::snake(&plain))),
                constant: match old {
                    true => format!("{}_{}", names::constant(&plain), version.to_uppercase()),
                    false => names::constant(&plain),
                },
                suffix: if old { names::capital(&version) } else { String::new() },
                others: others
                    .map(|(i, operation)| (method((i, operation)), operation.facts.versions))
                    .collect(),
            });
        }
    }
    all
}

impl Signature<'_> {
    /// The name of the signature that came after this one, if there is one.
    pub fn successor(&self) -> Option<&str> {
        let next = self.operation.facts.versions.last()? + 1;
        self.others.iter().find(|(_, versions)| versions.has(next)).map(|(name, _)| name.as_str())
    }
}
