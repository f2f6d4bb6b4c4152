//! The wire format, without input or output: requests to text, text to responses.

pub(crate) mod base64;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod envelope;
pub(crate) mod xml;
