//! The `pallet` command.

fn main() {}
