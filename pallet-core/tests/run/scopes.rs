//! What holds for some nodes only, and limits of a whole run.

use std::collections::BTreeMap;

use pallet_core::event::{Event, Events};
use pallet_core::facts::PackageManager;
use pallet_core::login::Login;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::run::ServiceScope;
use pallet_core::spec::{GroupSpec, NodeSpec, Phase, ServerSpec};
use serde_json::{Map, Value, json};

use super::script::Run;
use super::shelf::Shelf;
use super::{Setting, failures, group, setting, statuses};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn account(name: &str) -> Login {
    Login { no_sudo: true, ..Login::new(name) }
}

/// Two services, a group in each; the second one has a scope of its own.
fn two_services() -> (Setting, [GroupSpec; 2]) {
    let mut setting = setting();
    let other = Shelf::new("other", &setting.path("others"));
    setting.fleet.services.insert("other".to_owned(), other);
    setting.fleet.default_service = Some("shelf".to_owned());
    setting.fleet.environment = map(json!({ "proxy": "far", "domain": "example.org" }));
    let scope = ServiceScope {
        admin: Some(account("other-admin")),
        environment: map(json!({ "proxy": "near", "own": 1 })),
    };
    setting.fleet.scopes = BTreeMap::from([("other".to_owned(), scope)]);
    let log = setting.path("log");
    let tell = move |plan: &mut Plan<'_>| -> Result<(), PlanError> {
        let told = json!({
            "node": plan.target().name,
            "packager": plan.target().facts.package_manager,
            "environment": plan.environment(),
        });
        plan.action(Run::new(format!("echo '{told}' >>'{}'", log.display())));
        Ok(())
    };
    let server = || ServerSpec::new().phase("configure", Phase::new().plan(tell.clone()));
    let mut web = group("web", server().packager(PackageManager::Zypper)).count(1);
    web.environment = map(json!({ "domain": "web.example.org" }));
    let node = NodeSpec::new().service("other");
    let db = GroupSpec::new("db".parse().unwrap(), node, server()).count(1);
    (setting, [web, db])
}

/// Converges, and gives who was logged in where.
async fn users(setting: &mut Setting, groups: &[GroupSpec]) -> Vec<String> {
    let (events, mut happening) = Events::channel();
    setting.fleet.events = events;
    let report = setting.converge(groups).await;
    assert_eq!(failures(&report), [""; 0]);
    setting.fleet.events = Events::none();
    let mut users = Vec::new();
    while let Some(event) = happening.recv().await {
        if let Event::Connected { node, user } = event {
            users.push(format!("{user} on {node}"));
        }
    }
    users.sort();
    users
}

#[tokio::test]
async fn services_and_groups_have_accounts_values_and_package_managers_of_their_own() {
    let (mut setting, groups) = two_services();
    assert_eq!(users(&mut setting, &groups).await, ["other-admin on db-1", "tester on web-1"]);
    let log = setting.read("log");
    let mut told: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    told.sort_by_key(|told| told["node"].to_string());
    assert_eq!(
        told[0]["environment"],
        json!({ "proxy": "near", "domain": "example.org", "own": 1 })
    );
    assert_eq!(told[1]["environment"], json!({ "proxy": "far", "domain": "web.example.org" }));
    assert_eq!(told[1]["packager"], "zypper");
    assert_ne!(told[0]["packager"], "zypper", "what is found counts elsewhere");

    setting.fleet = setting.fleet.clone().with_admin_user(account("me"));
    assert_eq!(users(&mut setting, &groups).await, ["me on db-1", "me on web-1"]);
}

#[tokio::test]
async fn with_fail_fast_nothing_more_is_begun_anywhere() {
    for fail_fast in [false, true] {
        let mut setting = setting();
        setting.fleet.control.fail_fast = fail_fast;
        let fails = |plan: &mut Plan<'_>| -> Result<(), PlanError> {
            if plan.target().name == "web-1" {
                plan.action(Run::new("exit 7"));
            }
            Ok(())
        };
        let server = ServerSpec::new()
            .phase("install", Phase::new().plan(fails))
            .phase("configure", Phase::new().plan(setting.note("configure")));
        let report = setting.converge(&[group("web", server).count(3)]).await;
        assert_eq!(failures(&report), ["web-1 install: it ended with exit status 7"]);
        let expected = match fail_fast {
            true => vec![],
            false => vec!["configure web-2".to_owned(), "configure web-3".to_owned()],
        };
        assert_eq!(setting.noted(), expected);
        assert_eq!(report.stopped.is_some(), fail_fast);
    }
}

#[tokio::test]
async fn no_more_nodes_are_worked_on_at_once_than_are_allowed() {
    let mut setting = setting();
    setting.fleet.options.parallel = 2;
    let file = setting.path("log");
    let busy = move |plan: &mut Plan<'_>| -> Result<(), PlanError> {
        let file = file.display();
        plan.action(Run::new(format!("echo begin >>'{file}'; sleep 0.05; echo end >>'{file}'")));
        Ok(())
    };
    let server = ServerSpec::new().phase("configure", Phase::new().plan(busy));
    let report = setting.converge(&[group("web", server).count(7)]).await;
    assert_eq!(failures(&report), [""; 0]);
    assert_eq!(statuses(&report, "web-7"), "changed");
    let (mut busy, mut most) = (0, 0);
    for line in setting.read("log").lines() {
        busy += if line == "begin" { 1 } else { -1 };
        most = most.max(busy);
    }
    assert!(busy == 0 && most <= 2, "{most} at once");
}
