//! Plans: what they show, and what carrying them out may do.

use pallet_core::compute::NodeState;
use pallet_core::plan::KNOWN_AFTER_CREATE;
use pallet_core::run::{RunError, RunPlan};
use pallet_core::spec::{GroupSpec, ImageSpec, NodeSpec, Phase, ServerSpec};

use super::actions::{Need, Put};
use super::script::Run;
use super::{Setting, calls, failures, group, setting, statuses};

/// Two phases; what the second one does depends on what the first one does.
fn two_phases(setting: &Setting) -> GroupSpec {
    let path = |name: &str| setting.path(name).to_str().unwrap().to_owned();
    let server =
        ServerSpec::new().phase("install", Phase::new().action(Put::new(path("a"), "1"))).phase(
            "configure",
            Phase::new()
                .action(Need { path: path("a") })
                .action(Put::new(path("b"), "2"))
                .action(Need { path: path("c") }),
        );
    group("web", server)
}

fn one_node(setting: &Setting) {
    setting.shelf.put("web-1", "web", NodeState::Running);
    std::fs::write(setting.path("c"), "").unwrap();
}

/// As it is after it was kept in a file.
pub fn kept(plan: &RunPlan) -> RunPlan {
    serde_json::from_str(&serde_json::to_string(plan).unwrap()).unwrap()
}

#[tokio::test]
async fn later_phases_are_foreseen_as_they_will_be() {
    let setting = setting();
    one_node(&setting);
    let web = [two_phases(&setting)];
    let plan = kept(&setting.fleet.plan(&web, &[]).await.unwrap());
    assert_eq!(failures(&plan.report), [""; 0]);
    assert_eq!(statuses(&plan.report, "web-1"), "will unchanged will unchanged");
    assert!(plan.has_changes() && !setting.path("a").exists());

    let preview = setting.fleet.recheck(&plan, &web).await.unwrap();
    let report = setting.fleet.carry_out(preview).await;
    assert_eq!(statuses(&report, "web-1"), "changed unchanged changed unchanged");
    assert!(!setting.fleet.plan(&web, &[]).await.unwrap().has_changes());
}

