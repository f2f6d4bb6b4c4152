//! Reading without what only some need.

use std::cell::Cell;

thread_local! {
    static ALLOWED: Cell<bool> = const { Cell::new(false) };
}

/// Reads with `read`, on this thread; a variable that is not set, or a file that cannot be read,
/// is then no mistake of the document, but an error of whoever needs the secret. Values of an
/// environment that are secrets that cannot be had are left out.
///
/// ```
/// use pallet_core::secret::{Secret, late};
/// let text = r#"{"env": "NOT_SET_ANYWHERE"}"#;
/// assert!(serde_json::from_str::<Secret>(text).is_err());
/// let secret: Secret = late::allowed(|| serde_json::from_str(text))?;
/// assert!(secret.reveal().is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn allowed<T>(read: impl FnOnce() -> T) -> T {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            ALLOWED.set(self.0);
        }
    }
    let _back = Back(ALLOWED.replace(true));
    read()
}

/// Whether what is missing matters late.
pub(crate) fn is_allowed() -> bool {
    ALLOWED.get()
}
