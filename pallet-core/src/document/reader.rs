//! A typed cursor over a document's tables.
//!
//! Nothing in here stops at a mistake: it is noted, and the reading goes on, so that a document's
//! mistakes are all told at once.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::diagnostic::{Diagnostic, Diagnostics, Mistake, collected};
use super::position::Positions;
use super::suggest;
use crate::spec::Origin;

/// A value of a document, with its place.
pub(super) type Node<'d> = Spanned<DeValue<'d>>;

/// Collects the mistakes of a document and of the settings that it was merged with.
#[derive(Debug)]
pub(super) struct Reader {
    /// The document, and behind it in the long text the settings.
    document: Source,
    settings: Vec<Source>,
    diagnostics: RefCell<Vec<Diagnostic>>,
}

/// A text that values come from.
#[derive(Debug)]
struct Source {
    /// Where it begins in the long text.
    start: usize,
    file: Arc<Path>,
    text: Arc<str>,
    positions: Positions,
}

impl Source {
    fn new(start: usize, file: Arc<Path>, text: Arc<str>) -> Self {
        Self { start, file, positions: Positions::new(text.clone()), text }
    }
}

impl Reader {
    /// A reader that has found no mistake yet.
    pub(super) fn new(file: Arc<Path>, text: Arc<str>) -> Self {
        let document = Source::new(0, file, text);
        Self { document, settings: Vec::new(), diagnostics: RefCell::default() }
    }

    /// Adds the text of settings that begins at `start` of the long text.
    pub(super) fn add(&mut self, start: usize, file: Arc<Path>, text: Arc<str>) {
        self.settings.push(Source::new(start, file, text));
    }

    fn source_of(&self, span: &Range<usize>) -> &Source {
        let holds = |source: &&Source| source.start <= span.start;
        self.settings.iter().rev().find(holds).unwrap_or(&self.document)
    }

    /// The folder of the file that `span` is of; empty for the current one.
    pub(super) fn folder_of(&self, span: &Range<usize>) -> &Path {
        self.source_of(span).file.parent().unwrap_or(Path::new(""))
    }

    /// Notes a mistake.
    pub(super) fn note(&self, mistake: Mistake) {
        let source = self.source_of(mistake.span());
        let mistake = mistake.moved_back(source.start);
        self.diagnostics.borrow_mut().push(mistake.in_document(&source.file, &source.text));
    }

    /// Notes that a value is of the wrong kind.
    pub(super) fn note_wrong_kind(&self, name: &str, value: &Node<'_>, expected: &str) {
        let found = kind(value.get_ref());
        self.note(
            Mistake::new(value.span(), format!("`{name}` must be {expected}, but is {found}"))
                .label(format!("expected {expected}")),
        );
    }

    /// The place of `span` for people.
    pub(super) fn origin(&self, span: &Range<usize>) -> Origin {
        let source = self.source_of(span);
        let (line, column) = source.positions.locate(span.start - source.start);
        Origin { file: source.file.clone(), line, column }
    }

    /// All mistakes noted so far, or nothing.
    ///
    /// # Errors
    /// The mistakes.
    pub(super) fn finish(self) -> Result<(), Diagnostics> {
        let diagnostics = self.diagnostics.into_inner();
        if diagnostics.is_empty() { Ok(()) } else { Err(collected(diagnostics)) }
    }

    /// A value as a string.
    pub(super) fn string(&self, name: &str, value: &Node<'_>) -> Option<Spanned<String>> {
        match value.get_ref() {
            DeValue::String(text) => Some(Spanned::new(value.span(), text.to_string())),
            _ => {
                self.note_wrong_kind(name, value, "a string");
                None
            }
        }
    }
}

/// What a value is, for people.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The full name of a key within a table: `group-spec.web`.
pub(super) fn join(table: &str, key: impl Display) -> String {
    if table.is_empty() { key.to_string() } else { format!("{table}.{key}") }
}

/// How messages call the elements of an array: `extends[]`.
pub(super) fn element(array: &str) -> String {
    format!("{array}[]")
}

