//! The lab's cluster through the `pallet` command: `cargo xtask lab cluster up`.
//!
//! `CLUSTER_NODES` says how many nodes the big test makes; `cargo xtask soak cluster` makes 20.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use xtask::lab::{Cluster, Member, NodeKind, Product, State};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
/// How many nodes are made where nothing else is said.
const NODES: &str = "4";

/// What the cluster is made of. `cargo xtask soak cluster` has the tests on both.
fn product() -> Product {
    match std::env::var("CLUSTER_PRODUCT").as_deref() {
        Ok("incus") => Product::Incus,
        Ok("lxd") | Err(_) => Product::Lxd,
        Ok(other) => panic!("CLUSTER_PRODUCT is incus or lxd, not {other}"),
    }
}

/// A folder with one of the examples, for the lab's cluster. Its nodes are gone after the test.
struct Project {
    folder: tempfile::TempDir,
    text: String,
    state: State,
}

impl Project {
    fn of(example: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&Path::new(EXAMPLES).join(example), folder.path());
        let text = fs::read_to_string(folder.path().join("pallet.toml")).unwrap();
        Self { folder, text, state: State::load().unwrap() }
    }

    fn cluster(&self) -> &Cluster {
        self.state.cluster(product()).unwrap()
    }

    fn replace(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "{from} is not in the example");
        self.text = self.text.replacen(from, to, 1);
        fs::write(self.folder.path().join("pallet.toml"), &self.text).unwrap();
    }

    /// Puts another table in the place of one, up to the next.
    fn replace_table(&mut self, head: &str, to: &str) {
        let start = self.text.find(head).unwrap();
        let length =
            self.text[start + 1..].find("\n[").map_or(self.text.len(), |at| start + 2 + at);
        let table = self.text[start..length].to_owned();
        self.replace(&table, to);
    }

    /// The table of the lab's cluster as a service.
    fn service(&self, name: &str, more: &str) -> String {
        let cluster = self.cluster();
        format!(
            "[service.{name}]\nprovider = '{}'\nurl = '{}'\ncertificate = '{}'\n\
             server-certificate = '{}'\n{more}\n",
            cluster.product.name(),
            cluster.first().unwrap().url,
            cluster.client_certificate.display(),
            cluster.server_certificate.display()
        )
    }

    /// The lab's account.
    fn admin(&self) -> String {
        let key = self.state.dir.join("keys/id_ed25519");
        format!(
            "[admin-user]\nusername = 'pallet-admin'\nprivate-key-path = '{}'\n\n",
            key.display()
        )
    }

    /// Lets the example's database be in the lab's VirtualBox, on a copy of its guest disk.
    fn use_virtualbox(&mut self) {
        let (vbox, guest) = (self.state.vbox().unwrap(), self.state.guest().unwrap());
        let folder = vbox.scratch_dir("several").unwrap();
        copy(&Path::new(EXAMPLES).join("demo"), &folder);
        fs::copy(&guest.key, folder.join("guest-key")).unwrap();
        let disk = folder.join("models/debian-12.vdi");
        fs::copy(&guest.disk, &disk).unwrap();
        // Copies of one disk have one UUID, which VirtualBox takes once only.
        let disk = disk.to_str().unwrap();
        vbox.vboxmanage(&["internalcommands", "sethduuid", disk]).unwrap();
        let table = format!(
            "provider = 'virtualbox'\nurl = '{}'\nmodel-path = '{folder}/models'\n\
             node-path = '{folder}/nodes'",
            vbox.url,
            folder = folder.display()
        );
        self.replace("provider = \"virtualbox\"", &table);
        // The guest knows its own key; ours comes with the first phase.
        let key = fs::read_to_string(self.state.dir.join("keys/id_ed25519.pub")).unwrap();
        let bootstrap = format!(
            "[server-spec.db.phases]\nbootstrap = [{{ authorized-key = {{ user = 'pallet-admin', \
             key = '{}' }} }}]\n",
            key.trim()
        );
        self.replace("[server-spec.db.phases]\n", &bootstrap);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pallet"));
        command.args(arguments).args(["--output", "json"]);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs `pallet`; gives the exit code and what it reports.
    fn pallet(&self, arguments: &[&str]) -> (i32, Value) {
        report(self.command(arguments).output().unwrap())
    }

    /// Runs `pallet`, which has to succeed.
    fn done(&self, arguments: &[&str]) -> Value {
        let (code, report) = self.pallet(arguments);
        assert_eq!(code, 0, "{arguments:?}: {report:#}");
        report
    }
}

