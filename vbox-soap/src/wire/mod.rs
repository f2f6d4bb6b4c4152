//! The wire format, without input or output: requests to text, text to responses.

pub(crate) mod base64;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod envelope;
#[cfg(test)]
mod round_trips;
pub(crate) mod xml;
