//! vmfest
