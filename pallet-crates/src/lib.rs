//! pallet-crates
