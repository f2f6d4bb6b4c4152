//! Small actions for tests: a file with content, and the need for a file.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, ProbeKind, ProbeSet, View,
};
use pallet_core::shell::quote;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The content of a small file.
pub struct Content;

impl ProbeKind for Content {
    const NAME: &'static str = "content";
    type Request = String;
    type Answer = Option<Vec<u8>>;

    fn key(request: &String) -> Key {
        Key::path(request)
    }

    fn script(requests: &[String]) -> String {
        let each = requests.iter().map(|path| {
            let path = quote(path);
            format!("if [ -e {path} ]; then stat -c %s {path}; cat {path}; else echo -; fi")
        });
        each.collect::<Vec<_>>().join("\n")
    }

    fn parse(requests: &[String], mut output: &[u8]) -> Result<Vec<Self::Answer>, String> {
        let mut answers = Vec::new();
        for _ in requests {
            let end = output.iter().position(|byte| *byte == b'\n').ok_or("cut short")?;
            let (head, rest) = output.split_at(end);
            output = &rest[1..];
            if head == b"-" {
                answers.push(None);
                continue;
            }
            let size: usize = String::from_utf8_lossy(head).parse().map_err(|_| "no size")?;
            let (content, rest) = output.split_at(size);
            answers.push(Some(content.to_vec()));
            output = rest;
        }
        Ok(answers)
    }
}

/// Puts content into a file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Put {
    pub path: String,
    pub content: Vec<u8>,
    /// Whether it says what will be there: then later actions need not look again.
    pub predicts: bool,
}

impl Put {
    pub fn new(path: String, content: impl Into<Vec<u8>>) -> Self {
        Self { path, content: content.into(), predicts: true }
    }
}

impl Action for Put {
    const NAME: &'static str = "put";
    const SUMMARY: &'static str = "Puts content into a file.";
    const EXAMPLE: &'static str = "{ put = { path = \"/x\", content = [], predicts = true } }";

    fn subject(&self) -> String {
        self.path.clone()
    }

    fn probe(&self, _view: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Content>(self.path.clone());
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        if view.get::<Content>(&self.path)?.as_ref() == Some(&self.content) {
            return Ok(Decision::Unchanged);
        }
        let mut fragment = Fragment::new();
        let payload = fragment.payload(self.content.clone());
        fragment.line(&format!("{payload} >{}", quote(&self.path)));
        let mut change = Change::new(fragment, [Key::path(&self.path)]);
        if self.predicts {
            change = change.predict::<Content>(self.path.clone(), Some(self.content.clone()));
        }
        Ok(Decision::Change(change))
    }
}

/// Fails to decide unless a file is there.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Need {
    pub path: String,
}

impl Action for Need {
    const NAME: &'static str = "need";
    const SUMMARY: &'static str = "Needs a file.";
    const EXAMPLE: &'static str = "{ need = { path = \"/x\" } }";

    fn subject(&self) -> String {
        self.path.clone()
    }

    fn probe(&self, _view: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Content>(self.path.clone());
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        match view.get::<Content>(&self.path)? {
            Some(_) => Ok(Decision::Unchanged),
            None => Err(ActionError::new(format!("{} is missing", self.path)).help("make it")),
        }
    }
}

/// Runs a script, which may change everything, where a file is missing.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Guarded {
    pub missing: String,
    pub script: String,
}

impl Action for Guarded {
    const NAME: &'static str = "guarded";
    const SUMMARY: &'static str = "Runs a script where a file is missing.";
    const EXAMPLE: &'static str = "{ guarded = { missing = \"/x\", script = \"true\" } }";

    fn subject(&self) -> String {
        self.missing.clone()
    }

    fn probe(&self, _view: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Content>(self.missing.clone());
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        if view.get::<Content>(&self.missing)?.is_some() {
            return Ok(Decision::Unchanged);
        }
        let mut fragment = Fragment::new();
        fragment.line(&self.script);
        Ok(Decision::Change(Change::new(fragment, self.may_write())))
    }

    fn may_write(&self) -> Vec<Key> {
        vec![Key::Everything]
    }
}

/// Removes a file, and does not say what is there then.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Remove {
    pub path: String,
}

impl Action for Remove {
    const NAME: &'static str = "remove";
    const SUMMARY: &'static str = "Removes a file.";
    const EXAMPLE: &'static str = "{ remove = { path = \"/x\" } }";

    fn subject(&self) -> String {
        self.path.clone()
    }

    fn probe(&self, _view: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Content>(self.path.clone());
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        if view.get::<Content>(&self.path)?.is_none() {
            return Ok(Decision::Unchanged);
        }
        let mut fragment = Fragment::new();
        fragment.run(["rm", "--", &self.path]);
        Ok(Decision::Change(Change::new(fragment, [Key::path(&self.path)])))
    }
}
