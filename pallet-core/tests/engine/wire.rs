//! What goes over the wire arrives as it is, and hostile programs do not confuse the session.

use std::fs;

use pallet_core::action::Mode;
use pallet_core::spec::Phase;

use crate::actions::Put;
use crate::script::Run;
use crate::{path, run, statuses, this_machine};

#[tokio::test]
async fn contents_of_every_kind_arrive_byte_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    let all_bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let contents: [&[u8]; 7] = [
        b"",
        b"no newline at the end",
        b"$HOME `id` $(id) \\ \" ' !\n",
        b"EOF\n__EOF\nEOFpallet\n}\n)\n",
        "gr\u{fc}\u{df} \u{6f22}\n\r\n".as_bytes(),
        b"\x1epallet-00000000000000000000000000000000 end 0 0\x1e",
        &all_bytes,
    ];
    let mut phase = Phase::new();
    for (number, content) in contents.iter().enumerate() {
        let name = format!("it's $({number}) \"file\"\n{number}");
        phase = phase.action(Put::new(path(folder.path(), &name), *content));
    }
    let mut here = this_machine().await;
    let report = run(&mut here, &phase, Mode::Apply).await;
    assert!(statuses(&report).iter().all(|status| status == "changed"), "{report:#?}");
    for (number, content) in contents.iter().enumerate() {
        let name = format!("it's $({number}) \"file\"\n{number}");
        assert_eq!(fs::read(path(folder.path(), &name)).unwrap(), *content);
    }
    let again = run(&mut here, &phase, Mode::Apply).await;
    assert!(statuses(&again).iter().all(|status| status == "unchanged"), "{again:#?}");
}

#[tokio::test]
async fn an_empty_content_alone_is_a_content() {
    let folder = tempfile::tempdir().unwrap();
    let a = path(folder.path(), "a");
    let phase = Phase::new().action(Put::new(a.clone(), ""));
    let report = run(&mut this_machine().await, &phase, Mode::Apply).await;
    assert_eq!(statuses(&report), ["changed"], "{report:#?}");
    assert_eq!(fs::read(a).unwrap(), b"");
}

#[tokio::test]
async fn much_is_sent_while_much_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let big = vec![b'z'; 3_000_000];
    let phase = Phase::new()
        .action(Run::new("head -c 2000000 /dev/zero | tr '\\0' x"))
        .action(Put::new(path(folder.path(), "big"), big.clone()));
    let report = run(&mut this_machine().await, &phase, Mode::Apply).await;
    assert_eq!(statuses(&report), ["changed", "changed"]);
    assert!(report.actions[0].output.contains("bytes left out"));
    assert_eq!(fs::read(path(folder.path(), "big")).unwrap(), big);
}

#[tokio::test]
async fn scripts_cannot_read_the_session_or_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let a = path(folder.path(), "a");
    let phase = Phase::new()
        .action(Run::new("cat; read -r x || echo nothing to read"))
        .action(Run::new("cat <&3 2>&1 || echo no such descriptor"))
        .action(Run::new("exec 1>&- 2>&-; exit 0"))
        .action(Run::new("set +e; trap '' EXIT; false; true"))
        .action(Put::new(a.clone(), "A"));
    let mut here = this_machine().await;
    let report = run(&mut here, &phase, Mode::Apply).await;
    assert_eq!(statuses(&report), ["changed"; 5], "{report:#?}");
    assert_eq!(report.actions[0].output, "nothing to read");
    assert!(report.actions[1].output.contains("no such descriptor"));
    let report = run(&mut here, &Phase::new().action(Run::new("exit 3")), Mode::Apply).await;
    assert_eq!(report.failure.unwrap().message, "it ended with exit status 3");
    let phase = Phase::new().action(Put::new(a, "B"));
    assert_eq!(statuses(&run(&mut here, &phase, Mode::Apply).await), ["changed"]);
}

#[tokio::test]
async fn a_script_that_kills_its_session_is_that_actions_failure() {
    // The session's shell, the program's and the script's own.
    let script = "read -r _ _ _ parent _ </proc/$BASHPID/stat; kill -9 $$ $parent $BASHPID";
    let phase = Phase::new().action(Run::new(script)).action(Run::new("true"));
    let report = run(&mut this_machine().await, &phase, Mode::Apply).await;
    let failure = report.failure.as_ref().unwrap();
    assert!(failure.action.as_ref().unwrap().starts_with("run read"), "{failure:?}");
    assert!(failure.message.starts_with("the session ended unexpectedly"), "{failure:?}");
    assert_eq!(statuses(&report), ["failed", "skipped"]);
}
