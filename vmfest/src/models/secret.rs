//! Passwords that stay out of logs.

use std::fmt;

/// A password. It shows itself to nobody who does not ask for it by name.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"…\"")
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn debug_output_does_not_hold_the_password() {
        let shown = format!("{:?}", Some(super::Secret::new("hunter2")));
        assert_eq!(shown, "Some(\"…\")");
    }
}