/// A table, read key by key. It remembers which keys were asked for; all others are mistakes.
#[derive(Debug)]
pub(super) struct Table<'t, 'd> {
    reader: &'t Reader,
    name: String,
    span: Range<usize>,
    table: &'t DeTable<'d>,
    asked: Vec<&'static str>,
}

/// A key of a table, with its value.
#[derive(Debug)]
pub(super) struct Entry<'t, 'd> {
    /// Its full name, for messages.
    pub(super) name: String,
    /// The key itself.
    pub(super) key: &'t Spanned<DeString<'d>>,
    /// The value.
    pub(super) value: &'t Node<'d>,
}

impl<'t, 'd> Table<'t, 'd> {
    /// Reads the whole document.
    pub(super) fn root(reader: &'t Reader, table: &'t Spanned<DeTable<'d>>) -> Self {
        let (name, span) = (String::new(), table.span());
        Self { reader, name, span, table: table.get_ref(), asked: Vec::new() }
    }

    /// Reads `value`, which must be a table.
    pub(super) fn of(reader: &'t Reader, name: &str, value: &'t Node<'d>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Self {
                reader,
                name: name.to_owned(),
                span: value.span(),
                table,
                asked: Vec::new(),
            }),
            _ => {
                reader.note_wrong_kind(name, value, "a table");
                None
            }
        }
    }

    /// The table's full name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where the table stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The entry of `key`, which thereby becomes an allowed key.
    pub(super) fn entry(&mut self, key: &'static str) -> Option<Entry<'t, 'd>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let (key, value) = self.table.get_key_value(key)?;
        Some(Entry { name: join(&self.name, key), key, value })
    }

    /// The string under `key`.
    pub(super) fn string(&mut self, key: &'static str) -> Option<Spanned<String>> {
        let entry = self.entry(key)?;
        self.reader.string(&entry.name, entry.value)
    }

    /// The list of strings under `key`; empty without one.
    pub(super) fn strings(&mut self, key: &'static str) -> Vec<Spanned<String>> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        match entry.value.get_ref() {
            DeValue::Array(values) => {
                let name = element(&entry.name);
                values.iter().filter_map(|value| self.reader.string(&name, value)).collect()
            }
            DeValue::String(only) => {
                let message = format!("`{}` must be an array of strings", entry.name);
                self.reader.note(
                    Mistake::new(entry.value.span(), message)
                        .label("expected an array of strings")
                        .help(format!("write `[{only:?}]`")),
                );
                Vec::new()
            }
            _ => {
                self.reader.note_wrong_kind(&entry.name, entry.value, "an array of strings");
                Vec::new()
            }
        }
    }

    /// The string, or list of strings, under `key`; empty without one.
    pub(super) fn string_or_strings(&mut self, key: &'static str) -> Vec<Spanned<String>> {
        match self.table.get(key) {
            Some(value) if value.get_ref().is_str() => self.string(key).into_iter().collect(),
            _ => self.strings(key),
        }
    }

    /// The table under `key`.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Table<'t, 'd>> {
        let entry = self.entry(key)?;
        Table::of(self.reader, &entry.name, entry.value)
    }

    /// All entries that nobody has asked for.
    pub(super) fn others(&self) -> impl Iterator<Item = Entry<'t, 'd>> {
        let unasked = |key: &str| !self.asked.contains(&key);
        self.table.iter().filter(move |(key, _)| unasked(key.get_ref())).map(|(key, value)| Entry {
            name: join(&self.name, key),
            key,
            value,
        })
    }

    /// Notes keys that nobody has asked for as mistakes.
    pub(super) fn finish(self) {
        for entry in self.others() {
            self.reader.note(unknown_key(&self.name, entry.key, self.asked.iter().copied()));
        }
    }
}

/// The mistake of a key that is none of the `allowed` ones.
pub(super) fn unknown_key<'a>(
    table: &str,
    key: &Spanned<DeString<'_>>,
    allowed: impl IntoIterator<Item = &'a str>,
) -> Mistake {
    let place = if table.is_empty() { String::new() } else { format!(" in `{table}`") };
    Mistake::new(key.span(), format!("unknown key `{key}`{place}"))
        .label("not known here")
        .help(suggest::choices(key.get_ref(), allowed, "allowed keys"))
}
