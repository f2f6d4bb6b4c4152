//! Every page of the documentation is followed literally: its files are written, its commands are
//! typed, and what they write is held against what the page shows.
//!
//! A block with a title is a file: ```` ```toml title="pallet.toml" ````, with `append` behind it
//! an addition to one. A block of `console` has commands after `$ `, and below each, if the page
//! shows it, its output (see `compare.rs`). A command has to succeed, unless `$ echo $?` follows,
//! which shows what it ended with. Comments say the rest, above the first heading or a block:
//!
//! ```text
//! <!-- tested: hosts 192.0.2.11 192.0.2.12 as admin -->   existing hosts (systemd-hosts: with systemd)
//! <!-- tested: virtualbox http://127.0.0.1:18083 -->      a VirtualBox, with an image `debian.vdi` in HOME
//! <!-- tested: copy examples/sandbox -->                  the reader is in a copy of this folder
//! <!-- tested: document -->                               the next block is a document: it can be read
//! <!-- tested: piece of pallet.toml -->                   the next block is part of this file
//! <!-- tested: by xtask/src/demo/mod.rs `words` -->       this file, which has these words, tests it
//! <!-- tested: only links -->                             there is nothing to type on this page
//! ```
//!
//! `PALLET_PAGES=quick-start` follows one page. `PALLET_PAGES_WRITE=1` writes what commands have
//! written into the pages, where they show something else: for whoever changes an output.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod compare;
mod hosts;
mod machine;
mod page;
mod vbox;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use machine::{Machine, READER, Ran};
use page::{Page, Task};

/// How many pages are followed at once.
const AT_ONCE: usize = 4;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// All pages: README.md and what is in docs/.
fn pages() -> Vec<Page> {
    let mut found = vec![repository().join("README.md")];
    let mut folders = vec![repository().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found.iter().map(|path| Page::read(path, &repository())).collect()
}

#[test]
fn every_page_has_tests_and_its_links_lead_somewhere() {
    let pages = pages();
    let mut mistakes: Vec<String> =
        pages.iter().flat_map(|page| page.mistakes.iter().cloned()).collect();
    mistakes.extend(page::broken_links(&pages));
    mistakes.extend(pages.iter().flat_map(pieces_that_are_in_no_file));
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

/// Pieces of files that are not in them: those that the page writes, or else the repository's.
fn pieces_that_are_in_no_file(page: &Page) -> Vec<String> {
    let mut written: BTreeMap<&str, String> = BTreeMap::new();
    for task in &page.tasks {
        if let Task::Write { file, text, .. } = task {
            written.entry(file).or_default().push_str(text);
        }
    }
    let missing = page.pieces.iter().filter_map(|(file, lines, number)| {
        let found = written.get(file.as_str()).cloned();
        let text = found.or_else(|| fs::read_to_string(repository().join(file)).ok());
        let text = text.unwrap_or_default();
        let mut there = text.lines().map(str::trim);
        let mut wanted = lines.iter().map(|line| line.trim()).filter(|it| !it.is_empty());
        let lost = wanted.find(|line| *line != "…" && !there.any(|it| it == *line))?;
        Some(format!("{}:{number}: `{file}` does not have: {lost}", page.path.display()))
    });
    missing.collect()
}

#[test]
fn each_page_works_when_it_is_followed_literally() {
    let wanted = std::env::var("PALLET_PAGES").unwrap_or_default();
    let chosen = |page: &Page| page.path.to_string_lossy().contains(&wanted);
    let mut pages: Vec<Page> = pages().into_iter().filter(chosen).collect();
    pages.retain(|page| !page.tasks.is_empty());
    assert!(!pages.is_empty(), "no page is called `{wanted}`");
    // What takes longest begins first.
    pages.sort_by_key(|page| (page.needs.virtualbox.is_some(), page.needs.hosts.len()));
    let queue = Mutex::new(pages.into_iter().enumerate().collect::<Vec<_>>());
    let told = Mutex::new(String::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((number, page)) = { queue.lock().unwrap().pop() } {
                    let started = Instant::now();
                    let followed = std::panic::catch_unwind(|| follow(&page, number));
                    let mistakes =
                        followed.unwrap_or_else(|_| "  it could not be followed\n".into());
                    println!("{:5.1} s  {}", started.elapsed().as_secs_f32(), page.path.display());
                    if !mistakes.is_empty() {
                        write!(told.lock().unwrap(), "{}:\n{mistakes}", page.path.display())
                            .unwrap();
                    }
                }
            });
        }
    });
    let told = told.into_inner().unwrap();
    assert!(told.is_empty(), "\n{told}");
}

