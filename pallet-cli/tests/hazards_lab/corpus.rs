//! Hazards 8 and 12: hostile contents, paths, names, links, lines, scripts and passwords arrive as
//! they are.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use pallet_core::shell::quote;
use xtask::lab::{NodeKind, State};

use crate::texts::nasty;
use crate::{failure, listed, pallet, sandbox_process};

/// Prints everything below the current folder: names, kinds, targets of links, digests. Names may
/// have newlines in them.
const LISTING: &str = "{ find . -printf '%P\\0%y\\0%l\\0' | sort -z; \
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum -z; } | LC_ALL=C sort -z | base64 -w0";

/// A text as a TOML string.
fn toml(text: &str) -> String {
    serde_json::to_string(text).unwrap().replace('\u{7f}', "\\u007f")
}

/// A text as the last part of a path.
fn name(text: &str) -> String {
    text.replace('/', "_").chars().take(60).collect()
}

/// The steps that make a tree out of the texts with the environment that they need, and the same
/// tree made here.
fn tree(expected: &Path, local: &Path) -> (String, String) {
    let mut steps = String::new();
    let mut environment = String::from("[environment.texts]\n");
    let mut step = |action: String| steps.push_str(&format!("  {{ {action} }},\n"));
    let folders = [
        "contents",
        "names",
        "folders",
        "links",
        "lines",
        "scripts",
        "variables",
        "templates",
        "values",
        "read",
    ];
    for folder in folders {
        fs::create_dir(expected.join(folder)).unwrap();
        step(format!("directory = '/srv/corpus/{folder}'"));
    }
    for (number, text) in nasty().iter().enumerate() {
        let content = format!("/srv/corpus/contents/{number}");
        step(format!("remote-file = {{ path = '{content}', content = {} }}", toml(text)));
        fs::write(expected.join(format!("contents/{number}")), text).unwrap();

        let name = name(text);
        let path = toml(&format!("/srv/corpus/names/{name}"));
        step(format!("remote-file = {{ path = {path}, content = '{number}' }}"));
        fs::write(expected.join("names").join(&name), number.to_string()).unwrap();

        step(format!("directory = {}", toml(&format!("/srv/corpus/folders/{name}"))));
        fs::create_dir(expected.join("folders").join(&name)).unwrap();

        let link = toml(&format!("/srv/corpus/links/{name}"));
        step(format!("symbolic-link = {{ path = {link}, target = {} }}", toml(&name)));
        symlink(&name, expected.join("links").join(&name)).unwrap();

        // Lines are edited in files of at most 64 KiB.
        let line = text.chars().filter(|sign| !"\r\n".contains(*sign));
        let line: String = line.take(10_000).collect();
        let file = format!("/srv/corpus/lines/{number}");
        step(format!(
            "line-in-file = {{ path = '{file}', line = {}, create = true }}",
            toml(&line)
        ));
        fs::write(expected.join(format!("lines/{number}")), line + "\n").unwrap();

        let file = format!("/srv/corpus/scripts/{number}");
        let script = format!("printf %s {} >{file}", quote(text));
        step(format!(
            "exec-script = {{ script = {}, creates = '{file}', affects = [] }}",
            toml(&script)
        ));
        fs::write(expected.join(format!("scripts/{number}")), text).unwrap();

        let file = format!("/srv/corpus/variables/{number}");
        let script = format!("printf %s \"$TEXT\" >{file}");
        step(format!(
            "exec-script = {{ script = {}, env = {{ TEXT = {} }}, creates = '{file}', affects = [] }}",
            toml(&script),
            toml(text)
        ));
        fs::write(expected.join(format!("variables/{number}")), text).unwrap();

        // From the environment, and from the step itself.
        fs::write(
            local.join(format!("template-{number}.hbs")),
            format!("{{{{ environment.texts.t{number} }}}}"),
        )
        .unwrap();
        environment += &format!("t{number} = {}\n", toml(text));
        step(format!(
            "remote-file = {{ path = '/srv/corpus/templates/{number}', template = 'template-{number}.hbs' }}"
        ));
        fs::write(expected.join(format!("templates/{number}")), text).unwrap();
        step(format!(
            "remote-file = {{ path = '/srv/corpus/values/{number}', template = 'value.hbs', values = {{ text = {} }} }}",
            toml(text)
        ));
        fs::write(expected.join(format!("values/{number}")), text).unwrap();
    }
    fs::write(local.join("value.hbs"), "{{ text }}").unwrap();
    // Read from the node, and put into a later action there. Of what is read, line ends at its end
    // are left out.
    let short: Vec<(usize, String)> =
        nasty().into_iter().enumerate().filter(|(_, text)| text.len() < 10_000).collect();
    for (number, _) in &short {
        step(format!(
            "read-value = {{ name = 'v{number}', file = '/srv/corpus/contents/{number}' }}"
        ));
    }
    for (number, text) in &short {
        fs::write(local.join(format!("read-{number}.hbs")), format!("{{{{ values.v{number} }}}}"))
            .unwrap();
        step(format!(
            "remote-file = {{ path = '/srv/corpus/read/{number}', template = 'read-{number}.hbs' }}"
        ));
        let text = text.trim_end_matches(['\n', '\r']);
        fs::write(expected.join(format!("read/{number}")), text).unwrap();
    }
    let bytes: Vec<u8> = (0..=255).cycle().take(1_500_000).collect();
    fs::write(local.join("binary"), &bytes).unwrap();
    fs::write(expected.join("binary"), bytes).unwrap();
    step("remote-file = { path = '/srv/corpus/binary', local-file = 'binary' }".to_owned());
    (steps, environment)
}

