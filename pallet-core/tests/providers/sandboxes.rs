//! What sandboxes have of their own.

use std::fs;
use std::time::{Duration, Instant};

use pallet_core::compute::NodeState;
use pallet_core::compute::sandbox::SandboxConfig;
use pallet_core::login::Login;
use pallet_core::transport::{Output, TransportError};
use serde_json::json;

use crate::support::{Project, create, destroy_all, here, request, run, run_as, traces};

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_quick_and_leave_nothing() {
    let project = Project::new();
    let service = project.open("box").await;
    // The layer below them is made first.
    let first = create(service.as_ref(), vec![request("first", json!({}))]).await;
    let scope = project.scopes()[0].file_name().unwrap().to_str().unwrap().to_owned();
    let begun = Instant::now();
    let requests = (1..=20).map(|number| request(&format!("web-{number}"), json!({}))).collect();
    let nodes = create(service.as_ref(), requests).await;
    let each = begun.elapsed() / 20;
    // They take some 20 ms each; the bound is for a machine that is busy with other tests.
    assert!(each < Duration::from_millis(500), "{each:?}");
    assert_eq!(nodes.len(), 20);
    let hosts: std::collections::BTreeSet<_> =
        nodes.iter().map(|node| node.endpoint.as_ref().unwrap().host.clone()).collect();
    assert_eq!(hosts.len(), 20);
    assert!(!traces(&scope).is_empty());
    let busy = "(setsid sleep 1000 & setsid sh -c 'trap : TERM; sleep 1000' &) >/dev/null 2>&1";
    run(service.as_ref(), &first[0], busy).await;
    destroy_all(service.as_ref()).await;
    project.is_clean();
    assert_eq!(traces(&scope), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_has_files_packages_processes_and_a_name_of_its_own() {
    let project = Project::new();
    let service = project.open("box").await;
    let service = service.as_ref();
    let nodes = create(service, vec![request("one", json!({})), request("two", json!({}))]).await;
    let (one, two) = (&nodes[0], &nodes[1]);

    for node in &nodes {
        let name =
            run(service, node, "hostname; cat /etc/hostname; bash -c 'echo $HOSTNAME'").await;
        assert_eq!(name, [node.name.as_str(); 3].join("\n"));
        assert!(run(service, node, "getent hosts $(hostname)").await.contains(&node.name));
    }
    let machine_ids = [
        run(service, one, "cat /etc/machine-id").await,
        run(service, two, "cat /etc/machine-id").await,
    ];
    assert_ne!(machine_ids[0], machine_ids[1]);
    assert!(!machine_ids.contains(&here("cat /etc/machine-id")));

    run(service, one, "echo mine >/etc/motd; mkdir -p /srv/app; echo x >/srv/app/file").await;
    assert_eq!(run(service, one, "cat /etc/motd /srv/app/file").await, "mine\nx");
    assert_ne!(run(service, two, "cat /etc/motd 2>&1; true").await, "mine");
    assert_ne!(here("cat /etc/motd"), "mine");

    // The package database is a copy: what is removed here is there elsewhere.
    let lists =
        "rm -f /var/lib/dpkg/info/bash.list; dpkg --version >/dev/null; dpkg-query -W bash | wc -l";
    assert_eq!(run(service, one, lists).await, "1");
    assert_eq!(
        run(service, two, "ls /var/lib/dpkg/info/bash.list").await,
        "/var/lib/dpkg/info/bash.list"
    );

    assert_eq!(run(service, one, "cat /proc/1/comm").await, "sh");
    run(service, one, "(setsid sleep 4242 &) >/dev/null 2>&1").await;
    let sleepers = "ps -o args= -C sleep | grep -c '^sleep 4242'; true";
    // It is started beside the script that starts it.
    let until = "until ps -o args= -C sleep | grep -q '^sleep 4242'; do sleep 0.05; done";
    run(service, one, until).await;
    assert_eq!(run(service, one, sleepers).await, "1");
    assert_eq!(run(service, two, sleepers).await, "0");
    destroy_all(service).await;
    project.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn siblings_reach_each_other_and_nobody_shares_a_port() {
    let project = Project::new();
    let service = project.open("box").await;
    let service = service.as_ref();
    let nodes = create(
        service,
        vec![
            request("one", json!({})),
            request("two", json!({})),
            request("alone", json!({ "network": "none" })),
            request("shared", json!({ "network": "host" })),
        ],
    )
    .await;
    let [one, two, alone, shared] = nodes.as_slice() else { panic!("{nodes:?}") };
    let serve = |word: &str| {
        format!(
            "perl -MIO::Socket::INET -e '
                my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5) or die $!;
                exit if fork; close STDIN; close STDOUT; close STDERR;
                while (my $c = $s->accept) {{ print $c \"{word}\"; close $c }}'"
        )
    };
    run(service, one, &serve("I am one")).await;
    run(service, two, &serve("I am two")).await;
    let host = |node: &pallet_core::compute::Node| node.endpoint.clone().unwrap().host;
    let ask = |host: String| format!("timeout 5 bash -c 'cat </dev/tcp/{host}/8080'");
    assert_eq!(run(service, two, &ask(host(one))).await, "I am one");
    assert_eq!(run(service, one, &ask(host(two))).await, "I am two");
    assert_eq!(run(service, one, &ask("127.0.0.1".to_owned())).await, "I am one");
    assert_eq!(here(&ask(host(one))), "I am one", "from this machine");

    assert_eq!((&alone.endpoint, &shared.endpoint), (&None, &None));
    assert_ne!(run_as(service, alone, "root", &ask(host(one))).await.1, 0);
    run(service, alone, &serve("I am alone")).await;
    assert_eq!(run(service, alone, &ask("127.0.0.1".to_owned())).await, "I am alone");
    // The machine's own network, but not the right to change it.
    assert_eq!(
        run(service, shared, "readlink /proc/self/ns/net").await,
        here("readlink /proc/self/ns/net")
    );
    assert_ne!(run_as(service, shared, "root", "ip link add x type veth peer name y").await.1, 0);
    run(service, one, "ip link add x type veth peer name y && ip link delete x").await;
    destroy_all(service).await;
    project.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_had_on_disk_is_there_after_a_stop() {
    let project = Project::new();
    let service = project.open("box").await;
    let service = service.as_ref();
    let node = create(service, vec![request("one", json!({}))]).await.remove(0);
    run(service, &node, "echo kept >/etc/motd; echo x >/run/gone; useradd --create-home deploy")
        .await;
    // A process that is asked to end gets the time to do so.
    let daemon = "(setsid bash -c 'trap \"echo ended >/var/daemon; exit\" TERM; touch /run/listens
        while :; do sleep 0.1; done' &) >/dev/null 2>&1; until [ -e /run/listens ]; do sleep 0.01; done";
    run(service, &node, daemon).await;
    service.stop(&node).await.unwrap();
    assert_eq!(service.nodes().await.unwrap()[0].state, NodeState::Stopped);
    let error = service.attach(&node, &Login::new("root")).await.err().unwrap();
    assert!(error.to_string().contains("does not run"), "{error}");

    service.start(&node).await.unwrap();
    assert_eq!(run(service, &node, "cat /etc/motd /var/daemon; ls /run").await, "kept\nended");
    assert_eq!(run(service, &node, "hostname; ls -d /home/deploy").await, "one\n/home/deploy");
    destroy_all(service).await;
    project.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_log_in_as_over_ssh() {
    let project = Project::new();
    let service = project.open("box").await;
    let service = service.as_ref();
    let node = create(service, vec![request("one", json!({}))]).await.remove(0);
    let error = service.attach(&node, &Login::new("deploy")).await.err().unwrap();
    assert!(matches!(error, TransportError::NoAccount { .. }), "{error}");
    assert!(error.help().unwrap().contains("bootstrap"));

    run(
        service,
        &node,
        "groupadd team; useradd --create-home --groups team --shell /bin/bash deploy",
    )
    .await;
    let look = "id -un; id -Gn; pwd; echo $HOME $USER $SHELL";
    let (seen, status) = run_as(service, &node, "deploy", look).await;
    assert_eq!(
        (seen.as_str(), status),
        ("deploy\ndeploy team\n/home/deploy\n/home/deploy deploy /bin/bash", 0)
    );
    assert_ne!(run_as(service, &node, "deploy", "cat /etc/shadow").await.1, 0);
    assert_eq!(run_as(service, &node, "root", "kill -KILL $$").await.1, 137);
    assert_eq!(run_as(service, &node, "root", "exit 7").await.1, 7);

    // Nothing of the caller's environment gets in.
    let environment = run(service, &node, "env | cut -d= -f1 | sort | tr '\\n' ' '").await;
    assert_eq!(environment, "HOME LANG LOGNAME PATH PWD SHELL USER");

    // A program is lost with its sandbox.
    let attached = service.attach(&node, &Login::new("root")).await.unwrap().unwrap();
    let mut process = attached.transport.exec("echo started; sleep 1000").await.unwrap();
    let started = process.output.recv().await.unwrap();
    assert!(matches!(started, Output::Stdout(_)), "{started:?}");
    service.destroy(&node).await.unwrap();
    let end = process.output.recv().await.unwrap();
    assert!(matches!(end, Output::Exit(137)), "{end:?}");
    let error = attached.transport.exec("true").await.err().unwrap();
    assert!(matches!(error, TransportError::Lost { .. }), "{error}");
    project.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_and_two_projects_do_not_meet() {
    let (here, there) = (Project::new(), Project::new());
    let services = [here.open("box").await, here.open("other").await, there.open("box").await];
    for service in &services {
        create(service.as_ref(), vec![request("web-1", json!({}))]).await;
        assert_eq!(service.nodes().await.unwrap().len(), 1);
    }
    let node = services[0].nodes().await.unwrap().remove(0);
    services[0].destroy(&node).await.unwrap();
    for (service, count) in services.iter().zip([0, 1, 1]) {
        let nodes = service.nodes().await.unwrap();
        assert_eq!(nodes.len(), count);
        assert!(nodes.iter().all(|node| node.state == NodeState::Running));
    }
    for service in &services {
        destroy_all(service.as_ref()).await;
    }
    here.is_clean();
    there.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_is_as_large_as_it_was_asked_for() {
    let project = Project::new();
    let config = SandboxConfig { disk_size: 64, ..SandboxConfig::default() };
    let service = project.open_with("box", config).await;
    let service = service.as_ref();
    let small = json!({ "hardware": { "hardware-model": { "disk-size": 4 } } });
    let nodes = create(service, vec![request("small", small), request("usual", json!({}))]).await;
    let fill = "head -c 20M /dev/zero >/srv/file";
    let (said, status) = run_as(service, &nodes[0], "root", fill).await;
    assert!(status != 0 && said.contains("No space left"), "{said}");
    run(service, &nodes[1], fill).await;
    destroy_all(service).await;
    project.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_no_host_names_get_near_no_path() {
    let project = Project::new();
    let service = project.open("box").await;
    for name in ["../up", "", "a b", "a/b", ".", &"x".repeat(64)] {
        let error = service.create(vec![request(name, json!({}))]).await.remove(0).unwrap_err();
        assert!(error.is_input, "{name}: {error}");
    }
    assert!(service.nodes().await.unwrap().is_empty());
    assert!(
        fs::read_dir("/run/pallet/sandbox").unwrap().flatten().all(|entry| entry.path().is_dir())
    );
    create(service.as_ref(), vec![request("a", json!({}))]).await;
    destroy_all(service.as_ref()).await;
    project.is_clean();
}
