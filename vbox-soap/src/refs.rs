//! The table of references that the server holds for a session.
//!
//! The server gives the same reference for the same object, however often it is asked, and forgets it at the first
//! release. So handles are counted here, and a reference is released only when
//! - no handle is left, and
//! - no call is under way whose answer might be that same reference: were it released after the server had put it
//!   into the answer, a dead handle would come out.
//!
//! Which calls those are is known by *family*: the root of the returned interface's line of descent (nothing for
//! "any interface"). While references of a family are being released, calls that return that family wait;
//! that is less than a millisecond or so each. If a family never comes to rest, so that what is to be
//! released piles up, new calls wait until all of it is gone.

use std::collections::HashMap;

use crate::operation::Operation;

/// The family of references that can be to any object.
const ANY: &str = "";

/// With this many references waiting, new calls of their family wait too.
const BACKLOG: usize = 1024;

/// The references of one session. Pure bookkeeping: the callers lock, wait and send.
#[derive(Debug, Default)]
pub(crate) struct RefTable {
    entries: HashMap<Box<str>, Entry>,
    families: HashMap<&'static str, Family>,
}

#[derive(Debug)]
struct Entry {
    handles: usize,
    family: &'static str,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There are handles, or it is in its family's list of idle references.
    Known,
    /// A release of it is under way.
    Releasing,
}

#[derive(Debug, Default)]
struct Family {
    /// Calls under way that may return a reference of this family.
    calls: usize,
    /// References whose handles are all gone. Some may have handles again.
    idle: Vec<Box<str>>,
    /// Releases under way.
    releasing: usize,
    /// So many are idle that new calls wait until all are released.
    draining: bool,
}

/// A reference to be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) id: Box<str>,
    pub(crate) family: &'static str,
}

impl RefTable {
    /// Says that a call begins; false if it has to wait.
    pub(crate) fn begin(&mut self, operation: &Operation) -> bool {
        if operation.references.iter().any(|place| self.must_wait(place.family)) {
            return false;
        }
        for place in operation.references {
            self.families.entry(place.family).or_default().calls += 1;
        }
        true
    }

    fn must_wait(&self, family: &str) -> bool {
        self.families.iter().any(|(name, other)| {
            let conflict = *name == family || *name == ANY || family == ANY;
            conflict && (other.releasing > 0 || other.draining)
        })
    }

    /// Says that a call that had begun is over, and everything it returned counted.
    pub(crate) fn end(&mut self, operation: &Operation) {
        for place in operation.references {
            if let Some(family) = self.families.get_mut(place.family) {
                family.calls = family.calls.saturating_sub(1);
            }
        }
    }

    /// Counts a handle for a reference that an answer contained.
    pub(crate) fn adopt(&mut self, id: &str, family: &'static str) {
        match self.entries.get_mut(id) {
            Some(entry) => {
                entry.handles += 1;
                if entry.family != family && entry.state == State::Known {
                    // One object through unrelated interfaces: no family is safe.
                    entry.family = ANY;
                }
            }
            None => {
                let entry = Entry { handles: 1, family, state: State::Known };
                self.entries.insert(id.into(), entry);
            }
        }
    }

    /// Counts one more for a reference that is held already.
    pub(crate) fn hold(&mut self, id: &str) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.handles += 1;
        }
    }

    /// Counts a handle less; true if that was the last.
    pub(crate) fn forget(&mut self, id: &str) -> bool {
        let Some(entry) = self.entries.get_mut(id) else { return false };
        entry.handles = entry.handles.saturating_sub(1);
        if entry.handles > 0 || entry.state != State::Known {
            return false;
        }
        let family = self.families.entry(entry.family).or_default();
        family.idle.push(id.into());
        family.draining |= family.idle.len() >= BACKLOG;
        true
    }

    /// Takes up to `limit` references that may be released now. [`RefTable::released`] must follow.
    pub(crate) fn take_releasable(&mut self, limit: usize) -> Vec<Release> {
        let mut taken = vec![];
        let names: Vec<_> = self.families.keys().copied().collect();
        for name in names {
            let busy = self.families.iter().any(|(other, family)| {
                family.calls > 0 && (*other == name || *other == ANY || name == ANY)
            });
            if busy {
                continue;
            }
            let Some(family) = self.families.get_mut(name) else { continue };
            while taken.len() < limit {
                let Some(id) = family.idle.pop() else { break };
                let Some(entry) = self.entries.get_mut(&id) else { continue };
                // It may have got handles again, be listed twice, or have changed its family.
                if entry.handles > 0 || entry.state != State::Known || entry.family != name {
                    continue;
                }
                entry.state = State::Releasing;
                family.releasing += 1;
                taken.push(Release { id, family: name });
            }
            if family.idle.is_empty() {
                family.draining = false;
            }
        }
        taken
    }

    /// Says that the server has forgotten these references.
    pub(crate) fn released(&mut self, releases: &[Release]) {
        for release in releases {
            if let Some(family) = self.families.get_mut(release.family) {
                family.releasing = family.releasing.saturating_sub(1);
            }
            self.entries.remove(&release.id);
        }
    }

    /// Whether releases should not wait for a lull: so many wait, or one may give back a lock.
    pub(crate) fn is_pressing(&self) -> bool {
        self.families
            .iter()
            .any(|(name, family)| family.draining || *name == "ISession" && !family.idle.is_empty())
    }

    /// Whether anything waits for being released, or is being released.
    pub(crate) fn is_settled(&self) -> bool {
        self.families.values().all(|family| family.idle.is_empty() && family.releasing == 0)
    }

    /// How many references the server holds.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;
