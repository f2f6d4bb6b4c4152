//! pallet-core