#[tokio::test]
async fn what_has_moved_on_is_told_and_nothing_is_done() {
    let setting = setting();
    one_node(&setting);
    let web = [two_phases(&setting)];
    let plan = kept(&setting.fleet.plan(&web, &[]).await.unwrap());
    let told = async |groups: &[GroupSpec]| match setting.fleet.recheck(&plan, groups).await {
        Err(RunError::Moved { differences }) => {
            differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        Err(error) => panic!("{error}"),
        Ok(_) => "nothing".to_owned(),
    };
    assert_eq!(told(&web).await, "nothing");
    std::fs::write(setting.path("b"), "3").unwrap();
    let moved = told(&web).await;
    assert!(moved.starts_with("web-1, configure, put "), "{moved}");
    assert!(moved.ends_with("/b (content) is not what it was"), "{moved}");
    std::fs::write(setting.path("b"), "2").unwrap();
    assert!(told(&web).await.contains("the plan shows a change; now it is unchanged"));
    std::fs::remove_file(setting.path("b")).unwrap();
    std::fs::remove_file(setting.path("c")).unwrap();
    assert!(told(&web).await.contains("/c is missing"));
    std::fs::write(setting.path("c"), "").unwrap();
    assert_eq!(told(&web).await, "nothing");

    // The same change, under another condition.
    let mut described = two_phases(&setting);
    let step = &mut described.server.phases.get_mut("configure").unwrap().steps[1];
    step.when_changed.push("nobody".to_owned());
    assert!(told(&[described]).await.contains("its description has changed"));

    setting.shelf.put("web-2", "web", NodeState::Stopped);
    assert_eq!(told(&web).await, "web-2: the plan does not know it; now it would be started");
    assert!(!setting.path("a").exists());
}

#[tokio::test]
async fn a_node_made_anew_is_another_one() {
    let setting = setting();
    let web = [group("web", ServerSpec::new())];
    setting.shelf.put("web-1", "web", NodeState::Running);
    let plan = setting.fleet.plan(&web, &[]).await.unwrap();
    setting.fleet.converge(&[web[0].clone().count(0)], &[]).await.unwrap();
    setting.fleet.converge(&[web[0].clone().count(1)], &[]).await.unwrap();
    let error = setting.fleet.recheck(&plan, &web).await.unwrap_err();
    let RunError::Moved { differences } = error else { panic!("{error}") };
    assert_eq!(differences[0].to_string(), "web-1: it was made anew");
}

/// Between the last look and the change there is always a moment.
#[tokio::test]
async fn what_moves_on_at_the_last_moment_stops_its_node() {
    let setting = setting();
    one_node(&setting);
    std::fs::write(setting.path("a"), "1").unwrap();
    let web = [two_phases(&setting)];
    let plan = setting.fleet.plan(&web, &[]).await.unwrap();
    assert_eq!(statuses(&plan.report, "web-1"), "unchanged unchanged will unchanged");
    let preview = setting.fleet.recheck(&plan, &web).await.unwrap();
    std::fs::write(setting.path("a"), "drifted").unwrap();
    let report = setting.fleet.carry_out(preview).await;
    let failures = failures(&report);
    assert!(failures[0].contains("the plan does not show that it would change"), "{failures:?}");
    assert_eq!(setting.read("a"), "drifted");
    assert!(!setting.path("b").exists());
}

#[tokio::test]
async fn nodes_that_are_not_there_yet_are_planned_from_their_image() {
    let setting = setting();
    setting.shelf.put("web-1", "web", NodeState::Running);
    setting.shelf.put("web-2", "web", NodeState::Stopped);
    let file = setting.path("seen").to_str().unwrap().to_owned();
    let server = ServerSpec::new().phase(
        "configure",
        Phase::new().plan(move |plan| {
            let seen: Vec<String> = plan
                .nodes()
                .iter()
                .map(|node| format!("{} {} {}", node.name, node.address, node.facts.os))
                .collect();
            if plan.target().name != "web-1" {
                plan.action(Run::new(format!("#{}", seen.join(", "))));
            } else if seen[2].contains(KNOWN_AFTER_CREATE) {
                plan.action(Put::new(file.clone(), seen.join("\n")));
            }
            if plan.target().facts.arch.is_empty() && plan.target().name == "web-3" {
                return Err(plan.error("which machine is this?"));
            }
            Ok(())
        }),
    );
    let node = NodeSpec::new().image(ImageSpec::family("beos"));
    let web = [GroupSpec::new("web".parse().unwrap(), node, server).count(3)];
    let plan = kept(&setting.fleet.plan(&web, &[]).await.unwrap());
    assert_eq!(plan.report.created, ["web-3"]);
    assert_eq!(plan.report.started, ["web-2"]);
    assert_eq!(failures(&plan.report), [""; 0]);
    assert_eq!(statuses(&plan.report, "web-1"), "will");
    assert_eq!(statuses(&plan.report, "web-2"), "may");
    assert_eq!(statuses(&plan.report, "web-3"), "may");
    let diff = format!("{:?}", plan.report.nodes[1]);
    assert!(diff.contains("web-2"), "{diff}");
    assert_eq!(setting.shelf.told(), "web-1, web-2 stopped");
    let subject = &plan.report.nodes[2].phases[0].actions[0];
    assert_eq!(subject.action, "phase", "what it does is not known yet: {subject:?}");
}

#[tokio::test]
async fn a_plan_keeps_its_phases_and_their_arguments() {
    let setting = setting();
    one_node(&setting);
    let file = setting.path("version").to_str().unwrap().to_owned();
    let server = ServerSpec::new().phase(
        "deploy",
        Phase::new().plan(move |plan| {
            let version = plan.argument("version").and_then(|it| it.as_str()).unwrap_or("none");
            plan.action(Put::new(file.clone(), version));
            Ok(())
        }),
    );
    let web = [group("web", server)];
    let plan = kept(&setting.fleet.plan(&web, &calls("deploy:version=7")).await.unwrap());
    let preview = setting.fleet.recheck(&plan, &web).await.unwrap();
    setting.fleet.carry_out(preview).await;
    assert_eq!(setting.read("version"), "7");
}