impl Project {
    /// Destroys what can be destroyed. Group by group: a group of hosts that exist would keep the
    /// others from it, which are refused together.
    fn clear(&self) {
        let text = fs::read_to_string(self.folder.path().join("pallet.toml")).unwrap_or_default();
        let names = text.lines().filter_map(|line| line.strip_prefix("[group-spec."));
        for name in names.filter_map(|rest| rest.split([']', '.']).next()) {
            let _ = self.command(&["destroy", name, "--yes"]).output();
        }
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.clear();
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

fn report(output: std::process::Output) -> (i32, Value) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{stderr}", String::from_utf8_lossy(&output.stdout))
    });
    (output.status.code().unwrap(), report)
}

/// The statuses of every node's actions.
fn statuses(report: &Value) -> BTreeMap<String, Vec<String>> {
    let nodes = report["nodes"].as_array().unwrap().iter();
    let statuses = nodes.map(|node| {
        let phases = node["phases"].as_array().unwrap().iter();
        let actions = phases.flat_map(|phase| phase["actions"].as_array().unwrap());
        let of_node = actions.map(|action| action["status"].as_str().unwrap().to_owned());
        (node["node"].as_str().unwrap().to_owned(), of_node.collect())
    });
    statuses.collect()
}

/// Why a node's phases failed.
fn failure(report: &Value, node: &str) -> String {
    let nodes = report["nodes"].as_array().unwrap();
    let found = nodes.iter().find(|it| it["node"] == node).unwrap();
    let mut phases = found["phases"].as_array().unwrap().iter();
    let failed = phases.find_map(|phase| phase["failure"]["message"].as_str());
    failed.unwrap_or_else(|| panic!("{node} has not failed: {report:#}")).to_owned()
}

