//! Making a running guest fit to be an image model.
//!
//! A guest that was installed by hand is not yet a good image: somebody has to be able to log in
//! to its instances and become root, and nothing may be in it that two machines must not share.
//! [`Prepare`] knows what that is, as [steps](Step) to show and as shell scripts to run, one that
//! only looks and one that does what is missing. This crate does not log in to guests: whoever has
//! a way to the guest runs the script there as root, and gives what it prints to
//! [`read_findings`].
//!
//! ```
//! use vmfest::prepare::{Prepare, read_findings};
//!
//! # fn run_as_root(script: &str) -> String { String::new() }
//! # let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
//! let prepare = Prepare::new("pallet-admin", [key])?;
//! let printed = run_as_root(&prepare.apply_script()); // such as: ssh guest sudo sh -s
//! for finding in read_findings(&printed) {
//!     println!("{finding}");
//! }
//! # Ok::<(), vmfest::prepare::PrepareError>(())
//! ```
//!
//! The last steps take the guest's identity away. A connection that is open stays open, but there
//! is no further one: next, [shut it down](crate::Instance::shut_down) and
//! [make a model of it](crate::Manager::clone_model).

mod findings;
mod steps;

pub use findings::{Finding, Outcome, read_findings};
pub use steps::{Kind, Step};

use steps::STEPS;

/// The functions that do the steps.
const FUNCTIONS: &str = include_str!("steps.sh");

/// What a guest is to be prepared for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepare {
    user: String,
    keys: Vec<String>,
    left_out: Vec<&'static str>,
}

/// What no guest can be prepared with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// No account can be called so.
    #[error(
        "{0:?} cannot be the name of an account: it may have up to 32 small letters, digits, '-' and '_', and begins with a letter or '_'"
    )]
    User(String),
    /// That is no public key.
    #[error(
        "{0:?} is no public key for authorized_keys; it is the line in a file such as ~/.ssh/id_ed25519.pub"
    )]
    Key(String),
    /// There was none.
    #[error("without a public key nobody can log in to the instances; give at least one")]
    NoKey,
    /// There is no step of that name.
    #[error("there is no step {name:?}{}; there are {}", did_you_mean(.suggestion), names())]
    UnknownStep {
        /// The name that was given.
        name: String,
        /// The one that was probably meant.
        suggestion: Option<&'static str>,
    },
}

fn did_you_mean(suggestion: &Option<&'static str>) -> String {
    suggestion.map(|name| format!(", did you mean {name:?}?")).unwrap_or_default()
}

fn names() -> String {
    STEPS.map(|step| step.name).join(", ")
}

impl Prepare {
    /// For an administrator of this name, who logs in with one of these public keys: lines as they
    /// stand in `.pub` files.
    ///
    /// # Errors
    /// When an account cannot be called so, or what is given is no public key.
    pub fn new<K: AsRef<str>>(
        user: &str,
        public_keys: impl IntoIterator<Item = K>,
    ) -> Result<Self, PrepareError> {
        if !is_account(user) {
            return Err(PrepareError::User(user.to_owned()));
        }
        let keys = public_keys.into_iter().map(|key| {
            let key = key.as_ref().trim();
            is_public_key(key).then(|| key.to_owned()).ok_or_else(|| {
                // Whoever gives a private key does not want to see it again.
                PrepareError::Key(key.chars().take(30).collect())
            })
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(PrepareError::NoKey);
        }
        Ok(Self { user: user.to_owned(), keys, left_out: Vec::new() })
    }

    /// Leaves a step out, such as `logs`.
    ///
    /// # Errors
    /// [`PrepareError::UnknownStep`], with what there is.
    pub fn without(mut self, name: &str) -> Result<Self, PrepareError> {
        match STEPS.iter().find(|step| step.name == name) {
            Some(step) => {
                self.left_out.push(step.name);
                Ok(self)
            }
            None => Err(PrepareError::UnknownStep {
                name: name.to_owned(),
                suggestion: crate::suggest::closest(name, STEPS.map(|step| step.name)),
            }),
        }
    }

    /// The steps, in the order in which they are done.
    pub fn steps(&self) -> impl Iterator<Item = &'static Step> {
        STEPS.iter().filter(|step| !self.left_out.contains(&step.name))
    }

    /// A script that looks at each step and changes nothing. It runs as root, in any POSIX shell.
    #[must_use]
    pub fn check_script(&self) -> String {
        self.script("check")
    }

