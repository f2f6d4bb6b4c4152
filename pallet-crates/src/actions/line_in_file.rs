//! The `line-in-file` action.

use pallet_core::action::{
    Action, ActionError, Decision, Fragment, Mode, Preparation, ProbeSet, View,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, Ids};
use super::lines::Lines;
use super::whole_file::{WholeFile, check_kind, check_parent};
use crate::probes::{Entry, FileContent, Seen, Stat};
use crate::values::{AccountName, Ensure, FileMode, Pattern, RemotePath};

/// One line of a text file that something else looks after.
///
/// - With `match`, exactly one line is left of all that fit the pattern, and it is `line`: it
///   stands where the first of them stood. Without `match`, or where no line fits, the line is
///   added unless it is there already: before the first line that fits `before`, after the last
///   one that fits `after`, else at the end.
/// - With `ensure = "absent"` every line that is `line` or fits `match` is removed.
/// - Patterns are searched for anywhere in the line: begin them with `^`. Lines are compared byte
///   by byte.
/// - The file has to exist, unless `create` is set. It is replaced as a whole, at once. Owner,
///   group and mode stay as they are; those that are given are for a file that is created.
/// - Files of up to 64 KiB without NUL bytes are edited.
///
/// ```
/// use pallet_crates::LineInFile;
/// let port = LineInFile::new("/etc/ssh/sshd_config", "Port 2222")?.matching("^#?Port ")?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LineInFile {
    /// The file.
    path: RemotePath,
    /// The line, without its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<String>,
    /// A pattern: the lines that the line stands in for.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    matching: Option<Pattern>,
    /// A pattern: a new line is put after the last line that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Pattern>,
    /// A pattern: a new line is put before the first line that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Pattern>,
    /// Whether a missing file is created. Default: false.
    #[serde(default)]
    create: bool,
    /// The owner of a file that is created. Default: the user who writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<AccountName>,
    /// The group of a file that is created. Default: that of the user who writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<AccountName>,
    /// The mode of a file that is created. Default: 0644.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<FileMode>,
    /// Whether the line shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

impl LineInFile {
    /// A line that shall be in the file at `path`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn new(path: &str, line: impl Into<String>) -> Result<Self, String> {
        Ok(Self {
            path: path.parse()?,
            line: Some(line.into()),
            matching: None,
            after: None,
            before: None,
            create: false,
            owner: None,
            group: None,
            mode: None,
            ensure: Ensure::Present,
        })
    }

    /// Lines that fit `pattern` shall not be in the file at `path`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path or the pattern.
    pub fn none_matching(path: &str, pattern: &str) -> Result<Self, String> {
        let nothing = Self { line: None, ensure: Ensure::Absent, ..Self::new(path, "")? };
        nothing.matching(pattern)
    }

    /// The line stands in for those that fit `pattern`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the pattern.
    pub fn matching(mut self, pattern: &str) -> Result<Self, String> {
        self.matching = Some(pattern.parse()?);
        Ok(self)
    }

    /// Puts a new line after the last one that fits `pattern`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the pattern.
    pub fn after(mut self, pattern: &str) -> Result<Self, String> {
        self.after = Some(pattern.parse()?);
        Ok(self)
    }

    /// Puts a new line before the first one that fits `pattern`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the pattern.
    pub fn before(mut self, pattern: &str) -> Result<Self, String> {
        self.before = Some(pattern.parse()?);
        Ok(self)
    }

    /// Creates the file if it is missing.
    #[must_use]
    pub fn create(mut self) -> Self {
        self.create = true;
        self
    }

    /// The line shall not be there.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.ensure = Ensure::Absent;
        self
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes { owner: self.owner.as_ref(), group: self.group.as_ref(), mode: self.mode }
    }

    /// Edits the lines, and says in short what was done.
    fn edit(&self, lines: &mut Lines) -> String {
        let fits = |line: &[u8]| {
            let is_line = self.line.as_ref().is_some_and(|wanted| wanted.as_bytes() == line);
            is_line || self.matching.as_ref().is_some_and(|pattern| pattern.is_in(line))
        };
        let Some(line) = self.line.as_ref().filter(|_| self.ensure == Ensure::Present) else {
            lines.remove(fits);
            return "line removed".to_owned();
        };
        let line = line.as_bytes();
        let is_there = match self.matching {
            Some(_) => lines.replace(line, fits),
            None => lines.first(fits).is_some(),
        };
        if is_there {
            return "line replaced".to_owned();
        }
        let before = |pattern: &Pattern| lines.first(|line| pattern.is_in(line));
        let after = |pattern: &Pattern| lines.last(|line| pattern.is_in(line)).map(|at| at + 1);
        let place =
            self.before.as_ref().and_then(before).or_else(|| self.after.as_ref().and_then(after));
        match place {
            Some(place) => lines.insert(place, line),
            None => lines.push(line),
        }
        "line added".to_owned()
    }

    fn decide_from(&self, found: &Found<'_>, mode: Mode) -> Result<Decision, ActionError> {
        check_kind(&self.path, found.entry)?;
        let text: &[u8] = match (found.entry, found.seen) {
            (None, _) if self.ensure == Ensure::Absent => return Ok(Decision::Unchanged),
            (None, _) if self.create => {
                check_parent(&self.path, found.parent)?;
                b""
            }
            (None, _) => {
                return Err(ActionError::new(format!("there is no file {}", self.path)).help(
                    "create it in an earlier step, or let this one create it with create = true",
                ));
            }
            (Some(_), Seen::Text(text)) => text,
            (Some(_), seen) => return Err(self.unreadable(seen)),
        };
        let mut lines = Lines::of(text);
        let before = lines.clone();
        let detail = self.edit(&mut lines);
        if found.entry.is_some() && lines == before {
            return Ok(Decision::Unchanged);
        }
        let bytes = lines.text();
        let mut file = WholeFile::new(&self.path, &bytes);
        if found.entry.is_none() {
            file.attributes = self.attributes();
        }
        let mut fragment = Fragment::new();
        file.replace(&mut fragment, found.ids, found.entry.is_some());
        fragment.brief();
        let seen = Some(found.seen).filter(|_| mode == Mode::Check);
        let detail = match found.entry {
            Some(_) => detail,
            None => "created with the line".to_owned(),
        };
        let change = file.change(fragment, found.ids, found.entry, seen, vec![detail]);
        Ok(Decision::Change(change))
    }

    fn unreadable(&self, seen: &Seen) -> ActionError {
        let path = &self.path;
        let message = match seen {
            Seen::Large => format!("{path} is larger than 64 KiB, too large for editing lines"),
            Seen::Binary => format!("{path} is no text: it contains NUL bytes"),
            Seen::Nothing | Seen::Text(_) => format!("{path} cannot be read"),
        };
        ActionError::new(message).help("edit it with exec-script, or write it with remote-file")
    }
}

