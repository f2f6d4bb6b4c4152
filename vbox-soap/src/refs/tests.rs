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

static NOTHING: Operation = returning(&[]);
static MACHINE: Operation =
    returning(&[ReferenceIn { element: "returnval", field: "", family: "IMachine" }]);
static MEDIUM: Operation =
    returning(&[ReferenceIn { element: "returnval", field: "", family: "IMedium" }]);
static WHATEVER: Operation =
    returning(&[ReferenceIn { element: "returnval", field: "", family: ANY }]);

fn ids(releases: &[Release]) -> Vec<&str> {
    releases.iter().map(|release| &*release.id).collect()
}

#[test]
fn a_reference_is_released_only_when_its_last_handle_is_gone() {
    let mut table = RefTable::default();
    table.adopt("m1", "IMachine");
    table.adopt("m1", "IMachine");
    assert!(!table.forget("m1"));
    assert_eq!(table.take_releasable(9), []);
    assert!(table.forget("m1"));
    assert!(!table.is_settled());
    let releases = table.take_releasable(9);
    assert_eq!(ids(&releases), ["m1"]);
    assert_eq!(table.take_releasable(9), [], "it is taken once");
    table.released(&releases);
    assert!(table.is_settled());
    assert_eq!(table.len(), 0);
}

#[test]
fn a_reference_that_comes_back_in_time_stays() {
    let mut table = RefTable::default();
    table.adopt("m1", "IMachine");
    assert!(table.forget("m1"));
    table.adopt("m1", "IMachine");
    assert_eq!(table.take_releasable(9), []);
    assert_eq!(table.len(), 1);
    assert!(table.is_settled());
}

#[test]
fn nothing_is_released_while_a_call_may_return_it() {
    let mut table = RefTable::default();
    table.adopt("m1", "IMachine");
    assert!(table.begin(&MACHINE));
    assert!(table.begin(&NOTHING));
    table.forget("m1");
    assert_eq!(table.take_releasable(9), []);
    // The answer has it: the handle is good.
    table.adopt("m1", "IMachine");
    table.end(&MACHINE);
    assert_eq!(table.take_releasable(9), []);
    table.forget("m1");
    assert_eq!(ids(&table.take_releasable(9)), ["m1"]);
}

#[test]
fn calls_that_return_other_objects_do_not_matter() {
    let mut table = RefTable::default();
    table.adopt("m1", "IMachine");
    assert!(table.begin(&MEDIUM));
    table.forget("m1");
    assert_eq!(ids(&table.take_releasable(9)), ["m1"]);
    assert!(table.begin(&MEDIUM), "a release under way of another family either");
}

#[test]
fn a_call_that_may_return_any_object_holds_everything_up() {
    let mut table = RefTable::default();
    table.adopt("m1", "IMachine");
    table.forget("m1");
    assert!(table.begin(&WHATEVER));
    assert_eq!(table.take_releasable(9), []);
    table.end(&WHATEVER);
    let releases = table.take_releasable(9);
    assert_eq!(ids(&releases), ["m1"]);
    assert!(!table.begin(&WHATEVER));
    table.released(&releases);
    assert!(table.begin(&WHATEVER));
}

#[test]
fn a_call_waits_for_releases_of_what_it_may_return() {
    let mut table = RefTable::default();
    table.adopt("m1", "IMachine");
    table.forget("m1");
    let releases = table.take_releasable(9);
    assert!(!table.begin(&MACHINE));
    assert!(table.begin(&NOTHING));
    table.released(&releases);
    assert!(table.begin(&MACHINE));
}

#[test]
fn one_object_through_unrelated_interfaces_is_held_up_by_calls_for_either() {
    let mut table = RefTable::default();
    table.adopt("x", "IMachine");
    table.adopt("x", "IMedium");
    table.forget("x");
    table.forget("x");
    assert!(table.begin(&MACHINE));
    assert_eq!(table.take_releasable(9), []);
    table.end(&MACHINE);
    assert_eq!(ids(&table.take_releasable(9)), ["x"]);
}

#[test]
fn new_calls_wait_when_too_much_piles_up_and_go_on_afterwards() {
    let mut table = RefTable::default();
    assert!(table.begin(&MACHINE));
    for number in 0..BACKLOG {
        let id = format!("m{number}");
        table.adopt(&id, "IMachine");
        table.forget(&id);
    }
    assert_eq!(table.take_releasable(9), []);
    assert!(!table.begin(&MACHINE));
    assert!(table.begin(&MEDIUM));
    table.end(&MACHINE);
    let releases = table.take_releasable(BACKLOG - 1);
    table.released(&releases);
    assert!(!table.begin(&MACHINE), "all of it has to go");
    let releases = table.take_releasable(BACKLOG);
    assert_eq!(releases.len(), 1);
    table.released(&releases);
    assert!(table.begin(&MACHINE));
}

#[test]
fn forgetting_what_is_unknown_is_harmless() {
    let mut table = RefTable::default();
    assert!(!table.forget("m1"));
    assert!(table.is_settled());
}
