//! Code generation for `vbox-soap`, in two stages.
//!
//! 1. `cargo xtask codegen import --api DIR` reads VirtualBox's own descriptions of all API versions
//!    (`DIR/7.2/vboxweb.wsdl`, `DIR/7.2/VirtualBox.xidl`, …) and writes the API model,
//!    `vbox-soap/api/virtualbox.api`: a readable file of facts, committed.
//! 2. `cargo xtask codegen` turns the model into Rust, `vbox-soap/src/generated/`, and into a page of
//!    documentation, `vbox-soap/docs/versions.md`, both committed. `cargo xtask codegen --check` fails
//!    when they are not what the model gives.
//!
//! `cargo xtask codegen verify --wsdl DIR` then holds the generated code against the WSDLs again, by a
//! way of its own.
//!
//! A new version of VirtualBox is one more directory in DIR, then all three commands. Where the import refuses, the two
//! descriptions disagree: what upstream got wrong goes into `fixups.rs`, with its reason.

mod files;
mod fixups;
mod generate;
mod import;
mod merge;
pub mod model;
mod model_text;
mod names;
mod verify;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Subcommand;

/// Arguments of `cargo xtask codegen`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    stage: Option<Stage>,
    /// Change nothing; fail when the committed code is not what the API model gives.
    #[arg(long)]
    check: bool,
}

#[derive(Subcommand)]
enum Stage {
    /// Read VirtualBox's WSDL and XIDL of every API version and write the API model.
    Import {
        /// Directory with one directory per API version, each with vboxweb.wsdl and VirtualBox.xidl.
        #[arg(long, value_name = "DIR")]
        api: PathBuf,
        /// Change nothing; fail when the committed API model is not what the import gives.
        #[arg(long)]
        check: bool,
    },
    /// Check the generated code against the WSDLs themselves, without the API model.
    Verify {
        /// Directory with one directory per API version, each with vboxweb.wsdl.
        #[arg(long, value_name = "DIR")]
        wsdl: PathBuf,
    },
}

/// The committed API model, for tests that hold messages against it.
pub fn committed_model() -> anyhow::Result<model::Model> {
    read_model(&workspace_root()?.join("vbox-soap/api/virtualbox.api"))
}

/// Runs `cargo xtask codegen`.
pub fn run(args: Args) -> anyhow::Result<()> {
    let root = workspace_root()?;
    let model_path = root.join("vbox-soap/api/virtualbox.api");
    match args.stage {
        Some(Stage::Import { api, check }) => import_model(&api, &model_path, check),
        Some(Stage::Verify { wsdl }) => {
            let report = verify::verify(&root.join("vbox-soap/src/generated"), &wsdl)?;
            println!("{report}");
            Ok(())
        }
        None => generate_all(&root, &model_path, args.check),
    }
}

/// Generates into `directory` the code that the newest `count` API versions alone would give, and
/// returns their number: no more than there are.
pub(crate) fn generate_newest(count: usize, directory: &Path) -> anyhow::Result<usize> {
    let root = workspace_root()?;
    let model = read_model(&root.join("vbox-soap/api/virtualbox.api"))?;
    let mut code = files::Files::new(directory.to_owned());
    generate::generate_without_fixups(&model.newest(count), &mut code)?;
    code.format(&root)?;
    code.write()?;
    Ok(count.min(model.versions.len()))
}

fn read_model(path: &Path) -> anyhow::Result<model::Model> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the API model {}", path.display()))?;
    model_text::parse(&text).with_context(|| format!("in the API model {}", path.display()))
}

fn generate_all(root: &Path, model_path: &Path, check: bool) -> anyhow::Result<()> {
    let model = read_model(model_path)?;
    let mut code = files::Files::new(root.join("vbox-soap/src/generated"));
    generate::generate(&model, &mut code)?;
    code.format(root)?;
    let mut docs = files::Files::among_others(root.join("vbox-soap/docs"));
    docs.add("versions.md", generate::versions_page(&model))?;
    for files in [code, docs] {
        if check {
            files.check()?;
        } else {
            let changed = files.write()?;
            println!("{}: {} files, {changed} changed", files.directory().display(), files.len());
        }
    }
    Ok(())
}

fn import_model(api: &Path, model_path: &Path, check: bool) -> anyhow::Result<()> {
    let model = import_all(api)?;
    let text = model_text::write(&model);
    if check {
        let committed = std::fs::read_to_string(model_path)
            .with_context(|| format!("cannot read {}", model_path.display()))?;
        ensure!(
            committed == text,
            "{} is not what {} gives; run `cargo xtask codegen import` without --check and look at the difference",
            model_path.display(),
            api.display()
        );
    } else {
        if let Some(parent) = model_path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(model_path, text)
            .with_context(|| format!("cannot write {}", model_path.display()))?;
    }
    let operations = model.interfaces.iter().map(|item| {
        let again = |(i, operation): (usize, &model::Operation)| {
            let previous = i.checked_sub(1).and_then(|i| item.operations.get(i));
            previous.is_some_and(|previous| previous.is_same_operation(operation))
        };
        item.operations.iter().enumerate().filter(|entry| !again(*entry)).count()
    });
    println!(
        "{}: {} versions, {} interfaces, {} operations with {} signatures, {} enums, {} structs",
        model_path.display(),
        model.versions.len(),
        model.interfaces.len(),
        operations.sum::<usize>(),
        model.interfaces.iter().map(|item| item.operations.len()).sum::<usize>(),
        model.enums.len(),
        model.structs.len()
    );
    Ok(())
}

/// Imports and merges all versions in a directory.
fn import_all(api: &Path) -> anyhow::Result<model::Model> {
    let mut models = vec![];
    for version in versions_in(api)? {
        let own = api.join(&version);
        let (borrower, lender) = fixups::BORROWED_XIDL;
        let borrowed = version == borrower && !own.join(XIDL).exists();
        let lender = if borrowed { api.join(lender) } else { own.clone() };
        let model =
            import::import(&version, &read(&own.join(WSDL))?, &read(&lender.join(XIDL))?, borrowed)
                .with_context(|| format!("cannot import the API {version}"))?;
        models.push(model);
    }
    merge::merge(models)
}

const WSDL: &str = "vboxweb.wsdl";
const XIDL: &str = "VirtualBox.xidl";

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The API versions that a directory has directories of, oldest first.
fn versions_in(directory: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?;
    let mut versions = vec![];
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let numbers = name.split_once('.').and_then(|(major, minor)| {
            Some((major.parse::<u16>().ok()?, minor.parse::<u16>().ok()?))
        });
        if let Some(numbers) = numbers {
            versions.push((numbers, name));
        }
    }
    versions.sort();
    ensure!(!versions.is_empty(), "{} has no API version", directory.display());
    Ok(versions.into_iter().map(|(_, name)| name).collect())
}

/// The workspace's root: the directory above this package.
fn workspace_root() -> anyhow::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest.parent().context("xtask has no parent directory")?.to_path_buf())
}