/// Does what a page says, and tells what is otherwise than it says.
fn follow(page: &Page, number: usize) -> String {
    let vbox = page.needs.virtualbox.as_deref().map(vbox::Desk::new);
    let mut machine = match &vbox {
        Some(desk) => Machine::with_home(desk.home()),
        None => Machine::new(),
    };
    let _nodes = (!page.needs.hosts.is_empty()).then(|| hosts::plug(&machine, &page.needs, number));
    if let Some(folder) = &page.needs.copy {
        copy(&repository().join(folder), machine.home());
    }
    machine.go();
    let mut told = String::new();
    let mut blessed = Vec::new();
    for (index, task) in page.tasks.iter().enumerate() {
        match task {
            Task::Write { file, text, append } => {
                let text = vbox.as_ref().map_or(text.clone(), |desk| desk.here(text));
                write_file(&machine, file, &text, *append);
            }
            Task::Type { command, shown, line } => {
                let given = vbox.as_ref().map_or(command.clone(), |desk| desk.here(command));
                let ran = machine.run(&given);
                let next = page.tasks.get(index + 1);
                let asked = matches!(next, Some(Task::Type { command, .. }) if command.starts_with("echo $?"));
                let ended = ran.code == 0 || asked;
                let right = shown.is_empty() || compare::matches(shown, &ran.written);
                if !right {
                    blessed.push((
                        *line,
                        command.lines().count(),
                        shown.len(),
                        ran.written.clone(),
                    ));
                }
                if !ended || !right {
                    let _ = writeln!(told, "line {line}: $ {command}\n{}", otherwise(&ran, shown));
                }
                if !ended {
                    break;
                }
            }
        }
    }
    if std::env::var_os("PALLET_PAGES_WRITE").is_some() {
        bless(&page.path, blessed);
    }
    told
}

fn otherwise(ran: &Ran, shown: &[String]) -> String {
    let shown = match shown {
        [] => String::new(),
        shown => format!("--- the page shows\n{}\n", shown.join("\n")),
    };
    format!("{shown}--- it wrote, and ended with {}\n{}---\n", ran.code, ran.written)
}

fn write_file(machine: &Machine, file: &str, text: &str, append: bool) {
    let path = match file.strip_prefix("~/") {
        Some(file) => machine.home().join(file),
        None => machine.current().join(file),
    };
    let mut made: Vec<&Path> = Vec::new();
    for folder in path.ancestors().skip(1).take_while(|it| !it.exists()) {
        made.push(folder);
    }
    for folder in made.into_iter().rev() {
        fs::create_dir(folder).unwrap();
        chown(folder, Some(READER), Some(READER)).unwrap();
    }
    let before = if append { fs::read_to_string(&path).unwrap() } else { String::new() };
    fs::write(&path, before + text).unwrap();
    chown(&path, Some(READER), Some(READER)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
        chown(&target, Some(READER), Some(READER)).unwrap();
    }
}

/// Puts what was written in the place of what was shown: at a line, after a command of some lines,
/// in place of some lines.
fn bless(path: &Path, mut blessed: Vec<(usize, usize, usize, String)>) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    blessed.reverse();
    for (line, command, shown, written) in blessed {
        let start = line - 1 + command;
        lines.splice(start..start + shown, written.lines().map(str::to_owned));
    }
    fs::write(path, lines.join("\n") + "\n").unwrap();
}