    /// A script that does what is missing. It runs as root, in any POSIX shell, and can be run
    /// again. If something cannot be done, the steps that take the guest's identity away are left
    /// for the next time.
    #[must_use]
    pub fn apply_script(&self) -> String {
        self.script("apply")
    }

    fn script(&self, verb: &str) -> String {
        let mut script = format!(
            "USER_NAME={}\nKEYS={}\n{FUNCTIONS}",
            quote(&self.user),
            quote(&self.keys.join("\n"))
        );
        for step in self.steps() {
            let (kind, name, function) = (step.kind.as_str(), step.name, step.function());
            script += &format!("{verb}_{kind} {name} {function}\n");
            if name == "root" {
                // The others would only fail, each in its own way.
                script += "is_root || exit 1\n";
            }
        }
        script
    }

    /// Whether, after [`Prepare::apply_script`], the guest can be shut down and made a model of: all
    /// steps were told of, and none is open or has failed.
    #[must_use]
    pub fn is_done(&self, findings: &[Finding]) -> bool {
        self.steps().all(|step| {
            let found = findings.iter().find(|finding| finding.step == *step);
            found.is_some_and(|finding| {
                matches!(finding.outcome, Outcome::Ready | Outcome::Changed | Outcome::Advice)
            })
        })
    }
}

fn is_account(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c))
}

fn is_public_key(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let (Some(algorithm), Some(base64)) = (words.next(), words.next()) else { return false };
    let known = ["ssh-", "ecdsa-", "sk-"].iter().any(|start| algorithm.starts_with(start));
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    known
        && base64.len() > 40
        && base64.chars().all(is_base64)
        && !line.chars().any(char::is_control)
}

/// A text as one word of a shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::host_key::tests::ED25519;

    #[test]
    fn what_cannot_be_is_refused() {
        let error =
            |user: &str, keys: &[&str]| Prepare::new(user, keys).expect_err(user).to_string();
        assert!(error("Admin", &[ED25519]).contains("small letters"));
        assert!(error("a b", &[ED25519]).contains("account"));
        assert!(error("-f", &[ED25519]).contains("account"));
        assert!(error("admin", &[]).contains("at least one"));
        for key in ["", "hello", "-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-rsa short"] {
            assert!(error("admin", &[key]).contains(".pub"), "{key}");
        }
        let two_lines = format!("{ED25519} me\n{ED25519}");
        assert!(error("admin", &[&two_lines]).contains(".pub"));
        let prepare = Prepare::new("admin", [ED25519]).expect("can be");
        let unknown = prepare.clone().without("host-key").expect_err("no such step").to_string();
        assert!(unknown.contains("did you mean \"host-key"), "{unknown}");
        let fewer = prepare.clone().without("logs").expect("known");
        assert_eq!(fewer.steps().count() + 1, prepare.steps().count());
        assert!(!fewer.apply_script().contains("apply_seal logs"));
    }

    /// A key's comment is anybody's, and stays one.
    #[test]
    fn values_are_words_and_never_code() {
        let key = format!("{ED25519} it's `touch /tmp/x` $(id) \"");
        let script = Prepare::new("admin", [&key]).expect("can be").check_script();
        let assignments: String = script.lines().take(2).map(|line| format!("{line}\n")).collect();
        let run = Command::new("sh").arg("-c").arg(assignments + "printf %s \"$KEYS\"").output();
        assert_eq!(String::from_utf8_lossy(&run.expect("a shell").stdout), key);
    }

    #[test]
    fn scripts_are_shell_programs() {
        let prepare = Prepare::new("admin", [ED25519]).expect("can be");
        for script in [prepare.check_script(), prepare.apply_script()] {
            let run = Command::new("sh").arg("-n").arg("-c").arg(&script).output();
            let run = run.expect("a shell");
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        }
    }

    #[test]
    fn done_is_when_nothing_is_left() {
        let prepare = Prepare::new("admin", [ED25519]).expect("can be");
        let told = |word: &str, last: &str| {
            let lines = prepare.steps().map(|step| {
                let word = if step.name == "host-keys" { last } else { word };
                format!("vmfest-prepare: {} {word}\n", step.name)
            });
            read_findings(&lines.collect::<String>())
        };
        assert!(prepare.is_done(&told("ready", "changed")));
        assert!(!prepare.is_done(&told("ready", "later")));
        assert!(!prepare.is_done(&told("ready", "failed")));
        assert!(!prepare.is_done(&told("ready", "ready")[1..]), "one is missing");
    }
}
