//! Random interleavings of calls, dropped handles and releases against a model of the server.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::operation::ReferenceIn;

const fn returning(references: &'static [ReferenceIn]) -> Operation {
    Operation {
        name: "get",
        parameters: &[],
        output: "returnval",
        references,
        spellings: &[],
        versions: 1,
    }
}

const fn place(family: &'static str) -> ReferenceIn {
    ReferenceIn { element: "returnval", field: "", family }
}

static OPERATIONS: [Operation; 3] =
    [returning(&[place("IMachine")]), returning(&[place("IMedium")]), returning(&[place(ANY)])];

/// The server: one reference for one object, a new one after a release.
#[derive(Default)]
struct Server {
    by_object: BTreeMap<u8, String>,
    issued: usize,
}

impl Server {
    fn reference(&mut self, object: u8) -> String {
        let issued = &mut self.issued;
        let new = || {
            *issued += 1;
            format!("ref-{issued}")
        };
        self.by_object.entry(object).or_insert_with(new).clone()
    }

    fn release(&mut self, id: &str) {
        self.by_object.retain(|_, known| known != id);
    }

    fn knows(&self, id: &str) -> bool {
        self.by_object.values().any(|known| known == id)
    }
}

struct CallUnderWay {
    operation: &'static Operation,
    family: &'static str,
    object: u8,
    answer: Option<String>,
}

#[derive(Debug, Clone)]
enum Step {
    Begin { operation: usize, object: u8 },
    ServerAnswers(usize),
    AnswerArrives(usize),
    DropHandle(usize),
    TakeReleases,
    ServerReleases,
    ReleasesDone,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3usize, 0..4u8).prop_map(|(operation, object)| Step::Begin { operation, object }),
        3 => any::<usize>().prop_map(Step::ServerAnswers),
        3 => any::<usize>().prop_map(Step::AnswerArrives),
        4 => any::<usize>().prop_map(Step::DropHandle),
        2 => Just(Step::TakeReleases),
        2 => Just(Step::ServerReleases),
        2 => Just(Step::ReleasesDone),
    ]
}

#[derive(Default)]
struct World {
    table: RefTable,
    server: Server,
    calls: Vec<CallUnderWay>,
    handles: Vec<String>,
    batch: Vec<Release>,
    sent: usize,
}

impl World {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Begin { operation, object } => {
                let operation = &OPERATIONS[operation];
                // Even objects are machines, odd ones media, whatever the call says it returns.
                let family = if object % 2 == 0 { "IMachine" } else { "IMedium" };
                let family = if operation.references[0].family == ANY { ANY } else { family };
                let fits = operation.references[0].family == family;
                if fits && self.table.begin(operation) {
                    self.calls.push(CallUnderWay { operation, family, object, answer: None });
                }
            }
            Step::ServerAnswers(which) => {
                let count = self.calls.len().max(1);
                if let Some(call) = self.calls.get_mut(which % count)
                    && call.answer.is_none()
                {
                    call.answer = Some(self.server.reference(call.object));
                }
            }
            Step::AnswerArrives(which) => {
                let which = which % self.calls.len().max(1);
                if self.calls.get(which).is_some_and(|call| call.answer.is_some()) {
                    let call = self.calls.swap_remove(which);
                    let id = call.answer.unwrap();
                    self.table.adopt(&id, call.family);
                    self.handles.push(id);
                    self.table.end(call.operation);
                }
            }
            Step::DropHandle(which) => {
                if !self.handles.is_empty() {
                    let id = self.handles.swap_remove(which % self.handles.len());
                    self.table.forget(&id);
                }
            }
            Step::TakeReleases => {
                if self.batch.is_empty() {
                    self.batch = self.table.take_releasable(2);
                    self.sent = 0;
                }
            }
            Step::ServerReleases => {
                if let Some(release) = self.batch.get(self.sent) {
                    self.server.release(&release.id);
                    self.sent += 1;
                }
            }
            Step::ReleasesDone => {
                if self.sent == self.batch.len() {
                    self.table.released(&self.batch);
                    self.batch.clear();
                }
            }
        }
    }

    /// No handle is dead, and no answer on its way is.
    fn check(&self) -> Result<(), TestCaseError> {
        for id in self.handles.iter().chain(self.calls.iter().filter_map(|c| c.answer.as_ref())) {
            prop_assert!(self.server.knows(id), "{} is dead", id);
        }
        Ok(())
    }

    fn finish(&mut self) {
        while !self.calls.is_empty() {
            self.step(&Step::ServerAnswers(0));
            self.step(&Step::AnswerArrives(0));
        }
        while !self.handles.is_empty() {
            self.step(&Step::DropHandle(0));
        }
        loop {
            while self.sent < self.batch.len() {
                self.step(&Step::ServerReleases);
            }
            self.step(&Step::ReleasesDone);
            self.step(&Step::TakeReleases);
            if self.batch.is_empty() {
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_handle_is_ever_dead_and_nothing_is_left_behind(
        steps in prop::collection::vec(step(), 0..200)
    ) {
        let mut world = World::default();
        for step in &steps {
            world.step(step);
            world.check()?;
        }
        world.finish();
        prop_assert_eq!(world.table.len(), 0);
        prop_assert!(world.table.is_settled());
        let left: BTreeSet<_> = world.server.by_object.values().collect();
        prop_assert!(left.is_empty(), "left behind: {:?}", left);
    }
}
