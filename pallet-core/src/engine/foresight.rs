//! What changes will do that are decided, and not applied.

use crate::action::{Key, Knowledge};

/// What changes that are decided, but not applied, will do.
#[derive(Default)]
pub(super) struct Ahead {
    pub predicted: Knowledge,
    pub written: Vec<Key>,
    /// What is written by changes that may come or not: whoever looks at it cannot be sure.
    doubtful: Vec<Key>,
    /// Which actions do it, each with where its keys begin in `written`.
    steps: Vec<(usize, usize)>,
    /// Who does it, where it is none of this phase's actions.
    pub before: Option<String>,
}

/// Check mode: what the changes of earlier phases will do.
#[derive(Default)]
pub(super) struct Foresight {
    predicted: Knowledge,
    written: Vec<Key>,
    doubtful: Vec<Key>,
    phase: Option<String>,
}

impl Foresight {
    /// Whether the last phase that was looked at is this one.
    pub fn is_of(&self, phase: &str) -> bool {
        self.phase.as_deref() == Some(phase)
    }
}

impl From<Foresight> for Ahead {
    fn from(Foresight { predicted, written, doubtful, phase }: Foresight) -> Self {
        let before = phase.map(|phase| format!("a step of phase `{phase}`"));
        Self { predicted, written, doubtful, steps: Vec::new(), before }
    }
}

impl Ahead {
    /// What later phases have to reckon with, once the one called `phase` has been looked at.
    pub fn into_foresight(self, phase: &str) -> Foresight {
        let Self { predicted, written, doubtful, .. } = self;
        let phase = (!written.is_empty()).then(|| phase.to_owned());
        Foresight { predicted, written, doubtful, phase }
    }

    /// Adds what the action at `position` will do.
    pub fn foresee(&mut self, position: usize, writes: Vec<Key>, predicted: Knowledge) {
        // A later write makes an earlier prediction worthless, unless it predicts anew.
        self.predicted.forget(&writes);
        self.predicted.merge(predicted);
        self.steps.push((position, self.written.len()));
        self.written.extend(writes);
    }

    /// Adds what the action at `position` may do or not.
    pub fn doubt(&mut self, position: usize, writes: Vec<Key>, predicted: Knowledge) {
        self.doubtful.extend(writes.iter().cloned());
        self.foresee(position, writes, predicted);
    }

    /// Whether what is said of one of `keys` is only what may become of it.
    pub fn is_doubtful(&self, keys: impl FnOnce() -> Vec<Key>) -> bool {
        !self.doubtful.is_empty()
            && keys().iter().any(|key| self.doubtful.iter().any(|doubt| doubt.overlaps(key)))
    }

    /// Whether an action is one of those that are ahead.
    pub fn does(&self, position: usize) -> bool {
        self.steps.iter().any(|(step, _)| *step == position)
    }

    /// The last action that writes something of `keys`; the last of all if none does so.
    pub fn latest(&self, keys: &[Key]) -> Option<usize> {
        let ends = self.steps.iter().skip(1).map(|(_, begin)| *begin).chain([self.written.len()]);
        let steps: Vec<_> = self.steps.iter().zip(ends).collect();
        let writes = |((_, begin), end): &&(&(usize, usize), usize)| {
            let written = self.written.get(*begin..*end).unwrap_or_default();
            written.iter().any(|write| keys.iter().any(|key| write.overlaps(key)))
        };
        let found = steps.iter().rev().find(writes).or(steps.last());
        found.map(|((position, _), _)| *position)
    }
}
