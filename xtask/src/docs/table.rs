//! Types as sections of a page.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use super::source::{Described, Key, Source};

/// Writes a type under a heading, and below it the types of ours that it is made of.
pub(super) struct Writer<'a> {
    source: &'a Source,
    near: Option<&'a Path>,
    told: BTreeSet<String>,
    out: String,
}

impl<'a> Writer<'a> {
    pub fn new(source: &'a Source, near: Option<&'a Path>) -> Self {
        Self { source, near, told: BTreeSet::new(), out: String::new() }
    }

    /// Writes a type and what is in it. `title` is what people call it.
    pub fn section(&mut self, level: usize, title: &str, name: &str) -> anyhow::Result<&mut Self> {
        let described = self
            .source
            .describe(name, self.near)
            .with_context(|| format!("there is no type `{name}` any more"))?;
        self.told.insert(name.to_owned());
        let _ = writeln!(self.out, "{} {title}\n", "#".repeat(level));
        if !described.doc.is_empty() {
            let _ = writeln!(self.out, "{}\n", described.doc);
        }
        self.keys(level, &described);
        Ok(self)
    }

    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    fn keys(&mut self, level: usize, described: &Described) {
        let mut inner = Vec::new();
        let what = if described.is_enum { "one of" } else { "key" };
        if described.is_enum || !described.keys.is_empty() {
            let _ = writeln!(self.out, "| {what} | takes | |\n| --- | --- | --- |");
        }
        for key in &described.keys {
            self.row("", key, &mut inner);
            for below in &key.keys {
                self.row(&format!("{}: ", key.name), below, &mut inner);
            }
        }
        self.out.push('\n');
        for name in inner {
            if self.told.insert(name.clone())
                && let Some(described) = self.source.describe(&name, self.near)
                && !described.keys.is_empty()
            {
                let _ = writeln!(self.out, "{} {name}\n", "#".repeat(level + 1));
                let _ = writeln!(self.out, "{}\n", described.doc);
                self.keys(level, &described);
            }
        }
    }

    fn row(&mut self, prefix: &str, key: &Key, inner: &mut Vec<String>) {
        let mut words = key.words.clone();
        if let Some(of) = &key.of {
            match self.source.describe(of, self.near) {
                Some(it) if !it.keys.is_empty() => {
                    words = words.replace(of, &format!("[{of}](#{})", of.to_lowercase()));
                    inner.push(of.clone());
                }
                _ => words = words.replace(of, "text"),
            }
        }
        let _ = writeln!(self.out, "| {prefix}`{}` | {words} | {} |", key.name, cell(&key.doc));
    }
}

/// A comment in a cell of a table.
pub(super) fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
