//! What there is: two web nodes, and a proxy that finds them.

use pallet_cli::Specs;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::spec::{GroupSpec, NodeSpec, Phase, ServerSpec};
use pallet_crates::{Directory, ExecScript, RemoteFile, User};
use serde::Deserialize;
use serde_json::json;

use crate::local_time::LocalTime;

/// All groups.
pub fn specs() -> Result<Specs, String> {
    let group = |name: &str, server, count| {
        Ok::<_, String>(GroupSpec::new(name.parse()?, NodeSpec::new(), server).count(count))
    };
    Ok(Specs::new().group(group("web", web()?, 2)?).group(group("proxy", proxy()?, 1)?))
}

/// What every node has.
fn base() -> Result<ServerSpec, String> {
    let configure = Phase::new()
        .action(LocalTime::new("Etc/UTC"))
        .action(RemoteFile::new("/etc/motd")?.content("Described in Rust.\n"));
    Ok(ServerSpec::new().phase("configure", configure))
}

/// A node that shows the site.
fn web() -> Result<ServerSpec, String> {
    let user = User::new("site")?.system().home("/srv/site")?.create_home(true);
    let configure = Phase::new()
        .action(user)
        .action(Directory::new("/srv/site/public")?.owner("site")?)
        .plan(page);
    Ok(ServerSpec::new()
        .role("web")
        .setting("site", json!({ "port": 8080 }))
        .phase("configure", configure)
        .extends(&base()?))
}

/// The node in front of them.
fn proxy() -> Result<ServerSpec, String> {
    Ok(ServerSpec::new()
        .role("proxy")
        .phase("configure", Phase::new().plan(backends))
        .extends(&base()?))
}

/// The `site` settings of a node.
#[derive(Debug, Deserialize)]
struct Site {
    port: u16,
}

/// A plan function: what a web node shows depends on which node it is.
fn page(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let domain = plan.environment().get("domain").and_then(|it| it.as_str()).unwrap_or("localhost");
    let page = format!("<h1>{} of {domain}</h1>\n", plan.target().name);
    let file = RemoteFile::new("/srv/site/public/index.html").and_then(|it| it.owner("site"));
    let file = file.map_err(|error| plan.error(error))?;
    plan.action(file.content(page));
    Ok(())
}

/// A plan function: the proxy knows its backends from the other nodes' settings.
fn backends(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let mut lines = Vec::new();
    for node in plan.nodes_with_role("web") {
        let site = node.settings.get("site").cloned().unwrap_or_default();
        let Site { port } = serde_json::from_value(site)
            .map_err(|error| plan.error(format!("{} has no site: {error}", node.name)))?;
        lines.push(format!("server {} {}:{port};\n", node.name, node.address));
    }
    let folder = Directory::new("/etc/proxy").map_err(|error| plan.error(error))?;
    let file = RemoteFile::new("/etc/proxy/backends.conf").map_err(|error| plan.error(error))?;
    plan.action(folder);
    let written = plan.action(file.content(lines.concat()));
    let reload = ExecScript::new("date >>/var/log/proxy-reloads").name("reload the proxy");
    plan.action_when_changed(&[&written], reload);
    Ok(())
}
