//! Making nodes exist, and be as described.

use std::collections::BTreeSet;
use std::sync::Arc;

use pallet_core::compute::{ComputeService, NodeState};
use pallet_core::event::{Event, Events};
use pallet_core::plan::{Plan, PlanError};
use pallet_core::spec::{ClusterSpec, NodeSpec, Phase, ServerSpec};
use serde_json::json;

use super::actions::{Need, Put};
use super::script::Run;
use super::shelf::Shelf;
use super::{calls, failures, group, setting, statuses};

#[tokio::test]
async fn nodes_come_with_bootstrap_and_go_with_their_last_words() {
    let setting = setting();
    let phases = ["bootstrap", "create-group", "configure", "destroy-server", "destroy-group"];
    let server = phases.iter().fold(ServerSpec::new(), |server, phase| {
        server.phase(*phase, Phase::new().plan(setting.note(phase)))
    });
    let web = |count: u32| [group("web", server.clone()).count(count)];

    let report = setting.converge(&web(2)).await;
    assert_eq!(failures(&report), [""; 0]);
    assert_eq!(report.created, ["web-1", "web-2"]);
    assert_eq!(setting.shelf.told(), "web-1, web-2");
    let both = |phase: &str| [format!("{phase} web-1"), format!("{phase} web-2")];
    assert_eq!(
        setting.noted(),
        [both("bootstrap"), both("create-group"), both("configure")].concat()
    );

    setting.converge(&web(3)).await;
    let expected = ["bootstrap web-3", "configure web-1", "configure web-2", "configure web-3"];
    assert_eq!(setting.noted(), expected);

    let report = setting.converge(&web(1)).await;
    assert_eq!(report.destroyed, ["web-2", "web-3"]);
    let expected = ["destroy-server web-2", "destroy-server web-3", "configure web-1"];
    assert_eq!(setting.noted(), expected);

    let report = setting.converge(&web(0)).await;
    assert_eq!((report.destroyed.len(), setting.shelf.told().as_str()), (1, ""));
    assert_eq!(setting.noted(), ["destroy-server web-1", "destroy-group web-1"]);
}

#[tokio::test]
async fn failures_on_the_way_out_count_and_the_node_goes_all_the_same() {
    let setting = setting();
    let fails = || Phase::new().action(Run::new("exit 7"));
    let server = ServerSpec::new().phase("destroy-server", fails()).phase("destroy-group", fails());
    setting.converge(&[group("web", server.clone()).count(1)]).await;
    let report = setting.converge(&[group("web", server).count(0)]).await;
    assert_eq!(failures(&report), ["web-1 destroy-server: it ended with exit status 7"]);
    assert!(report.failed());
    assert_eq!(setting.shelf.told(), "");

    let server = ServerSpec::new().phase("create-group", fails()).phase("configure", fails());
    let report = setting.converge(&[group("web", server).count(1)]).await;
    assert_eq!(failures(&report), ["web-1 create-group: it ended with exit status 7"]);
}

#[tokio::test]
async fn bootstrap_is_remembered_only_where_it_has_succeeded() {
    let setting = setting();
    let server = |path: String| {
        let needs = move |plan: &mut Plan<'_>| -> Result<(), PlanError> {
            if plan.target().name == "web-2" {
                plan.action(Need { path: path.clone() });
            }
            Ok(())
        };
        ServerSpec::new()
            .phase("bootstrap", Phase::new().plan(needs))
            .phase("configure", Phase::new().plan(setting.note("configure")))
    };
    let missing = setting.path("missing").to_str().unwrap().to_owned();
    let web = [group("web", server(missing.clone())).count(2)];
    let report = setting.converge(&web).await;
    assert_eq!(failures(&report), [format!("web-2 bootstrap: {missing} is missing")]);
    assert_eq!(setting.shelf.told(), "web-1, web-2 raw");
    assert_eq!(setting.noted(), ["configure web-1"]);

    std::fs::write(&missing, "").unwrap();
    setting.converge(&web).await;
    assert_eq!(setting.shelf.told(), "web-1, web-2");
    assert_eq!(setting.noted(), ["configure web-1", "configure web-2"]);
}

