//! What a plan does not show does not happen, whatever leads to it.

use pallet_core::action::{Action, ActionError, Decision, Key, ProbeSet, View};
use pallet_core::compute::NodeState;
use pallet_core::spec::{Phase, ServerSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actions::{Content, Put};
use super::plans::kept;
use super::script::Run;
use super::{calls, failures, group, setting, statuses};

/// Reads a file for later phases.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Read {
    path: String,
}

impl Action for Read {
    const NAME: &'static str = "read";
    const SUMMARY: &'static str = "Reads a file.";
    const EXAMPLE: &'static str = "{ read = { path = \"/x\" } }";

    fn subject(&self) -> String {
        self.path.clone()
    }

    fn probe(&self, _view: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Content>(self.path.clone());
    }

    fn decide(&self, _view: &View<'_>) -> Result<Decision, ActionError> {
        Ok(Decision::Unchanged)
    }

    fn may_write(&self) -> Vec<Key> {
        Vec::new()
    }

    fn value_name(&self) -> Option<&str> {
        Some("read")
    }

    fn value(&self, view: &View<'_>) -> Result<String, ActionError> {
        let content = view.get::<Content>(&self.path)?.clone().unwrap_or_default();
        Ok(String::from_utf8_lossy(&content).into_owned())
    }
}

#[tokio::test]
async fn a_phase_that_is_asked_for_twice_is_foreseen_and_held_to_the_plan_twice() {
    let setting = setting();
    setting.shelf.put("web-1", "web", NodeState::Running);
    std::fs::write(setting.path("version"), "2").unwrap();
    let file = setting.path("version").to_str().unwrap().to_owned();
    let log = setting.path("log").to_str().unwrap().to_owned();
    let deploy = Phase::new().plan(move |plan| {
        let version = plan.argument("v").and_then(|it| it.as_str()).unwrap_or_default();
        plan.action(Put::new(file.clone(), version));
        plan.action(Run::new(format!("echo {version} >>{log}")));
        Ok(())
    });
    let web = [group("web", ServerSpec::new().phase("deploy", deploy))];
    // The first call takes the file away from what it is now, the second one brings it back.
    let plan = kept(&setting.fleet.plan(&web, &calls("deploy:v=1 deploy:v=2")).await.unwrap());
    assert_eq!(statuses(&plan.report, "web-1"), "will will may will");
    let phases: Vec<&str> =
        plan.report.nodes[0].phases.iter().map(|phase| phase.phase.as_str()).collect();
    assert_eq!(phases, ["deploy", "deploy (2)"]);
    let preview = setting.fleet.recheck(&plan, &web).await.unwrap();
    let report = setting.fleet.carry_out(preview).await;
    assert_eq!(failures(&report), [""; 0]);
    assert_eq!(statuses(&report, "web-1"), "changed changed changed changed");
    assert_eq!(
        (setting.read("version"), setting.read("log")),
        ("2".to_owned(), "1\n2\n".to_owned())
    );
}

#[tokio::test]
async fn an_action_that_the_plan_does_not_have_changes_nothing() {
    let setting = setting();
    setting.shelf.put("web-1", "web", NodeState::Running);
    let path = |name: &str| setting.path(name).to_str().unwrap().to_owned();
    std::fs::write(setting.path("wish"), "few").unwrap();
    let (few, many) = (path("few"), path("many"));
    let (wish, quick) = (path("wish"), path("quick"));
    let server = ServerSpec::new()
        // It is quicker than whoever looks.
        .phase(
            "install",
            Phase::new().action(Run::new(format!("[ ! -e {quick} ] || printf many >{wish}"))),
        )
        .phase("configure", Phase::new().action(Read { path: wish }))
        .phase(
            "late",
            Phase::new().plan(move |plan| {
                plan.action(Put::new(few.clone(), "1"));
                if plan.value("read") == Some("many") {
                    plan.action(Put::new(many.clone(), "1"));
                }
                Ok(())
            }),
        );
    let web = [group("web", server)];
    let plan = kept(&setting.fleet.plan(&web, &calls("late")).await.unwrap());
    std::fs::write(setting.path("quick"), "").unwrap();
    let preview = setting.fleet.recheck(&plan, &web).await.unwrap();
    let report = setting.fleet.carry_out(preview).await;
    let failures = failures(&report);
    assert!(failures[0].contains("the plan does not show that it would change"), "{failures:?}");
    assert!(setting.path("few").exists() && !setting.path("many").exists());
}

#[tokio::test]
async fn last_words_are_shown_and_held_to_the_plan() {
    let setting = setting();
    for name in ["web-1", "web-2"] {
        setting.shelf.put(name, "web", NodeState::Running);
    }
    let path = |name: &str| setting.path(name).to_str().unwrap().to_owned();
    let server = ServerSpec::new()
        .phase("destroy-server", Phase::new().action(Put::new(path("left"), "1")))
        .phase("destroy-group", Phase::new().action(Put::new(path("gone"), "1")));
    let plan = async |count: u32| {
        let web = [group("web", server.clone()).count(count)];
        let plan = kept(&setting.fleet.plan(&web, &[]).await.unwrap());
        assert_eq!(failures(&plan.report), [""; 0]);
        (web, plan)
    };
    let (web, less) = plan(1).await;
    assert_eq!(less.report.destroyed, ["web-2"]);
    assert_eq!(statuses(&less.report, "web-2"), "will");
    assert!(!setting.path("left").exists() && setting.shelf.told() == "web-1, web-2");
    setting.fleet.carry_out(setting.fleet.recheck(&less, &web).await.unwrap()).await;
    assert_eq!(setting.shelf.told(), "web-1");
    assert_eq!(setting.read("left"), "1");

    let (web, none) = plan(0).await;
    assert_eq!(statuses(&none.report, "web-1"), "unchanged will");
    // What they look at has changed: the plan is refused.
    std::fs::write(setting.path("left"), "2").unwrap();
    let error = setting.fleet.recheck(&none, &web).await.unwrap_err();
    assert!(error.is_refusal(), "{error}");
    // It changes after the last look: then the last words are not said, and the node goes.
    std::fs::write(setting.path("left"), "1").unwrap();
    let preview = setting.fleet.recheck(&none, &web).await.unwrap();
    std::fs::write(setting.path("left"), "2").unwrap();
    let report = setting.fleet.carry_out(preview).await;
    assert!(failures(&report)[0].contains("the plan does not show"), "{:?}", failures(&report));
    assert_eq!((setting.shelf.told().as_str(), setting.read("left").as_str()), ("", "2"));
}
