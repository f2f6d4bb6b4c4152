//! Knowledge: answers to probes, seen on the node or predicted.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::Key;
use super::probe::{ProbeKind, kind_id};

/// Answers to probes, by kind and request.
#[derive(Default)]
pub struct Knowledge {
    tables: HashMap<TypeId, Box<dyn Table>>,
}

impl Knowledge {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The answer to one request, if it is known.
    pub fn get<K: ProbeKind>(&self, request: &K::Request) -> Option<&K::Answer> {
        let table = self.tables.get(&kind_id::<K>())?;
        table.as_any().downcast_ref::<Answers<K>>()?.0.get(request)
    }

    /// Notes an answer, in place of an earlier one.
    pub fn insert<K: ProbeKind>(&mut self, request: K::Request, answer: K::Answer) {
        let table = self
            .tables
            .entry(kind_id::<K>())
            .or_insert_with(|| Box::new(Answers::<K>(BTreeMap::new())));
        if let Some(answers) = table.as_any_mut().downcast_mut::<Answers<K>>() {
            answers.0.insert(request, answer);
        }
    }

    /// Forgets every answer that depends on something `written`.
    pub fn forget(&mut self, written: &[Key]) {
        for table in self.tables.values_mut() {
            table.forget(written);
        }
    }

    /// Takes over all answers of `other`, in place of earlier ones.
    pub fn merge(&mut self, other: Knowledge) {
        for (id, table) in other.tables {
            match self.tables.get_mut(&id) {
                Some(mine) => mine.merge(table),
                None => {
                    self.tables.insert(id, table);
                }
            }
        }
    }
}

impl fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tables.values()).finish()
    }
}

trait Table: fmt::Debug + Send + Sync {
    fn forget(&mut self, written: &[Key]);
    fn merge(&mut self, other: Box<dyn Table>);
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

struct Answers<K: ProbeKind>(BTreeMap<K::Request, K::Answer>);

impl<K: ProbeKind> fmt::Debug for Answers<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", K::NAME)?;
        f.debug_map().entries(&self.0).finish()
    }
}

impl<K: ProbeKind> Table for Answers<K> {
    fn forget(&mut self, written: &[Key]) {
        self.0.retain(|request, _| {
            let key = K::key(request);
            !written.iter().any(|write| write.overlaps(&key))
        });
    }

    fn merge(&mut self, other: Box<dyn Table>) {
        if let Ok(other) = other.into_any().downcast::<Self>() {
            self.0.extend(other.0);
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
