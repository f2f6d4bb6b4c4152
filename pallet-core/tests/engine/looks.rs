//! Looking at a node: in a shell that others share, and in one of its own.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Mode, ProbeKind, ProbeSet, View,
};
use pallet_core::spec::Phase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{run, statuses, this_machine};

/// What shell code prints.
struct Printed<const SHARES: bool>;

impl<const SHARES: bool> ProbeKind for Printed<SHARES> {
    const NAME: &'static str = if SHARES { "a-shared" } else { "b-own" };
    const SHARES_SHELL: bool = SHARES;
    type Request = String;
    type Answer = String;

    fn key(request: &String) -> Key {
        Key::path(request)
    }

    fn script(requests: &[String]) -> String {
        requests.join("\necho\n")
    }

    fn parse(_: &[String], output: &[u8]) -> Result<Vec<String>, String> {
        Ok(String::from_utf8_lossy(output).lines().map(str::to_owned).collect())
    }
}

/// Wants to know what code prints in either kind of shell.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Look {
    shared: String,
    own: String,
    expected: [String; 2],
}

impl Action for Look {
    const NAME: &'static str = "look";
    const SUMMARY: &'static str = "Looks.";
    const EXAMPLE: &'static str = "{ look = { shared = \"\", own = \"\", expected = [] } }";

    fn subject(&self) -> String {
        self.own.clone()
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Printed<true>>(self.shared.clone());
        wanted.ask::<Printed<false>>(self.own.clone());
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let seen = [
            view.get::<Printed<true>>(&self.shared)?.clone(),
            view.get::<Printed<false>>(&self.own)?.clone(),
        ];
        if seen == self.expected {
            return Ok(Decision::Unchanged);
        }
        let found = format!("printed {seen:?}");
        Ok(Decision::Change(Change::new(Fragment::new(), []).detail(found)))
    }
}

fn phase(shared: &str, own: &str, expected: [&str; 2]) -> Phase {
    let expected = expected.map(str::to_owned);
    Phase::new().action(Look { shared: shared.to_owned(), own: own.to_owned(), expected })
}

#[tokio::test]
async fn answers_come_from_both_kinds_of_shells() {
    let both = phase(
        "greeting=hello; echo $greeting",
        "cd /; shopt -s nullglob; echo $PWD-$LC_ALL",
        ["hello", "/-C"],
    );
    let report = run(&mut this_machine().await, &both, Mode::Apply).await;
    assert_eq!(statuses(&report), ["unchanged"], "{report:?}");
}

#[tokio::test]
async fn whoever_cannot_look_says_so_and_the_session_goes_on() {
    let mut here = this_machine().await;
    for (shared, own, kind) in [
        ("echo half; exit 3", "echo", "a-shared): exit status 3: half"),
        ("echo", "echo half; exit 3", "b-own): exit status 3: half"),
        ("echo; false", "echo", "a-shared): exit status 1"),
    ] {
        let report = run(&mut here, &phase(shared, own, ["", ""]), Mode::Apply).await;
        let message = report.failure.expect("fails").message;
        assert!(message.contains("could not be looked at") && message.contains(kind), "{message}");
        let fine = phase("echo a", "echo b", ["a", "b"]);
        assert_eq!(statuses(&run(&mut here, &fine, Mode::Apply).await), ["unchanged"]);
    }
}
