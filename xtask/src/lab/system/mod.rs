//! What the lab asks of the Linux machine below it: programs, namespaces, processes, Debian roots.

pub(crate) mod debian;
pub(crate) mod holder;
pub(crate) mod mounts;
pub(crate) mod namespace;
pub(crate) mod prerequisites;
pub(crate) mod say;
pub(crate) mod tool;
