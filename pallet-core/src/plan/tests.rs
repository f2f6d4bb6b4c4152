//! Compiling, step by step.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::action::{ActionError, Decision, Preparation, ProbeSet, View};
use crate::spec::{Phase, StepKind};

/// Says something; a text that begins with `@` is looked up among the values of templates.
#[derive(Debug, Clone, serde::Serialize, Deserialize, JsonSchema)]
struct Say(String);

impl Action for Say {
    const NAME: &'static str = "say";
    const SUMMARY: &'static str = "Says something.";
    const EXAMPLE: &'static str = "{ say = \"hi\" }";

    fn subject(&self) -> String {
        self.0.clone()
    }

    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let Some(pointer) = self.0.strip_prefix('@') else { return Ok(None) };
        let (name, rest) =
            pointer.split_at(pointer[1..].find('/').map_or(pointer.len(), |at| at + 1));
        let value = context.values.get(&name[1..]).and_then(|value| value.pointer(rest));
        let value = value.ok_or_else(|| ActionError::new(format!("there is no {pointer}")))?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Ok(Some(Self(text)))
    }

    fn probe(&self, _view: &View<'_>, _wanted: &mut ProbeSet) {}

    fn decide(&self, _view: &View<'_>) -> Result<Decision, ActionError> {
        Ok(Decision::Unchanged)
    }

    fn value_name(&self) -> Option<&str> {
        self.0.strip_prefix("read ")
    }
}

fn say(text: &str) -> Step {
    Step::action(Say(text.to_owned()))
}

fn compiled(phase: &Phase) -> Result<Compiled, PlanError> {
    let nodes = Nodes::from(vec![
        Target { roles: ["web".to_owned()].into(), ..Target::new("a-1", "a") },
        Target { roles: ["web".to_owned()].into(), ..Target::new("b-1", "b") },
    ]);
    let environment = Map::new();
    let arguments = json!({ "version": "1.2" });
    let scene = Scene::new(&nodes, &environment);
    let scene = scene.with_arguments(arguments.as_object().unwrap());
    compile("test", phase, &nodes[1], scene)
}

/// What is said, in order; a condition stands behind it as the positions that it waits for.
fn said(phase: &Phase) -> String {
    let compiled = compiled(phase).unwrap();
    let word = |planned: &PlannedAction| match &planned.when_changed {
        Some(positions) => format!("{}{positions:?}", planned.action.subject()),
        None => planned.action.subject(),
    };
    compiled.actions.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn phase(steps: impl IntoIterator<Item = Step>) -> Phase {
    steps.into_iter().fold(Phase::new(), Phase::step)
}

#[test]
fn steps_are_moved_before_and_after_others_and_conditions_follow() {
    let steps = phase([
        say("late").after("b"),
        say("a"),
        say("b").id("b"),
        say("early").id("early").before("b"),
        say("c").when_changed("early"),
    ]);
    assert_eq!(said(&steps), "a early b late c[1]");
}

#[test]
fn steps_that_wait_for_each_other_are_told_with_their_places() {
    let circle = phase([say("a").id("a").after("b"), say("b").id("b").after("a")]);
    let error = compiled(&circle).unwrap_err().to_string();
    assert!(error.contains("wait for each other: `b` (") && error.contains("tests.rs:"), "{error}");
    let error = compiled(&phase([say("a").before("nobody")])).unwrap_err().to_string();
    assert!(error.contains("no step of phase `test` is called `nobody`"), "{error}");
}

#[test]
fn plan_functions_see_roles_groups_arguments_and_the_settings_of_earlier_steps() {
    let steps = Phase::new()
        .plan(|plan| {
            plan.set_settings("app", json!({ "port": 80, "of": plan.target().name }));
            Ok(())
        })
        .plan(|plan| {
            plan.update_settings("app", json!({ "port": 81 }).as_object().unwrap().clone());
            assert_eq!(plan.settings("app"), Some(&json!({ "port": 81, "of": "b-1" })));
            let names: Vec<&str> = plan.nodes_with_role("web").map(|it| it.name.as_str()).collect();
            assert_eq!(names, ["a-1", "b-1"]);
            assert_eq!(plan.nodes_in_group("a").count(), 1);
            assert!(!plan.is_first_with_role("web"));
            assert_eq!(plan.argument("version"), Some(&json!("1.2")));
            plan.action(Say("@/settings/app/port".to_owned()));
            plan.action(Say("@/arguments/version".to_owned()));
            Ok(())
        });
    assert_eq!(said(&steps), "81 1.2");
    assert_eq!(compiled(&steps).unwrap().settings["app"], json!({ "port": 81, "of": "b-1" }));

    #[derive(Debug, Deserialize)]
    struct App {
        #[allow(dead_code, reason = "only that it cannot be read counts")]
        port: String,
    }
    let wrong = Phase::new().plan(|plan| {
        plan.set_settings("app", json!({ "port": 80 }));
        plan.settings_as::<App>("app").map(drop)
    });
    let error = compiled(&wrong).unwrap_err().to_string();
    assert!(error.contains("settings of `app` are not right: invalid type"), "{error}");
}

#[test]
fn steps_of_a_block_run_when_one_of_its_handles_changed_something() {
    let steps = Phase::new().plan(|plan| {
        let one = plan.action(Say("one".to_owned()));
        let two = plan.action(Say("two".to_owned()));
        plan.when_changed(&[&one, &two], |plan| {
            let inner = plan.action(Say("both".to_owned()));
            plan.action_when_changed(&[&inner], Say("inner".to_owned()));
            Ok(())
        })?;
        plan.action(Say("always".to_owned()));
        Ok(())
    });
    assert_eq!(said(&steps), "one two both[0, 1] inner[2] always");
}

#[test]
fn placeholders_need_somebody_who_reads_the_value() {
    let wrong = Phase::new().plan(|plan| plan.placeholder("id").map(drop));
    let error = compiled(&wrong).unwrap_err();
    assert!(error.message.contains("no earlier action reads a value called `id`"), "{error}");

    let steps = phase([say("read id"), say("@/values/id"), say("plain")]).plan(|plan| {
        let id = plan.placeholder("id")?;
        plan.action(Say(format!("id={id}")));
        Ok(())
    });
    let actions = compiled(&steps).unwrap().actions;
    let known = [("id".to_owned(), "7".to_owned())].into();
    let facts = Default::default();
    let subject = |at: usize| {
        let completed = actions[at].completed(&known, &facts).unwrap();
        completed.map(|action| action.subject())
    };
    let subjects: Vec<_> = (0..actions.len()).map(subject).collect();
    assert_eq!(subjects, [None, Some("7".to_owned()), None, Some("id=7".to_owned())]);
    for at in [1, 3] {
        assert!(actions[at].completed(&Default::default(), &facts).is_err(), "{at}");
    }
}

#[test]
fn only_texts_are_looked_through_and_only_what_differs_is_made_anew() {
    let StepKind::Action(action) = say("x").kind else { panic!("it is an action") };
    assert!(action.is_same(&action.filled(|_| ()).unwrap()));
    assert!(action.filled(|parameters| *parameters = json!([1])).is_err());
}