/// The names of nodes that a report has under `what`, in order.
fn names(report: &Value, what: &str) -> Vec<String> {
    let names = report[what].as_array().unwrap().iter();
    let mut names: Vec<String> = names.map(|name| name.as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn is_quiet(statuses: &BTreeMap<String, Vec<String>>) -> bool {
    statuses.values().flatten().all(|status| status != "changed" && status != "failed")
}

/// The names of a group's instances, with the members that they are on.
fn instances(member: &Member, group: &str) -> BTreeMap<String, String> {
    let listed = member.client(&["query", "/1.0/instances?recursion=1"]).unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let all = listed.as_array().unwrap().iter();
    let of_group = all.filter(|it| it["config"]["user.pallet.group"] == group);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    of_group.map(|it| (text(&it["name"]), text(&it["location"]))).collect()
}

#[test]
fn the_examples_converge_unchanged_but_for_the_service() {
    let mut demo = Project::of("demo");
    let _sharing = demo.cluster().sharing().unwrap();
    let models = "[service.vbox.hardware-models.lab]\nmemory-size = 256\ncpu-count = 1\n";
    let (service, admin) = (demo.service("vbox", models), demo.admin());
    demo.replace_table("[service.vbox]", &format!("{service}\n"));
    demo.replace_table("[admin-user]", &admin);
    // Its own name, since tests share the cluster.
    demo.replace("[group-spec.web]", "[group-spec.demo]");
    let report = demo.done(&["converge"]);
    assert_eq!(names(&report, "created"), ["demo-1", "demo-2"]);
    assert!(statuses(&report).values().all(|of_node| of_node == &["changed"; 6]), "{report:#}");
    assert!(is_quiet(&statuses(&demo.done(&["converge"]))));
    let report = demo.done(&["converge", "demo=1", "--yes"]);
    assert_eq!(names(&report, "destroyed"), ["demo-2"]);
    demo.done(&["converge", "demo=0", "--yes"]);
    assert_eq!(instances(demo.cluster().first().unwrap(), "demo"), BTreeMap::new());

    let mut quick = Project::of("sandbox");
    let tables = quick.service("sandbox", "") + &quick.admin();
    quick.replace_table("[service.sandbox]", &tables);
    quick.replace("[group-spec.web]", "[group-spec.quick]");
    quick.replace("[group-spec.db]", "[group-spec.quick-db]");
    let report = quick.done(&["converge"]);
    assert_eq!(names(&report, "created"), ["quick-1", "quick-2", "quick-db-1"]);
    assert!(is_quiet(&statuses(&quick.done(&["converge"]))));
}

#[test]
fn an_image_is_imported_from_a_folder() {
    let mut project = Project::of("sandbox");
    // Nodes whose specs ask for no image might be made of it.
    let cluster = project.cluster().clone();
    let _alone = cluster.alone().unwrap();
    let tables = project.service("sandbox", "") + &project.admin();
    project.replace_table("[service.sandbox]", &tables);
    let root = project.folder.path().join("tiny");
    for name in ["etc", "usr"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(root.join("etc/os-release"), "ID=tiny\n").unwrap();

    let import = ["models", "import", "tiny", "--service", "sandbox", "--os-family", "Tiny"];
    let made = project.done(&[&import[..], &["--set", "no-sudo=true"]].concat());
    assert_eq!(made["image"], "tiny");
    let listed = project.done(&["images", "--service", "sandbox"]);
    assert!(listed.to_string().contains("\"tiny\""), "{listed:#}");
    let fingerprint = made["fingerprint"].as_str().unwrap();
    cluster.first().unwrap().client(&["image", "delete", fingerprint]).unwrap();

    let (code, refused) = project.pallet(&[&import[..], &["--raw"]].concat());
    assert_eq!(code, 2, "{refused:#}");
    assert!(refused.to_string().contains("--raw is for VirtualBox"), "{refused:#}");
    let (code, refused) = project.pallet(&["models", "import", "absent", "--service", "sandbox"]);
    assert_eq!(code, 2, "{refused:#}");
}

#[test]
fn many_nodes_over_both_members() {
    let count = std::env::var("CLUSTER_NODES").unwrap_or_else(|_| NODES.to_owned());
    let mut project = Project::of("role");
    let _sharing = project.cluster().sharing().unwrap();
    let tables = project.service("hosts", "") + &project.admin();
    project.replace_table("[service.hosts]", &tables);
    project.text = project.text.replace("[admin-user]\nusername = \"pallet-admin\"\n", "");
    project.replace("[group-spec.role]\n", &format!("[group-spec.role]\ncount = {count}\n"));

    let begun = Instant::now();
    let report = project.done(&["converge"]);
    println!("{count} nodes created and configured in {:.1?}", begun.elapsed());
    let count: usize = count.parse().unwrap();
    let found = statuses(&report);
    assert_eq!(found.len(), count, "{report:#}");
    for (node, statuses) in &found {
        let failed = statuses.iter().any(|status| status == "failed");
        assert!(statuses.len() == 52 && !failed, "{node}: {statuses:?}");
    }
    let first = project.cluster().first().unwrap();
    let places = instances(first, "role");
    let on = |member: &str| places.values().filter(|place| *place == member).count();
    let (one, two) = (on(&first.name), on(&project.cluster().second().unwrap().name));
    assert_eq!(one + two, count, "{places:?}");
    // Few may all go to one member, where other tests have just left it empty.
    let least = if count < 10 { 0 } else { count / 3 };
    assert!(one.min(two) >= least, "{places:?}");

    let begun = Instant::now();
    assert!(is_quiet(&statuses(&project.done(&["converge"]))));
    println!("nothing to change in {:.1?}", begun.elapsed());

    // A gap and a stopped node: the gap is filled, the stopped one is started.
    first.client(&["delete", "--force", "role-2"]).unwrap();
    first.client(&["stop", "--force", "role-3"]).unwrap();
    let report = project.done(&["converge"]);
    assert_eq!(names(&report, "created"), ["role-2"]);
    assert_eq!(names(&report, "started"), ["role-3"]);

    let begun = Instant::now();
    project.done(&["destroy", "role", "--yes"]);
    println!("destroyed in {:.1?}", begun.elapsed());
    assert_eq!(instances(first, "role"), BTreeMap::new());
}

#[test]
fn several_services_at_once_see_each_other() {
    let mut project = Project::of("cluster");
    let _sharing = project.cluster().sharing().unwrap();
    let hosts = project.state.claim(NodeKind::Plain, 1).unwrap();
    let host = &hosts[0];
    let (service, admin) = (project.service("cluster", ""), project.admin());
    project.replace_table("[service.cluster]", &format!("{service}\n"));
    project.replace_table("[admin-user]", &admin);
    match std::env::var_os("CLUSTER_VBOX") {
        Some(_) => project.use_virtualbox(),
        // In a moment, and not in minutes.
        None => project.replace(
            "provider = \"virtualbox\"",
            "provider = \"sandbox\"\nadmin-user = { username = \"root\" }",
        ),
    }
    project.replace(
        "host = \"192.0.2.10\"",
        &format!("host = '{}', host-key = '{}'", host.address, host.host_key),
    );
    project.replace("[group-spec.web]", "[group-spec.front]");
    for template in ["clients.hbs", "backends.hbs"] {
        let path = project.folder.path().join(template);
        let text = fs::read_to_string(&path).unwrap().replace("\"web\"", "\"front\"");
        fs::write(&path, text).unwrap();
    }

    // An earlier run may have been killed.
    project.clear();
    let report = project.done(&["converge"]);
    assert_eq!(names(&report, "created"), ["db-1", "front-1", "front-2"]);
    let nodes = project.done(&["nodes"]);
    let address = |name: &str| {
        let nodes = nodes["nodes"].as_array().unwrap();
        let node = nodes.iter().find(|node| node["name"] == name).unwrap();
        let at = node["address"].as_str().unwrap().to_owned();
        at.rsplit_once(':').map_or(at.clone(), |(host, _)| host.to_owned())
    };
    let backends = host.run(&["cat", "/etc/balancer/backends"]).unwrap();
    let first = project.cluster().first().unwrap();
    let places = instances(first, "front");
    let expected: String = places
        .iter()
        .map(|(name, place)| format!("backend {name} {}:8080 on {place}\n", address(name)))
        .collect();
    assert_eq!(backends.trim_end(), format!("# example.org\n{expected}").trim_end());
    let file = first.client(&["file", "pull", "front-2/etc/app/app.conf", "-"]).unwrap();
    let listen = format!("listen {}:8080\n", address("front-2"));
    assert!(file.starts_with(&listen), "{file}");
    assert!(file.contains("database app at ") && file.contains(":5432\n"), "{file}");
    assert!(is_quiet(&statuses(&project.done(&["converge"]))));
}

/// Starts a member again, however the test ends.
struct Revived<'a>(&'a Member);

impl Drop for Revived<'_> {
    fn drop(&mut self) {
        self.0.start().unwrap();
    }
}

/// A member dies while its nodes are worked on. The nodes on the other one finish, those that are
/// lost are told, and once the member is back the next converge finishes: with the same nodes.
#[test]
fn a_member_that_dies_takes_only_its_own_nodes_along() {
    let mut project = Project::of("sandbox");
    let cluster = project.cluster().clone();
    let _alone = cluster.alone().unwrap();
    let (first, second) = (cluster.first().unwrap(), cluster.second().unwrap());
    let folder = project.folder.path().to_owned();
    let spec = |member: &str| format!("{{ location = {{ member = \"{member}\" }} }}");
    let text = format!(
        "{service}{admin}
[server-spec.it.phases]
configure = [
  {{ exec-script = {{ name = \"wait\", script = \"touch /root/begun; until [ -e /root/go ]; do sleep 0.1; done\", creates = \"/root/go\" }} }},
  {{ remote-file = {{ path = \"/root/done\", content = \"done\\n\" }} }},
]
[group-spec.stay]
node-spec = {stay}
extends = [\"it\"]
count = 2
[group-spec.lost]
node-spec = {lost}
extends = [\"it\"]
count = 2
",
        service = project.service("cluster", ""),
        admin = project.admin(),
        stay = spec(&first.name),
        lost = spec(&second.name),
    );
    project.text = text;
    fs::write(folder.join("pallet.toml"), &project.text).unwrap();

    let mut running = project.command(&["converge", "--keep-failed"]);
    let mut running = running.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let in_node = |node: &str, command: &str| {
        first.client(&["exec", node, "--", "sh", "-c", command]).is_ok()
    };
    let nodes = ["stay-1", "stay-2", "lost-1", "lost-2"];
    eventually("all nodes begin", || {
        if running.try_wait().unwrap().is_some() {
            let mut told = String::new();
            running.stdout.as_mut().unwrap().read_to_string(&mut told).unwrap();
            panic!("it has ended before: {told}");
        }
        nodes.iter().all(|node| in_node(node, "test -e /root/begun"))
    });
    let _revived = Revived(second);
    second.kill().unwrap();
    for node in ["stay-1", "stay-2"] {
        assert!(in_node(node, "touch /root/go"));
    }
    let (code, told) = report(running.wait_with_output().unwrap());
    assert_eq!(code, 1, "{told:#}");
    let found = statuses(&told);
    for node in ["stay-1", "stay-2"] {
        assert_eq!(found[node], ["changed"; 2], "{told:#}");
    }
    for node in ["lost-1", "lost-2"] {
        let reason = failure(&told, node);
        assert!(reason.contains("lost"), "{reason}");
    }

    // As long as the member is away its nodes are there, and cannot be had.
    let (code, told) = project.pallet(&["converge"]);
    assert_eq!(code, 1, "{told:#}");
    assert_eq!(names(&told, "created"), [""; 0], "{told:#}");
    let reason = failure(&told, "lost-1");
    assert!(reason.contains(&second.name), "{reason}");

    second.start().unwrap();
    eventually("the member is back", || {
        let path = format!("/1.0/cluster/members/{}", second.name);
        let list = first.client(&["query", &path]);
        list.is_ok_and(|text| text.contains("Online"))
    });
    eventually("its nodes can go on", || {
        ["lost-1", "lost-2"].iter().all(|node| {
            // It starts by itself what ran before, sooner or later.
            first.client(&["start", node]).ok();
            in_node(node, "touch /root/go")
        })
    });
    let told = project.done(&["converge"]);
    assert_eq!(names(&told, "created"), [""; 0], "{told:#}");
    for node in ["lost-1", "lost-2"] {
        let done = first.client(&["exec", node, "--", "cat", "/root/done"]).unwrap();
        assert_eq!(done, "done\n");
    }
    // For those who use the cluster next.
    eventually("the member takes new nodes", || {
        first.client(&["delete", "--force", "probe"]).ok();
        let launch = ["launch", "--quiet", &cluster.image, "probe", "--target", &second.name];
        first.client(&launch).is_ok() && first.client(&["delete", "--force", "probe"]).is_ok()
    });
    let all: Vec<String> = instances(first, "lost").into_keys().collect();
    assert_eq!(all, ["lost-1", "lost-2"], "no node twice");
}

fn eventually(what: &str, mut happens: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !happens() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
