//! The pages of the reference.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::pallet;
use super::source::Source;
use super::table::{Writer, cell};
use crate::process::workspace;

/// All pages, by file name.
pub(super) fn all() -> anyhow::Result<Vec<(&'static str, String)>> {
    let core = Source::of("pallet-core")?;
    let crates = Source::of("pallet-crates")?;
    Ok(vec![
        ("commands.md", commands()?),
        ("actions.md", actions(&crates)?),
        ("crates.md", crates_page(&crates)?),
        ("pallet-toml.md", document(&core)?),
        ("services.md", services(&core)?),
        ("json.md", json(&core)?),
        ("exit-codes.md", exit_codes()?),
    ])
}

/// The names of all commands, as `pallet --help` lists them.
fn command_names(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    list.take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn commands() -> anyhow::Result<String> {
    let help = pallet(&["--help"])?;
    let names = command_names(&help);
    ensure!(names.len() >= 8, "`pallet --help` lists no commands any more: {help}");
    let mut out = String::from("# Commands\n\n");
    for name in &names {
        let _ = writeln!(out, "- [`pallet {name}`](#pallet-{name})");
    }
    let options = "\nOptions of all commands:";
    let (_, general) =
        help.split_once(options).context("the options of all commands are missing")?;
    let _ = writeln!(
        out,
        "\n## Options of all commands\n\n```text\n{}\n```",
        general.trim_matches('\n')
    );
    for name in &names {
        let help = pallet(&[name, "--help"])?;
        let own = help.split_once(options).map_or(help.as_str(), |(own, _)| own);
        let _ = writeln!(out, "\n## pallet {name}\n\n```text\n{}\n```", own.trim());
        let below = command_names(&help);
        for sub in below {
            let help = pallet(&[name, &sub, "--help"])?;
            let own = help.split_once(options).map_or(help.as_str(), |(own, _)| own);
            let _ = writeln!(out, "\n### pallet {name} {sub}\n\n```text\n{}\n```", own.trim());
        }
    }
    Ok(out)
}

fn actions(crates: &Source) -> anyhow::Result<String> {
    let mut names: Vec<String> = crates
        .implementations("Action")
        .into_iter()
        .filter_map(|(_, constants, _)| constants.get("NAME").cloned())
        .collect();
    names.sort();
    names.dedup();
    ensure!(names.len() >= 15, "the actions are not found any more");
    let mut list = String::new();
    let mut out = String::new();
    for name in &names {
        let text = pallet(&["explain", "action", name, "--output", "json"])?;
        let value: Value = serde_json::from_str(&text)?;
        let action = value.pointer("/explained/0").unwrap_or(&value);
        let field = |key: &str| action.get(key).and_then(Value::as_str).unwrap_or_default();
        ensure!(field("name") == name, "`pallet explain action {name}` tells of something else");
        let _ = writeln!(list, "| [`{name}`](#{name}) | {} |", cell(field("summary")));
        let _ = writeln!(out, "\n## {name}\n\n{}\n", field("documentation").trim());
        let _ = writeln!(out, "```toml\n{}\n```\n", field("example"));
        let short = action.get("short_forms").or_else(|| action.get("short-forms"));
        let short: Vec<&str> = short
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if !short.is_empty() {
            let _ = writeln!(out, "Short: {}\n", short.join("; "));
        }
        out.push_str("| parameter | takes | |\n| --- | --- | --- |\n");
        for parameter in action.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            let field = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
            let is_required = parameter.get("is-required").and_then(Value::as_bool);
            let needed = if is_required.unwrap_or_default() { " **Required.**" } else { "" };
            let (takes, doc) = (cell(field("takes")), field("documentation"));
            let _ = writeln!(out, "| `{}` | {takes} | {}{needed} |", field("name"), cell(doc));
        }
    }
    let head = "# Actions\n\nWhat a step of a phase can do. `pallet explain action NAME` tells the same.\n\n\
                A step may also have `id`, `when-changed`, `before`, `after`, `only-on`, `as-user` and `timeout`: \
                see [pallet.toml](pallet-toml.md).\n\n| action | |\n| --- | --- |\n";
    Ok(format!("{head}{list}{out}"))
}