#[tokio::test]
async fn a_bootstrap_that_cannot_be_noted_is_a_failure_of_a_node_that_is_configured() {
    let setting = setting();
    setting.shelf.broken.lock().unwrap().push("note web-2".to_owned());
    let server = ServerSpec::new().phase("configure", Phase::new().plan(setting.note("on")));
    let web = [group("web", server).count(2)];
    let report = setting.converge(&web).await;
    assert_eq!(failures(&report), ["web-2 bootstrap: the disk is full"]);
    assert_eq!(setting.noted(), ["on web-1", "on web-2"]);
    assert_eq!(setting.shelf.told(), "web-1, web-2 raw");
    setting.shelf.broken.lock().unwrap().clear();
    assert!(failures(&setting.converge(&web).await).is_empty());
    assert_eq!(setting.shelf.told(), "web-1, web-2");
}

#[tokio::test]
async fn stopped_nodes_are_started_and_what_never_answers_is_not_left_behind() {
    let setting = setting();
    setting.shelf.put("web-1", "web", NodeState::Stopped);
    setting.shelf.put("web-7", "web", NodeState::Running);
    setting.shelf.put("other-1", "other", NodeState::Running);
    let broken = ["web-3", "create web-4"].map(str::to_owned);
    setting.shelf.broken.lock().unwrap().extend(broken);
    let server = ServerSpec::new().phase("configure", Phase::new().plan(setting.note("on")));
    let web = group("web", server).count(5);
    let report = setting.converge(std::slice::from_ref(&web)).await;
    assert_eq!(report.started, ["web-1"]);
    assert_eq!(report.created, ["web-2", "web-3"]);
    assert_eq!(
        failures(&report),
        ["web-3 connect: it never answered", "web-4 create: no more room"]
    );
    assert_eq!(setting.shelf.told(), "other-1, web-1, web-2, web-7");
    assert_eq!(setting.noted(), ["on web-1", "on web-2", "on web-7"]);
    let report = setting.converge(&[web.count(0)]).await;
    assert_eq!(report.destroyed, ["web-1", "web-2", "web-7"]);
    assert_eq!(setting.shelf.told(), "other-1");
}

#[tokio::test]
async fn a_cluster_over_two_services_whose_balancer_finds_its_backends() {
    let mut setting = setting();
    let other = Shelf::new("other", &setting.path("others"));
    setting.fleet.services.insert("other".to_owned(), other.clone());
    setting.fleet.default_service = Some("shelf".to_owned());
    let web = ServerSpec::new().role("web").phase(
        "settings",
        Phase::new().plan(|plan| {
            let port = 8000 + plan.target().name.len();
            plan.set_settings("http", json!({ "port": port }));
            Ok(())
        }),
    );
    let file = setting.path("backends").to_str().unwrap().to_owned();
    let balancer = ServerSpec::new().phase(
        "configure",
        Phase::new().plan(move |plan| {
            let backend = |node: &pallet_core::plan::Target| {
                format!(
                    "{} {} {}\n",
                    node.name,
                    node.settings["http"]["port"],
                    node.cluster.is_some()
                )
            };
            let backends: String = plan.nodes_with_role("web").map(backend).collect();
            plan.action(Put::new(file.clone(), backends));
            Ok(())
        }),
    );
    let cluster =
        ClusterSpec::new("prod".parse().unwrap()).group(group("web", web).count(2)).group(
            pallet_core::spec::GroupSpec::new(
                "lb".parse().unwrap(),
                NodeSpec::new().service("other"),
                balancer,
            )
            .count(1),
        );
    let groups = cluster.groups().unwrap();
    let report = setting.converge(&groups).await;
    assert_eq!(failures(&report), [""; 0]);
    assert_eq!(setting.shelf.told(), "prod-web-1, prod-web-2");
    assert_eq!(other.told(), "prod-lb-1");
    let backends = "prod-web-1 8010 true\nprod-web-2 8010 true\n";
    assert_eq!(setting.read("backends"), backends);

    // The balancer alone: the others are not touched, and seen all the same.
    setting.fleet.considered = vec![groups[0].clone()];
    let report = setting.converge(&groups[1..]).await;
    assert_eq!((report.nodes.len(), statuses(&report, "prod-lb-1").as_str()), (1, "unchanged"));
    assert_eq!(setting.read("backends"), backends);
}

