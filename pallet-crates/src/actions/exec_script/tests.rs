//! What is decided, and scripts that run in a real bash.

use std::path::Path;

use pallet_core::facts::Facts;
use pallet_core::plan::{Nodes, Values};

use super::super::testing::{change, outcome, run};
use super::*;
use crate::probes::testing::Scratch;

#[test]
fn decision_table() {
    let plain = ExecScript::new("true");
    let creates = plain.clone().creates("/x").unwrap();
    let unless = plain.clone().unless("test -e /y");
    let both = unless.clone().only_if("test -e /z");
    let found = |is_created, unless, only_if| Found {
        is_created,
        unless,
        only_if,
        tried_guards: unless.is_some() || only_if.is_some(),
    };
    let cases = [
        (&plain, found(None, None, None), "runs each time"),
        (&creates, found(Some(true), None, None), "unchanged"),
        (&creates, found(Some(false), None, None), "/x is missing"),
        (&unless, found(None, Some(true), None), "unchanged"),
        (&unless, found(None, Some(false), None), "`unless` does not hold"),
        (&both, found(None, Some(false), Some(false)), "unchanged"),
        (&both, found(None, Some(false), Some(true)), "`unless` does not hold; `only-if` holds"),
    ];
    for (script, found, expected) in cases {
        assert_eq!(outcome(Ok(script.decide_from(&found))), expected, "{script:?}");
    }
    let unasked = outcome(Ok(unless.decide_from(&found(None, None, None))));
    assert!(unasked.starts_with("may: its conditions run only"), "{unasked}");
}

#[test]
fn writes_everything_unless_told() {
    assert_eq!(ExecScript::new("x").writes(), [Key::Everything]);
    let narrow = ExecScript::new("x").affects("/a").unwrap().creates("/b").unwrap();
    assert_eq!(narrow.writes(), [Key::tree("/a"), Key::tree("/b")]);
    let nothing = ExecScript { affects: Some(Vec::new()), ..ExecScript::new("x") };
    assert!(nothing.writes().is_empty());
}

#[test]
fn variables_are_set_for_the_script_and_not_for_its_shell() {
    let script = ExecScript::new(
        "#!/bin/bash\nprintf '%s\\n' \"$ONE\"; env | grep ^TWO=; tr '\\0' '\\n' < /proc/$$/environ \
         | grep -c 'two w'\ntrue",
    );
    let script = script.env("ONE", "it's $HOME\nand more").env("TWO", Secret::new("two words"));
    assert!(!format!("{script:?}").contains("two words"));
    let facts = Facts::default();
    let values = Values::new(serde_json::Map::new(), Nodes::default());
    let context = Preparation { facts: &facts, values: &values, base: Path::new("") };
    let prepared = script.prepare(&context).unwrap().unwrap();
    assert!(!format!("{prepared:?}").contains("two words"));
    let ran = run(&change(Ok(prepared.decide_from(&Found::default()))).fragment);
    assert_eq!(ran.output, "it's $HOME\nand more\nTWO=two words\n0\n");

    let wrong = ExecScript::new("true").env("A-B", "x");
    assert!(wrong.prepare(&context).unwrap_err().message.contains("`A-B`"));
}

#[test]
fn runs_hostile_scripts_and_keeps_their_status() {
    let scratch = Scratch::new();
    let log = scratch.path("log");
    let script = format!(
        "printf '%s\\n' \"it's $((1+1)) `echo ok` \\$HOME\" >'{log}'\ncat <<'EOF' >>'{log}'\n'$x`\nEOF\n\
         ls -ld \"$(dirname \"$0\")\" >>'{log}'; cat; umask >>'{log}'; exit 7"
    );
    let ran = run(&change(Ok(ExecScript::new(script).decide_from(&Found::default()))).fragment);
    assert_eq!((ran.status, ran.output.as_str()), (7, ""));
    let written = std::fs::read_to_string(log.as_str()).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines[..2], ["it's 2 ok $HOME", "'$x`"]);
    assert!(lines[2].starts_with("drwx------"), "{}", lines[2]);
    assert_eq!(lines[3], "0022");
    let folder = lines[2].rsplit(' ').next().unwrap();
    assert!(!std::fs::exists(folder).unwrap(), "{folder} is removed");
}

#[test]
fn output_comes_back_and_a_failure_in_the_middle_is_the_script_s_own_business() {
    let fragment = ExecScript::new("echo one; false; echo two >&2").fragment();
    let ran = run(&fragment);
    assert_eq!((ran.status, ran.output.as_str()), (0, "one\ntwo\n"));
}

#[test]
fn a_script_does_not_see_the_payloads() {
    let fragment = ExecScript::new("read -r line <&3 || echo closed").fragment();
    let ran = run(&fragment);
    assert!(ran.output.starts_with("closed\n"), "{}", ran.output);
}

#[test]
fn first_lines_that_would_be_ignored_are_refused() {
    let good = [
        "true",
        "#!/bin/sh\n",
        "#!/usr/bin/env bash\n",
        "#! /bin/bash",
        "# !/x",
        "#!/usr/bin/env -S bash",
    ];
    for script in good {
        assert!(check_interpreter(script).is_ok(), "{script}");
    }
    let error = |script| check_interpreter(script).unwrap_err().to_string();
    assert_eq!(error("#!/usr/bin/python3\n"), "the script is for `python3`, but bash runs it");
    assert_eq!(error("#!/bin/bash -eu\n"), "`-eu` in the first line would have no effect");
}

#[test]
fn subjects_are_short_and_tell_something() {
    let subject = |script: &str| ExecScript::new(script).subject();
    assert_eq!(subject("#!/bin/bash\n\n# why\nset -eu\n  make install\nrm x"), "make install");
    assert_eq!(subject(&"é".repeat(100)), format!("{}…", "é".repeat(60)));
    assert_eq!(subject("# nothing"), "(empty)");
    assert_eq!(ExecScript::new("x").name("index").subject(), "index");
}
