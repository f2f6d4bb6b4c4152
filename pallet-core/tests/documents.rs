//! Documents: what they resolve to, and what is said about mistakes in them.
//!
//! `documents/broken` and `documents/good` hold documents, each with a file that says exactly what
//! reading it gives. `PALLET_UPDATE_EXPECTED=1 cargo test -p pallet-core --test documents` writes
//! those files anew; read the difference before you commit it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "documents/registry.rs"]
mod registry;
#[path = "documents/render.rs"]
mod render;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pallet_core::document::{Diagnostics, Document, Infrastructure};
use registry::registry;

fn resolve(text: &str) -> Result<Infrastructure, Diagnostics> {
    Document::parse("pallet.toml", text)?.resolve(&registry())
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents").join(name)
}

/// The documents of a folder: path, and name without ending.
fn documents(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut endings = BTreeSet::new();
    let mut documents = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder of documents is there") {
        let path = entry.expect("the folder can be listed").path();
        let name = path.file_stem().expect("files have names").to_string_lossy().into_owned();
        let ending = path.extension().expect("files have endings").to_string_lossy().into_owned();
        if ending == "toml" {
            documents.push((path, name.clone()));
        }
        endings.insert((name, ending));
    }
    for (name, _) in endings.iter().filter(|(_, ending)| ending == "expected") {
        let document = (name.clone(), "toml".to_owned());
        assert!(endings.contains(&document), "{name}.expected belongs to no document");
    }
    documents.sort();
    documents
}

