//! An action of one's own: one setting of an `.ini` file. It is registered beside the ready ones,
//! and a document uses it like any of them.
//!
//! `cargo run -p pallet-crates --example own_action -- /tmp/app.ini` carries the document out on
//! this machine, as whoever runs it: first it says what it would do, then it does it, then there
//! is nothing left to do.

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Mode, Preparation, ProbeSet, View,
};
use pallet_core::compute::{ComputeService, HostKeySetting, ListedNode, NodeList, NodeListConfig};
use pallet_core::document::Document;
use pallet_core::engine::{Connector, Control};
use pallet_core::event::Events;
use pallet_core::login::Login;
use pallet_core::report::Report;
use pallet_core::run::{Fleet, RunOptions};
use pallet_core::shell;
use pallet_core::spec::GroupSpec;
use pallet_crates::probes::{FileContent, Seen};
use pallet_crates::values::RemotePath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One setting of an `.ini` file that exists.
///
/// The parameters are the fields: how they are written, checked and documented comes from here.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct IniSetting {
    /// The file.
    path: RemotePath,
    /// The section that the setting is in.
    section: String,
    /// Its name.
    key: String,
    /// Its value.
    value: String,
}

impl IniSetting {
    /// The text with the setting in it. Pure: this is what the tests of an action look at first.
    fn edit(&self, text: &str) -> String {
        let wanted = format!("{} = {}", self.key, self.value);
        let (mut lines, mut is_inside, mut is_done) = (Vec::new(), false, false);
        for line in text.lines() {
            if let Some(name) = line.trim().strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
                if is_inside && !is_done {
                    lines.push(wanted.clone());
                    is_done = true;
                }
                is_inside = name == self.section;
            }
            let key = line.split('=').next().map(str::trim);
            match is_inside && key == Some(self.key.as_str()) {
                true if !is_done => {
                    lines.push(wanted.clone());
                    is_done = true;
                }
                // Of a setting that stands there twice, one is enough.
                true => {}
                false => lines.push(line.to_owned()),
            }
        }
        if !is_done {
            lines.extend((!is_inside).then(|| format!("[{}]", self.section)));
            lines.push(wanted);
        }
        lines.join("\n") + "\n"
    }
}

impl Action for IniSetting {
    const NAME: &'static str = "ini-setting";
    const SUMMARY: &'static str = "One setting of an .ini file.";
    const EXAMPLE: &'static str = r#"{ ini-setting = { path = "/etc/app.ini", section = "server", key = "port", value = "8080" } }"#;

    fn subject(&self) -> String {
        format!("{} {}.{}", self.path, self.section, self.key)
    }

    /// What types cannot check, before any node is connected.
    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        match [&self.section, &self.key, &self.value].iter().any(|text| text.contains('\n')) {
            true => Err(ActionError::new("section, key and value are one line each")),
            false => Ok(None),
        }
    }

    /// What it has to know. All actions' questions go to the node together.
    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<FileContent>(self.path.clone());
    }

    /// What it does about that: nothing, or a change. No node is touched here.
    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let Seen::Text(text) = view.get::<FileContent>(&self.path)? else {
            return Err(ActionError::new(format!("there is no text file {}", self.path))
                .help("write it in an earlier step: { remote-file = … }"));
        };
        let before = String::from_utf8_lossy(text);
        let after = self.edit(&before);
        if before == after {
            return Ok(Decision::Unchanged);
        }
        // Contents travel beside the code, and everything in the code is quoted. The file is
        // replaced at once, with its owner and mode.
        let mut fragment = Fragment::new();
        let payload = fragment.payload(after.as_bytes());
        let (path, new) = (shell::quote(self.path.as_str()), format!("{}.new", self.path));
        let new = shell::quote(&new);
        fragment.line(&format!("cp -p -- {path} {new}\n{payload} >{new}\nmv -f -- {new} {path}"));
        // What it writes, and what would be found there then: so later steps need not look again.
        let change = Change::new(fragment, [self.path.key()]).detail(format!("= {}", self.value));
        Ok(Decision::Change(
            change.predict::<FileContent>(self.path.clone(), Seen::of(after.as_bytes())),
        ))
    }
}

const DOCUMENT: &str = r#"
[group-spec.here]
phases.configure = [
  { file        = "PATH" },
  { ini-setting = { path = "PATH", section = "server", key = "port", value = "8080" } },
  { ini-setting = { path = "PATH", section = "server", key = "host", value = "::1" } },
  { ini-setting = { path = "PATH", section = "log", key = "level", value = "info" } },
]
"#;

/// The groups of the document, with the ready actions and our own.
pub fn groups(path: &str) -> Result<Vec<GroupSpec>, Box<dyn Error>> {
    let registry = pallet_crates::all().action::<IniSetting>();
    let text = DOCUMENT.replace("PATH", path);
    let infrastructure = Document::parse("pallet.toml", text)?.resolve(&registry)?;
    Ok(infrastructure.groups.into_values().collect())
}

/// One run on this machine.
pub async fn run(groups: &[GroupSpec], mode: Mode) -> Result<Report, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let here = ListedNode {
        name: "here-1".to_owned(),
        group: "here".to_owned(),
        host: None,
        port: 22,
        host_key: None,
    };
    let config = NodeListConfig { nodes: vec![here], host_key: HostKeySetting::KnownHosts };
    let service: Arc<dyn ComputeService> = Arc::new(NodeList::new("this-machine", config));
    let mut control = Control::new();
    control.node_folder = Some(folder.path().join("node").display().to_string());
    let fleet = Fleet {
        services: BTreeMap::from([("this-machine".to_owned(), service)]),
        default_service: None,
        // As whoever runs this, without sudo.
        admin: Login { no_sudo: true, ..Login::new("whoever-runs-this") },
        environment: Default::default(),
        scopes: BTreeMap::new(),
        connector: Connector::default(),
        options: RunOptions { mode, ..RunOptions::default() },
        events: Events::none(),
        control,
        considered: Vec::new(),
        locks: folder.path().join("locks"),
    };
    Ok(fleet.lift(groups, &[]).await?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: own_action FILE")?;
    let groups = groups(&path)?;
    for mode in [Mode::Check, Mode::Apply, Mode::Apply] {
        let report = run(&groups, mode).await?;
        for action in report.nodes.iter().flat_map(|node| &node.phases).flat_map(|it| &it.actions) {
            println!(
                "{} {}: {:?} {:?}",
                action.action, action.subject, action.status, action.details
            );
        }
        if let Some(failure) = report.nodes.iter().find_map(|node| node.failure()) {
            return Err(failure.message.clone().into());
        }
        println!();
    }
    Ok(())
}
