//! Long contents travel on a channel of their own, and go on where they were cut off.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, ProbeSet, Upload, View,
};
use pallet_core::engine::{Connection, Connector};
use pallet_core::login::Login;
use pallet_core::shell::quote;
use pallet_core::spec::Phase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::actions::Put;
use crate::cut::Cut;
use crate::{control, path, run_of, statuses};

const SIZE: usize = 5_000_000;

async fn over(line: &Cut) -> Connection {
    let login = Login { no_sudo: true, ..Login::new("tester") };
    Connector::default().work_over(Arc::new(line.clone()), login).await.unwrap()
}

#[tokio::test]
async fn what_has_arrived_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (path(folder.path(), "source"), path(folder.path(), "it's \"here\""));
    let bytes: Vec<u8> = (0..SIZE).map(|at| (at * 7 / 3) as u8).collect();
    fs::write(&source, &bytes).unwrap();
    let in_memory = Phase::new().action(Put::new(target.clone(), bytes.clone()));
    let from_disk = Phase::new().action(PutFile { path: target.clone(), source });
    for phase in [in_memory, from_disk] {
        let control = control(folder.path());
        let line = Cut::after(3_000_000);
        let report = run_of(&control, &mut over(&line).await, &phase).await;
        let failure = report.failure.unwrap();
        assert!(failure.action.is_some(), "{failure:?}");
        assert!(!fs::exists(&target).unwrap());
        let uploads = folder.path().join("node/uploads");
        let parts: Vec<_> = fs::read_dir(&uploads).unwrap().map(|it| it.unwrap().path()).collect();
        assert_eq!(parts.len(), 1);
        let there = fs::metadata(&parts[0]).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&there.permissions()) & 0o777, 0o600);
        let there = usize::try_from(there.len()).unwrap();
        assert!(there > 2_000_000, "{there}");

        let line = Cut::after(usize::MAX);
        let report = run_of(&control, &mut over(&line).await, &phase).await;
        assert_eq!(statuses(&report), ["changed"], "{report:#?}");
        assert!(fs::read(&target).unwrap() == bytes);
        let sent = line.sent.load(Ordering::SeqCst);
        assert!(sent < SIZE - there + 100_000, "{sent} bytes after {there}");
        assert!(fs::read_dir(&uploads).unwrap().next().is_none(), "nothing stays");
        fs::remove_file(&target).unwrap();
    }
}

#[tokio::test]
async fn a_damaged_part_is_noticed_and_sent_anew() {
    let folder = tempfile::tempdir().unwrap();
    let target = path(folder.path(), "target");
    let bytes = vec![b'x'; SIZE];
    let phase = Phase::new().action(Put::new(target.clone(), bytes.clone()));
    let control = control(folder.path());
    let report = run_of(&control, &mut over(&Cut::after(2_000_000)).await, &phase).await;
    assert!(report.failure.is_some());
    let uploads = folder.path().join("node/uploads");
    let part = fs::read_dir(&uploads).unwrap().next().unwrap().unwrap().path();
    let mut damaged = fs::read(&part).unwrap();
    damaged[1000] = b'y';
    fs::write(&part, damaged).unwrap();
    let line = Cut::after(usize::MAX);
    let report = run_of(&control, &mut over(&line).await, &phase).await;
    let failure = report.failure.unwrap();
    assert!(failure.message.contains("something else"), "{failure:?}");
    assert!(!fs::exists(&target).unwrap());
    let report = run_of(&control, &mut over(&line).await, &phase).await;
    assert_eq!(statuses(&report), ["changed"], "{report:#?}");
    assert!(fs::read(&target).unwrap() == bytes);
}

/// Puts a file of this machine at a place where there is none.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PutFile {
    pub path: String,
    pub source: String,
}

impl Action for PutFile {
    const NAME: &'static str = "put-file";
    const SUMMARY: &'static str = "Puts a file.";
    const EXAMPLE: &'static str = "{ put-file = { path = \"/x\", source = \"/y\" } }";

    fn subject(&self) -> String {
        self.path.clone()
    }

    fn probe(&self, _view: &View<'_>, _wanted: &mut ProbeSet) {}

    fn decide(&self, _view: &View<'_>) -> Result<Decision, ActionError> {
        let upload =
            Upload::file(&self.source).map_err(|error| ActionError::new(error.to_string()))?;
        let mut fragment = Fragment::new();
        let take = fragment.upload(upload);
        fragment.line(&format!("{take} >{}", quote(&self.path)));
        Ok(Decision::Change(Change::new(fragment, [Key::path(&self.path)])))
    }
}