/// Compares what each document of a folder gives with what is expected.
fn compare(folder: &Path, read: impl Fn(&str, &str) -> String) {
    let update = std::env::var_os("PALLET_UPDATE_EXPECTED").is_some();
    let mut differing = Vec::new();
    for (path, name) in documents(folder) {
        let text = fs::read_to_string(&path).expect("the document can be read");
        let found = read(&format!("{name}.toml"), &text);
        let expected_path = path.with_extension("expected");
        if update {
            fs::write(&expected_path, &found).expect("the expectation can be written");
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if found != expected {
            differing.push(format!("== {name}: expected\n{expected}== but found\n{found}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn mistakes_are_told_with_place_and_help() {
    let folder = folder("broken");
    assert!(documents(&folder).len() >= 25, "the corpus has been thinned out");
    compare(&folder, |name, text| {
        let result = Document::parse(name, text).and_then(|document| document.resolve(&registry()));
        match result {
            Ok(_) => panic!("{name} has a mistake and was read without one"),
            Err(diagnostics) => render::mistakes(&diagnostics),
        }
    });
}

#[test]
fn good_documents_resolve() {
    compare(&folder("good"), |name, text| {
        let path = Path::new("project").join(name);
        let result = Document::parse(path, text).and_then(|document| document.resolve(&registry()));
        match result {
            Ok(infrastructure) => render::infrastructure(&infrastructure),
            Err(diagnostics) => panic!("{name}:\n{diagnostics}"),
        }
    });
}

/// The rest of a document that was cut off somewhere is mostly nonsense, and never a crash.
#[test]
fn a_document_may_end_anywhere() {
    let registry = registry();
    for (path, _) in documents(&folder("good")).into_iter().chain(documents(&folder("broken"))) {
        let text = fs::read_to_string(&path).expect("the document can be read");
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let document = Document::parse("pallet.toml", &text[..end]);
            if let Err(diagnostics) = document.and_then(|document| document.resolve(&registry)) {
                assert!(!diagnostics.diagnostics.is_empty());
                // Places have to be right in broken documents above all.
                render::mistakes(&diagnostics);
            }
        }
    }
}

/// One wrong character in the middle, too; each place gets one of them.
#[test]
fn a_document_may_have_any_character_replaced() {
    let registry = registry();
    let path = folder("good").join("everything.toml");
    let text = fs::read_to_string(path).expect("the document can be read");
    let wrong = ["", "\"", "[", "]", "{", "}", "=", ".", "\n", "\0", "é", "-", "3"];
    for ((at, old), new) in text.char_indices().zip(wrong.into_iter().cycle()) {
        let broken = format!("{}{new}{}", &text[..at], &text[at + old.len_utf8()..]);
        let document = Document::parse("pallet.toml", broken);
        if let Err(diagnostics) = document.and_then(|document| document.resolve(&registry)) {
            render::mistakes(&diagnostics);
        }
    }
}

/// Whether an author may put keys of their own into the table that `opening` begins: a header, or what stands
/// before a brace.
fn is_free(opening: &str) -> bool {
    let free = [
        "app",
        "depth",
        // The action of this name in the tests' registry takes any key.
        "directory",
        "environment",
        "hardware-model",
        "image-model",
        "limits",
        "location",
        "network",
        "nginx",
        "properties",
        "qos",
        "sky",
    ];
    if opening.contains("network = [") {
        return true;
    }
    match opening.strip_prefix('[') {
        Some(header) => header.split(['.', ']']).any(|part| free.contains(&part)),
        None => opening
            .strip_suffix(" = ")
            .and_then(|before| before.rsplit([' ', '{', ',', '\n']).next())
            .is_some_and(|key| free.contains(&key)),
    }
}

/// Hazard 19: in whatever table an unknown key stands, it is told with its place.
#[test]
fn unknown_keys_are_told_wherever_they_stand() {
    const KEY: &str = "zzz-unknown";
    let registry = registry();
    let mut swept = 0;
    for (path, name) in documents(&folder("good")) {
        let text = fs::read_to_string(&path).expect("the document can be read");
        let mut places = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if line.starts_with('[') && line.trim_end().ends_with(']') && !line.contains(" = ") {
                places.push((start + line.len(), format!("{KEY} = 1\n"), line.trim_end()));
            }
            for (at, _) in line.match_indices("{ ") {
                places.push((start + at + 2, format!("{KEY} = 1, "), &line[..at]));
            }
            start += line.len();
        }
        for (at, inserted, opening) in places {
            let broken = format!("{}{inserted}{}", &text[..at], &text[at..]);
            let line = text[..at].matches('\n').count() + 1;
            let read = Document::parse("pallet.toml", broken)
                .and_then(|document| document.resolve(&registry));
            match read {
                Ok(_) => assert!(is_free(opening), "{name}:{line}: taken without a word"),
                Err(diagnostics) => {
                    let told = diagnostics.to_string();
                    let place = format!("pallet.toml:{line}:");
                    let is_told = |it: &str| it.starts_with(&place) && it.contains(KEY);
                    assert!(told.lines().any(is_told), "{name}:{line}: {told}");
                }
            }
            swept += 1;
        }
    }
    assert!(swept > 50, "{swept} tables were tried");
}

#[test]
fn an_empty_document_describes_nothing() {
    for text in ["", "\n\n", "# only words\n", "\u{feff}"] {
        let infrastructure = resolve(text).expect("nothing is wrong with it");
        assert!(infrastructure.groups.is_empty() && infrastructure.services.is_empty());
        assert_eq!(infrastructure.base, Path::new("."));
    }
}

#[test]
fn nesting_and_numbers_without_end_are_refused() {
    let arrays = format!("[environment]\na = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let tables =
        format!("[environment]\na = {}1{}", "{ a = ".repeat(100_000), " }".repeat(100_000));
    let dotted = format!("[environment]\n{}a = 1", "a.".repeat(100_000));
    let header = format!("[environment.{}a]", "a.".repeat(100_000));
    let key = ["a"; 60].join(".");
    let both =
        format!("[environment]\n{}{key} = 1{}", format!("{key} = {{").repeat(60), "}".repeat(60));
    let unclosed = "[".repeat(1_000_000);
    for text in [arrays, tables, dotted, header, both, unclosed] {
        let error = resolve(&text).expect_err("nobody can mean this");
        assert!(error.to_string().contains("nested more than 64 deep"), "{error}");
    }
    for number in
        ["9".repeat(100_000), format!("-{}", "9".repeat(100_000)), format!("1e{}", "9".repeat(9))]
    {
        assert!(resolve(&format!("[environment]\na = {number}")).is_err());
        assert!(resolve(&format!("[group-spec.web]\ncount = {number}")).is_err());
        assert!(resolve(&format!("[node-spec.a.hardware]\nmin-ram = {number}")).is_err());
    }
}

/// Quadratic behaviour would take minutes here.
#[test]
fn large_documents_are_read_in_reasonable_time() {
    let steps = "{ exec-script = 'true' }, ".repeat(20_000);
    let one_line = format!("server-spec.a.phases.configure = [{steps}]");
    let infrastructure = resolve(&one_line).expect("it is long, and right");
    let steps = &infrastructure.server_specs["a"].phases["configure"].steps;
    assert_eq!(steps.len(), 20_000);
    assert_eq!(steps[19_999].origin.column, 35 + 26 * 19_999);

    let chain: String = (1..500)
        .map(|n| format!("[server-spec.s{n}]\nextends = ['s{}']\nroles = ['r{n}']\n", n - 1))
        .collect();
    let text = format!("[server-spec.s0]\n{chain}[group-spec.web]\nextends = ['s499']\n");
    let infrastructure = resolve(&text).expect("a long chain is no mistake");
    assert_eq!(infrastructure.groups.values().next().unwrap().server.roles.len(), 499);
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("documents");
    fs::create_dir_all(&folder).expect("the test's folder can be made");

    let missing = Document::read(folder.join("missing.toml")).expect_err("it is not there");
    assert!(
        missing.to_string().contains("missing.toml: cannot be read: No such file"),
        "{missing}"
    );

    let directory = Document::read(&folder).expect_err("it is a folder");
    assert!(
        directory.to_string().contains("documents: cannot be read: Is a directory"),
        "{directory}"
    );
    assert!(directory.to_string().contains("help: name the file in it"), "{directory}");

    let latin = folder.join("latin.toml");
    fs::write(&latin, b"[environment]\nname = \"J\xf6rg\"\n").expect("the file can be written");
    let error = Document::read(&latin).expect_err("it is not UTF-8");
    assert!(error.to_string().contains("latin.toml:2:10: this is not UTF-8 text"), "{error}");

    let endless = Document::read("/dev/zero").expect_err("it has no end");
    assert!(endless.to_string().starts_with("/dev/zero: is larger than 16 MiB"), "{endless}");
}

#[test]
fn a_file_is_read_with_its_byte_order_mark_and_its_folder_is_the_base() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("documents-base");
    fs::create_dir_all(&folder).expect("the test's folder can be made");
    let path = folder.join("pallet.toml");
    let text = "\u{feff}[admin-user]\r\nusername = 'me'\r\nprivate-key-path = 'keys/id'\r\n\
                sudo-password = { file = 'sudo' }\r\n";
    fs::write(&path, text).expect("the file can be written");
    fs::write(folder.join("sudo"), "hunter2\n").expect("the file can be written");

    let document = Document::read(&path).expect("it is TOML");
    let infrastructure = document.resolve(&registry()).expect("it is right");
    let user = infrastructure.admin_user.expect("it is given");
    assert_eq!(user.private_key_path, Some(folder.join("keys/id")));
    assert_eq!(user.sudo_password.expect("it is given").reveal(), Ok("hunter2"));
    assert_eq!(infrastructure.base, folder);
}

#[test]
fn neither_documents_nor_mistakes_show_the_text_when_debugged() {
    let text = "[admin-user]\nusername = 'me'\npassword = 'hunter2'\nsudo-password = 4711\n";
    let document = Document::parse("pallet.toml", text).expect("it is TOML");
    let diagnostics = document.resolve(&registry()).expect_err("a number is no password");
    for shown in [format!("{document:?}"), format!("{diagnostics:?}"), diagnostics.to_string()] {
        assert!(!shown.contains("hunter2") && !shown.contains("4711"), "{shown}");
    }
}

#[test]
fn display_gives_one_line_for_each_mistake_and_its_help() {
    let error = resolve("[group-spec.web]\ncuont = 1\nextends = ['bse']\n[server-spec.base]\n");
    assert_eq!(
        error.expect_err("it has two mistakes").to_string(),
        "pallet.toml:2:1: unknown key `cuont` in `group-spec.web`\n  \
         help: did you mean `count`? allowed keys: `count`, `node-filter`, `environment`, \
         `node-spec`, `extends`, `roles`, `settings`, `phases`, `default-phases`, `packager`\n\
         pallet.toml:3:12: there is no server-spec or crate `bse`\n  \
         help: did you mean `base`? server-specs: `base`; crates: `greeter`"
    );
}
