//! The page of a run with everything in it.

use serde_json::{Value, json};

use super::*;

fn action(subject: &str, status: &str, begun: u64) -> Value {
    json!({
        "action": "remote-file", "subject": subject, "status": status, "reason": "why <so>",
        "origin": { "file": "pallet.toml", "line": 9, "column": 3 },
        "details": ["mode 0600 → 0644"], "diff": "-a\n+<b>\n", "output": "", "begun": begun,
        "millis": 100,
    })
}

fn report() -> Report {
    let node = |name: &str| {
        json!({ "node": name, "group": "web", "phases": [{
            "phase": "configure", "begun": 2_000, "millis": 8_000,
            "actions": [action("/etc/motd", "changed", 3_000), action("/b", "unchanged", 3_100)],
            "failure": null,
        }] })
    };
    let mut failed = node("web-3");
    failed["phases"][0]["failure"] = json!({
        "node": "web-3", "phase": "configure", "action": "exec-script <script>alert(1)</script>",
        "origin": null, "message": "it ended with exit status 7", "help": "look at it",
        "output": "one\n\u{1b}[2J</pre><script>alert(2)</script>\n",
    });
    serde_json::from_value(json!({
        "created": ["web-2"], "started": [], "destroyed": [], "failures": [],
        "begun": 1_000, "ended": 11_000, "nodes": [node("web-1"), node("web-2"), failed],
    }))
    .unwrap()
}

fn page(report: &Report) -> String {
    html(&Page {
        title: "converge of {{body}} & more".to_owned(),
        ending: Ending::Failed,
        lines: vec!["run 1, by me".to_owned()],
        report,
    })
}

#[test]
fn what_nodes_say_is_text() {
    let html = page(&report());
    assert!(!html.contains("alert(1)</script>") && !html.contains("alert(2)</script>"));
    assert_eq!(html.matches("<script").count(), 1, "only our own");
    assert!(html.contains("converge of {{body}} &amp; more"), "what is filled in is not filled");
    assert!(!html.contains('\u{1b}'));
}

#[test]
fn nothing_is_fetched() {
    let html = page(&report());
    for word in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn the_same_change_of_many_nodes_stands_there_once() {
    let html = page(&report());
    assert_eq!(html.matches("<div class=\"change\">").count(), 1);
    assert!(html.contains("changed: all 3 nodes"), "{html}");
    assert_eq!(html.matches("<span class=\"added\">+&lt;b&gt;</span>").count(), 1);
}

#[test]
fn bars_stand_where_their_times_say() {
    let html = page(&report());
    // The run takes 10 s: the phase begins after 1 s and takes 8 s.
    assert!(html.contains("--from:10.000%;--width:80.000%"), "{html}");
    assert!(html.contains("--from:20.000%;--width:1.000%"), "{html}");
    let mut untimed = report();
    untimed.begun = None;
    untimed.ended = None;
    untimed.nodes.iter_mut().flat_map(|node| &mut node.phases).for_each(|it| it.begun = None);
    assert!(!page(&untimed).contains("id=\"timeline\""));
}