#[tokio::test]
async fn phases_run_in_their_order_with_their_arguments_where_they_belong() {
    let setting = setting();
    let deploy = {
        let note = setting.path("log");
        Phase::new().plan(move |plan| {
            let version = plan.argument("version").and_then(|it| it.as_str()).unwrap_or("none");
            let line = format!("deploy {} {version}", plan.target().name);
            plan.action(Run::new(format!("echo '{line}' >>'{}'", note.display())));
            Ok(())
        })
    };
    let note = |words: &str| Phase::new().plan(setting.note(words));
    let web = ServerSpec::new()
        .phase("deploy", deploy)
        .phase("configure", note("configure"))
        .phase("install", note("install"));
    let db = ServerSpec::new()
        .phase("configure", note("configure"))
        .phase("dump", note("dump"))
        .default_phases(["configure", "dump"]);
    let groups = [group("web", web).count(1), group("db", db).count(1)];
    let report = setting.fleet.converge(&groups, &calls("deploy:version=1.2")).await.unwrap();
    assert_eq!(failures(&report), [""; 0]);
    assert_eq!(
        setting.noted(),
        ["install web-1", "configure db-1", "configure web-1", "dump db-1", "deploy web-1 1.2"]
    );
    setting.fleet.lift(&groups, &calls("configure")).await.unwrap();
    assert_eq!(
        setting.noted(),
        ["install web-1", "dump db-1", "configure db-1", "configure web-1"]
    );
}

#[tokio::test]
async fn events_tell_that_nodes_answer_and_are_connected() {
    let mut setting = setting();
    let (events, mut happening) = Events::channel();
    setting.fleet.events = events;
    setting.converge(&[group("web", ServerSpec::new()).count(1)]).await;
    setting.fleet.events = Events::none();
    let mut words = Vec::new();
    while let Some(event) = happening.recv().await {
        words.push(match event {
            Event::Creating { .. } => "creating",
            Event::Waiting { .. } => "waiting",
            Event::Answered { .. } => "answered",
            Event::Connecting { .. } => "connecting",
            Event::Connected { .. } => "connected",
            _ => "other",
        });
    }
    assert_eq!(words, ["creating", "waiting", "answered", "connecting", "connected"]);
}

#[tokio::test]
async fn a_run_that_is_stopped_reports_what_it_has_done() {
    let setting = setting();
    let control = setting.fleet.control.clone();
    let stops = move |_: &mut Plan<'_>| -> Result<(), PlanError> {
        control.stop("enough");
        Ok(())
    };
    let server = ServerSpec::new()
        .phase("install", Phase::new().plan(setting.note("install")))
        .phase("settings", Phase::new())
        .phase("configure", Phase::new().plan(setting.note("configure")))
        .phase("late", Phase::new().plan(setting.note("late")))
        .phase("stop", Phase::new().plan(stops));
    let web = [group("web", server).count(2)];
    let report = setting.fleet.converge(&web, &calls("stop late")).await.unwrap();
    assert_eq!(report.stopped.as_deref(), Some("enough"));
    assert!(report.failed());
    let noted: BTreeSet<String> = setting.noted().into_iter().collect();
    assert!(noted.contains("configure web-2") && !noted.contains("late web-1"), "{noted:?}");
    assert_eq!(report.nodes.len(), 2);
    let service: Arc<dyn ComputeService> = setting.shelf.clone();
    assert_eq!(service.nodes().await.unwrap().len(), 2);
}
