//! The live view, on a terminal of a given size.

use crate::screen::Screen;
use crate::support::Folder;

const STEPS: &str = "{ exec-script = { name = 'wait for it', script = 'sleep 3' } }, \
                     { exec-script = { name = 'fail', script = 'echo broken; exit 7' } }";

#[test]
fn what_goes_on_is_shown_and_then_gone() {
    let folder = Folder::with_local_node(STEPS);
    let ran = folder.pallet_on_sized_terminal(&["lift"], 30, 100).code(1);
    assert!(ran.stdout.contains("\u{1b}[?2026h"), "it was not drawn: {ran:#?}");
    let (frames, last) = Screen::play(&ran.stdout);
    let shown =
        |words: &[&str]| frames.iter().any(|frame| words.iter().all(|word| frame.contains(word)));
    assert!(
        shown(&["configure", "0 of 1 nodes", "web-1", "exec-script wait for it"]),
        "{frames:#?}"
    );
    // What stays: the change, the failure, and the result; nothing of the view.
    let lines: Vec<&str> = last.lines().collect();
    assert!(lines[0].starts_with("web-1  configure  exec-script wait for it  changed"), "{last}");
    assert!(lines[1].starts_with("web-1  configure  exec-script fail  failed"), "{last}");
    assert!(lines[2].starts_with("node   phase"), "{last}");
    assert!(last.contains("| broken") && !last.contains("1 nodes\n"), "{last}");
    assert_eq!(last.matches("wait for it").count(), 1, "{last}");
}

#[test]
fn plain_lines_where_nobody_looks() {
    let folder = Folder::with_local_node("{ exec-script = 'true' }");
    let plain = folder.pallet(&["lift"]).code(0).says(&["exec-script true  changed"]);
    assert!(!plain.stderr.contains('\u{1b}'), "{plain:#?}");
    // Too small to draw on.
    let small = folder.pallet_on_sized_terminal(&["lift"], 4, 30).code(0);
    assert!(!small.stdout.contains("?2026"), "{small:#?}");
}
