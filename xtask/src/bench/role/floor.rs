//! The hand-written script for the role, one for each host.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

const HEAD: &str = include_str!("head.sh");
const TAIL: &str = include_str!("tail.sh");
/// Ends each file's content in the script.
const END: &str = "END-OF-FILE";

/// A file of the role: where it goes, where its content is from, mode and owner.
struct File {
    path: String,
    source: String,
    mode: &'static str,
    owner: &'static str,
    group: &'static str,
}

/// The script that makes the host called `name` be what `examples/role` describes.
///
/// `sum` gives the SHA-256 of contents, in hexadecimal digits and in order.
pub(in crate::bench) fn script(
    role: &Path,
    name: &str,
    sum: impl Fn(&[String]) -> anyhow::Result<Vec<String>>,
) -> anyhow::Result<String> {
    let mut contents = Vec::new();
    for file in files() {
        let source = role.join(&file.source);
        let text = fs::read_to_string(&source)
            .with_context(|| format!("could not read {}", source.display()))?;
        contents.push(
            text.replace("{{node.name}}", name)
                .replace("{{node.group}}", "role")
                .replace("{{environment.region}}", "region-1"),
        );
    }
    let sums = sum(&contents)?;
    let mut script = HEAD.to_owned();
    for ((file, content), digest) in files().zip(&contents).zip(&sums) {
        let File { path, mode, owner, group, .. } = file;
        writeln!(script, "file {path} {mode} {owner} {group} {digest} <<'{END}'\n{content}{END}")?;
    }
    script.push_str(TAIL);
    Ok(script)
}

fn files() -> impl Iterator<Item = File> {
    let fixed = (1..=10).map(|number| {
        let (mode, owner, group) = match number {
            3 => ("640", "root", "benchgrp"),
            6 => ("600", "benchapp", "benchgrp"),
            9 => ("755", "root", "root"),
            _ => ("644", "root", "root"),
        };
        let name = format!("static-{number:02}.conf");
        let (path, source) = (format!("/etc/bench/{name}"), format!("files/{name}"));
        File { path, source, mode, owner, group }
    });
    let rendered = (1..=10).map(|number| {
        let (mode, owner, group) = match number {
            2 => ("600", "root", "root"),
            5 => ("640", "benchapp", "benchgrp"),
            _ => ("644", "root", "root"),
        };
        let name = format!("template-{number:02}");
        let (path, source) = (format!("/etc/bench/{name}.conf"), format!("templates/{name}.hbs"));
        File { path, source, mode, owner, group }
    });
    let jobs = (1..=2).map(|number| File {
        path: format!("/etc/cron.d/bench-{number}"),
        source: format!("files/cron-{number}"),
        mode: "644",
        owner: "root",
        group: "root",
    });
    fixed.chain(rendered).chain(jobs)
}