#[test]
fn hazard_8_sixty_hostile_texts_arrive_byte_by_byte() {
    let lab = State::load().unwrap();
    let nodes = lab.claim(NodeKind::Plain, 1).unwrap();
    let (folder, expected) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (steps, environment) = tree(expected.path(), folder.path());
    let document = listed(&nodes, &nodes[0].user)
        + &format!("{environment}[group-spec.rack.phases]\nconfigure = [\n{steps}]\n");
    fs::write(folder.path().join("pallet.toml"), document).unwrap();
    // The sandbox is worked on as root, since this machine need not have sudo.
    let boxed = tempfile::tempdir().unwrap();
    let document = format!(
        "[service.box]\nprovider = 'sandbox'\n[admin-user]\nusername = 'root'\n\
         {environment}[group-spec.box]\ncount = 1\n[group-spec.box.phases]\nconfigure = [\n{steps}]\n"
    );
    fs::write(boxed.path().join("pallet.toml"), document).unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let name = entry.unwrap().file_name();
        if name != "pallet.toml" {
            fs::copy(folder.path().join(&name), boxed.path().join(&name)).unwrap();
        }
    }
    let _gone = Gone(boxed.path());

    let here =
        Command::new("sh").args(["-c", LISTING]).current_dir(expected.path()).output().unwrap();
    let here = String::from_utf8(here.stdout).unwrap();
    for (folder, group, node) in
        [(folder.path(), "rack", nodes[0].name.as_str()), (boxed.path(), "box", "box-1")]
    {
        let (code, report) = pallet(folder, &["converge", group], &[]);
        assert_eq!(code, 0, "{:?}", failure(&report, node).map(|failure| &failure["message"]));
        let listing = format!("cd /srv/corpus && {LISTING}");
        let there = match group {
            "rack" => nodes[0].run(&["bash", "-c", &listing]).unwrap(),
            _ => in_sandbox(folder, &listing),
        };
        assert!(there.trim() == here, "{group}: the trees differ");
        // Hazard 11: a second look at hostile names finds nothing to do.
        let (code, report) = pallet(folder, &["converge", group], &[]);
        assert_eq!(code, 0, "{:?}", failure(&report, node).map(|failure| &failure["message"]));
        assert!(
            !report.to_string().contains(r#""status":"changed""#),
            "{group}: something is changed again"
        );
    }
}

/// Runs a script in the one sandbox of a project, past `pallet`.
fn in_sandbox(project: &Path, script: &str) -> String {
    let process = sandbox_process(project, "box-1").unwrap();
    let output = Command::new("nsenter")
        .arg(format!("--target={process}"))
        .args(["--mount", "--root", "--wd", "bash", "-c", script])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Destroys a project's sandboxes at the end.
struct Gone<'a>(&'a Path);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        let mut destroy = Command::new(env!("CARGO_BIN_EXE_pallet"));
        destroy.args(["destroy", "--all", "--yes"]).current_dir(self.0).stdout(Stdio::null());
        destroy.stderr(Stdio::null()).status().unwrap();
    }
}

#[test]
fn hazard_12_hostile_passwords_get_through_to_sudo() {
    let lab = State::load().unwrap();
    let nodes = lab.claim(NodeKind::Plain, 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let document = listed(&nodes, "pwsudo")
        + "sudo-password = { env = 'SUDO_PASSWORD' }\n[group-spec.rack.phases]\n\
           configure = [{ remote-file = { path = '/root/seen', content = 'by root' } }]\n";
    fs::write(folder.path().join("pallet.toml"), document).unwrap();
    let passwords = nasty().into_iter().filter(|text| {
        let is_line = !text.contains(['\n', '\r']) && text.len() < 100;
        // What a terminal's line editing would eat is no password.
        is_line && text.trim() == text && !text.contains(|sign: char| sign.is_control())
    });
    // Every third one: each costs a login and a hash.
    for password in passwords.step_by(3) {
        let set = "printf 'pwsudo:%s\\n' \"$1\" | chpasswd; rm -f /root/seen";
        nodes[0].run(&["sh", "-c", set, "sh", &password]).unwrap();
        let (code, report) = pallet(folder.path(), &["lift"], &[("SUDO_PASSWORD", &password)]);
        assert_eq!(code, 0, "{password}: {:#?}", failure(&report, &nodes[0].name));
        assert_eq!(nodes[0].run(&["cat", "/root/seen"]).unwrap().trim(), "by root");
        // Hazard 18: it is in no report.
        if password.len() > 5 {
            assert!(!report.to_string().contains(&password), "{password}");
        }
    }
}