/// What was found on the node.
#[derive(Debug)]
struct Found<'a> {
    parent: Option<&'a Entry>,
    entry: Option<&'a Entry>,
    seen: &'a Seen,
    ids: Ids,
}

impl Action for LineInFile {
    const NAME: &'static str = "line-in-file";
    const SUMMARY: &'static str = "One line of a text file.";
    const EXAMPLE: &'static str = r#"{ line-in-file = { path = "/etc/ssh/sshd_config", match = "^#?Port ", line = "Port 2222" } }"#;

    fn subject(&self) -> String {
        let what = match (&self.line, &self.matching) {
            (Some(line), _) => line.clone(),
            (None, Some(pattern)) => pattern.to_string(),
            (None, None) => String::new(),
        };
        format!("{}: {what}", self.path)
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let breaks = |line: &String| line.contains(['\n', '\0']);
        if self.line.as_ref().is_some_and(breaks) {
            return Err(ActionError::new("`line` contains a line break or a NUL byte")
                .help("write one step for each line, or the whole file with remote-file"));
        }
        let places = self.create || self.after.is_some() || self.before.is_some();
        let describes = self.owner.is_some() || self.group.is_some() || self.mode.is_some();
        match self.ensure {
            Ensure::Present if self.line.is_none() => Err(ActionError::new("there is no `line`")
                .help("give it, or remove lines with ensure = \"absent\"")),
            Ensure::Present if describes && !self.create => {
                Err(ActionError::new("owner, group and mode are for a file that is created")
                    .help("add create = true, or set them with the file action"))
            }
            Ensure::Absent if self.line.is_none() && self.matching.is_none() => {
                Err(ActionError::new("nothing says which lines shall be absent")
                    .help("give `line`, `match` or both"))
            }
            Ensure::Absent if places || describes => Err(ActionError::new(
                "`create`, `after`, `before`, owner, group and mode are for lines that are added",
            )
            .help("remove them, or remove ensure = \"absent\"")),
            _ => Ok(None),
        }
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Stat>(self.path.clone());
        wanted.ask::<FileContent>(self.path.clone());
        if self.create {
            self.path.parent().into_iter().for_each(|parent| wanted.ask::<Stat>(parent));
            self.attributes().probe(wanted);
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let mut found = Found {
            parent: None,
            entry: view.get::<Stat>(&self.path)?.as_ref(),
            seen: view.get::<FileContent>(&self.path)?,
            ids: Ids::default(),
        };
        if self.create {
            if let Some(parent) = self.path.parent() {
                found.parent = view.get::<Stat>(&parent)?.as_ref();
            }
            found.ids = self.attributes().ids(view)?;
        }
        self.decide_from(&found, view.mode())
    }
}

#[cfg(test)]
mod tests;
