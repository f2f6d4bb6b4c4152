//! The password of a user, and whether anybody can log in with it.

use pallet_core::action::{ActionError, Fragment, ProbeSet, View};
use pallet_core::secret::MaybeSecret;

use crate::probes::{Digest, Shadow, ShadowEntry};
use crate::values::AccountName;

/// What is asked for; `None` keeps what is there.
pub(super) struct Password<'a> {
    pub user: &'a AccountName,
    pub hash: Option<&'a MaybeSecret>,
    pub locked: Option<bool>,
}

impl Password<'_> {
    fn is_described(&self) -> bool {
        self.hash.is_some() || self.locked.is_some()
    }

    pub fn probe(&self, wanted: &mut ProbeSet) {
        if self.is_described() {
            wanted.ask::<Shadow>(self.user.clone());
        }
    }

    pub fn look(&self, view: &View<'_>) -> Result<Option<ShadowEntry>, ActionError> {
        match self.is_described() {
            true => Ok(view.get::<Shadow>(self.user)?.clone()),
            false => Ok(None),
        }
    }

    fn hash(&self) -> Result<Option<&str>, ActionError> {
        let revealed = self.hash.map(MaybeSecret::reveal).transpose();
        revealed.map_err(|error| ActionError::new(error.to_string()))
    }

    /// Whether it is what the system keeps of a password, and no password.
    pub fn check(&self) -> Result<(), ActionError> {
        let Some(hash) = self.hash()? else { return Ok(()) };
        let is_plain = |it: char| it.is_ascii_graphic() && !":!\n".contains(it);
        if hash == "*" || (hash.starts_with('$') && hash.chars().all(is_plain)) {
            return Ok(());
        }
        Err(ActionError::new("`password` is not encrypted").help(
            "write what `openssl passwd -6` or `mkpasswd` makes of it, or \"*\" for none at all; \
             { env = \"…\" } keeps it out of the document",
        ))
    }

    /// Adds what repairs it, after the user is there, and says what differs; and what will be.
    pub fn repair(
        &self,
        fragment: &mut Fragment,
        found: Option<&ShadowEntry>,
    ) -> Result<(Vec<&'static str>, ShadowEntry), ActionError> {
        let mut details = Vec::new();
        let mut after = found.cloned().unwrap_or(ShadowEntry { digest: None, is_locked: true });
        if let Some(hash) = self.hash()? {
            let digest = Digest::of(hash.as_bytes());
            if after.digest.as_ref() != Some(&digest) {
                // Not on a command line, where others could read it.
                let payload = fragment.payload(format!("{}:{hash}\n", self.user));
                fragment.line(&format!("{payload} | chpasswd -e"));
                details.push("password set");
                after = ShadowEntry { digest: Some(digest), is_locked: false };
            }
        }
        // A password that is set opens the account.
        let locked = self.locked.or(self.hash.map(|_| after.is_locked));
        if let Some(locked) = locked.filter(|locked| *locked != after.is_locked) {
            let option = if locked { "--lock" } else { "--unlock" };
            fragment.run(["usermod", option, "--", self.user.as_str()]);
            details.push(if locked { "locked" } else { "unlocked" });
            after.is_locked = locked;
        }
        Ok((details, after))
    }
}