fn crates_page(source: &Source) -> anyhow::Result<String> {
    let mut all = source.implementations("Crate");
    all.sort_by(|one, other| one.1.get("NAME").cmp(&other.1.get("NAME")));
    ensure!(!all.is_empty(), "the crates are not found any more");
    let mut out = String::from(
        "# Crates\n\nA *crate* is a reusable unit of configuration: `extends = [\"nginx\"]` takes it over, and the \
         settings of the facility of its name tell it what to do.\n",
    );
    for (name, constants, file) in &all {
        let krate = constants.get("NAME").with_context(|| format!("{name} has no name"))?;
        let _ = writeln!(out, "\n## {krate}\n");
        let described = source.describe(name, Some(file));
        let _ = writeln!(out, "{}\n", described.map(|it| it.doc).unwrap_or_default());
        let settings = constants.get("Settings").map_or("Settings", String::as_str);
        let mut writer = Writer::new(source, Some(file));
        writer.section(3, &format!("Settings of {krate}"), settings)?;
        out.push_str(&writer.finish());
    }
    Ok(out)
}

/// The comment at the head of a file.
fn head_of(file: &str) -> anyhow::Result<String> {
    let text = fs::read_to_string(workspace().join(file)).context(file.to_owned())?;
    let lines = text.lines().take_while(|line| line.starts_with("//!"));
    let lines: Vec<&str> =
        lines.map(|line| line[3..].strip_prefix(' ').unwrap_or(&line[3..])).collect();
    Ok(lines.join("\n"))
}

fn document(core: &Source) -> anyhow::Result<String> {
    let head = head_of("pallet-core/src/document/mod.rs")?;
    let (_, parts) = head.split_once("# The parts of a document\n").context(
        "pallet-core/src/document/mod.rs does not tell the parts of a document any more",
    )?;
    let mut out = format!("# pallet.toml\n\n{}\n\n", parts.trim());
    let mut writer = Writer::new(core, None);
    for (title, name) in [
        ("node-spec", "NodeSpec"),
        ("node-filter", "NodeFilter"),
        ("only-on", "OnlyOn"),
        ("admin-user", "Login"),
        ("ssh", "SshSettings"),
    ] {
        writer.section(2, title, name)?;
    }
    out.push_str(&writer.finish());
    let variables = core.method("Settings", "variables").context("the variables are not found")?;
    let _ = writeln!(out, "## Environment variables\n\n{variables}");
    Ok(out)
}

fn services(core: &Source) -> anyhow::Result<String> {
    let mut out = String::from(
        "# Services\n\nThe keys of `[service.NAME]`, besides `provider`, `admin-user` and `environment`.\n\n",
    );
    let mut core = Writer::new(core, None);
    core.section(2, "provider = \"sandbox\"", "SandboxConfig")?;
    core.section(2, "provider = \"node-list\"", "NodeListConfig")?;
    out.push_str(&core.finish());
    let incus = Source::of("pallet-incus")?;
    let vmfest = Source::of("vmfest")?;
    let mut writer = Writer::new(&vmfest, None);
    writer.section(2, "provider = \"virtualbox\"", "VirtualBoxConfig")?;
    out.push_str(&writer.finish());
    let mut writer = Writer::new(&incus, None);
    writer.section(2, "provider = \"incus\"", "IncusConfig")?;
    out.push_str(&writer.finish());
    Ok(out)
}

fn json(core: &Source) -> anyhow::Result<String> {
    let mut out = String::from(
        "# JSON\n\nWith `--output json` a command writes one JSON document to standard output. `converge`, `lift` and \
         `resume` write the [report](#the-report) of the run, with its `totals`; `plan` writes the same of what would \
         be done.\n\n",
    );
    let mut writer = Writer::new(core, None);
    writer.section(2, "The report", "Report")?;
    writer.section(2, "Totals", "Totals")?;
    writer.section(2, "Events", "Event")?;
    out.push_str(&writer.finish());
    Ok(out)
}

fn exit_codes() -> anyhow::Result<String> {
    let cli = Source::of("pallet-cli")?;
    let ended = cli.describe("Ended", None).context("`Ended` is not found any more")?;
    let text = fs::read_to_string(workspace().join("pallet-cli/src/commands/mod.rs"))?;
    let mut out = String::from("# Exit codes\n\n| code | |\n| --- | --- |\n");
    for line in text.lines().map(str::trim) {
        let Some((variant, code)) =
            line.strip_prefix("Self::").and_then(|it| it.split_once(" => "))
        else {
            continue;
        };
        let code = code.trim_end_matches(',');
        let key = ended.keys.iter().find(|key| key.name.replace('-', "") == variant.to_lowercase());
        if let (Some(key), Ok(_)) = (key, code.parse::<u8>()) {
            let _ = writeln!(out, "| {code} | {} |", cell(&key.doc));
        }
    }
    ensure!(out.lines().count() >= 9, "the exit codes are not found any more");
    Ok(out)
}
