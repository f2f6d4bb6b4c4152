//! Command lines of useradd and its like, and lines that say what they change.

use pallet_core::action::Fragment;

use crate::values::AccountName;

/// A command line in the making.
pub(super) struct Words(Vec<String>);

impl Words {
    pub fn new(command: &str) -> Self {
        Self(vec![command.to_owned()])
    }

    pub fn flag(&mut self, given: bool, flag: &str) {
        self.0.extend(given.then(|| flag.to_owned()));
    }

    pub fn option(&mut self, option: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.0.extend([option.to_owned(), value.to_string()]);
        }
    }

    pub fn fragment(mut self, name: &AccountName) -> Fragment {
        self.0.extend(["--".to_owned(), name.to_string()]);
        let mut fragment = Fragment::new();
        fragment.run(self.0);
        fragment
    }
}

pub(super) fn join(names: &[AccountName]) -> Option<String> {
    let names: Vec<&str> = names.iter().map(AccountName::as_str).collect();
    (!names.is_empty()).then(|| names.join(","))
}

pub(super) fn arrow(what: &str, before: Option<impl ToString>, after: impl ToString) -> String {
    let after = after.to_string();
    match before {
        Some(before) => format!("{what} {} → {after}", before.to_string()),
        None => format!("{what} → {after}"),
    }
}
