//! How Rust programs say what a user shall be like.

use pallet_core::secret::MaybeSecret;

use super::User;
use crate::values::Ensure;

impl User {
    /// Sets the user id.
    #[must_use]
    pub fn uid(mut self, uid: u32) -> Self {
        self.uid = Some(uid);
        self
    }

    /// Sets the primary group.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn group(mut self, name: &str) -> Result<Self, String> {
        self.group = Some(name.parse()?);
        Ok(self)
    }

    /// Adds groups that the user is in beside the primary one.
    ///
    /// # Errors
    /// A sentence that says what is wrong with a name.
    pub fn groups<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Result<Self, String> {
        for name in names {
            self.groups.push(name.parse()?);
        }
        Ok(self)
    }

    /// Sets the home directory.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn home(mut self, path: &str) -> Result<Self, String> {
        self.home = Some(path.parse()?);
        Ok(self)
    }

    /// Sets the login shell.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn shell(mut self, path: &str) -> Result<Self, String> {
        self.shell = Some(path.parse()?);
        Ok(self)
    }

    /// Sets the comment.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Whether a new user's home directory is created; it is unless told otherwise.
    #[must_use]
    pub fn create_home(mut self, create: bool) -> Self {
        self.create_home = create;
        self
    }

    /// Gives a new user an id from the range for system users.
    #[must_use]
    pub fn system(mut self) -> Self {
        self.system = true;
        self
    }

    /// Sets the password, as the system keeps it: encrypted.
    #[must_use]
    pub fn password(mut self, hash: impl Into<MaybeSecret>) -> Self {
        self.password = Some(hash.into());
        self
    }

    /// Says whether nobody can log in with the password.
    #[must_use]
    pub fn locked(mut self, locked: bool) -> Self {
        self.locked = Some(locked);
        self
    }

    /// Lets [`absent`](Self::absent) remove the home directory, too.
    #[must_use]
    pub fn remove_home(mut self) -> Self {
        self.remove_home = true;
        self
    }

    /// The user shall not be there.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.ensure = Ensure::Absent;
        self
    }
}
