//! Code generation for `vbox-soap`, in two stages.
//!
//! 1. `cargo xtask codegen import --api DIR` reads VirtualBox's own descriptions
//!    (`DIR/7.2/vboxweb.wsdl`, `DIR/7.2/VirtualBox.xidl`) and writes the API model,
//!    `vbox-soap/api/virtualbox.api`: a readable file of facts, committed.
//! 2. `cargo xtask codegen` turns the model into Rust, `vbox-soap/src/generated/`, committed.
//!    `cargo xtask codegen --check` fails when that code is not what the model gives.

mod files;
mod fixups;
mod generate;
mod import;
mod model;
mod model_text;
mod names;

use std::path::{Path, PathBuf};

use anyhow::Context;
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
    /// Read VirtualBox's WSDL and XIDL and write the API model.
    Import {
        /// Directory with one directory per API version, each with vboxweb.wsdl and VirtualBox.xidl.
        #[arg(long, value_name = "DIR")]
        api: PathBuf,
    },
}

/// The API version that is imported.
const API_VERSION: &str = "7.2";

/// Runs `cargo xtask codegen`.
pub fn run(args: Args) -> anyhow::Result<()> {
    let root = workspace_root()?;
    let model_path = root.join("vbox-soap/api/virtualbox.api");
    if let Some(Stage::Import { api }) = args.stage {
        return import_model(&api, &model_path);
    }
    let text = std::fs::read_to_string(&model_path)
        .with_context(|| format!("cannot read the API model {}", model_path.display()))?;
    let model = model_text::parse(&text)
        .with_context(|| format!("in the API model {}", model_path.display()))?;
    let mut generated = files::Files::new(root.join("vbox-soap/src/generated"));
    generate::generate(&model, &mut generated)?;
    generated.format(&root)?;
    if args.check {
        generated.check()
    } else {
        let changed = generated.write()?;
        println!(
            "{}: {} files, {changed} changed",
            generated.directory().display(),
            generated.len()
        );
        Ok(())
    }
}

fn import_model(api: &Path, model_path: &Path) -> anyhow::Result<()> {
    let directory = api.join(API_VERSION);
    let read = |name: &str| {
        let path = directory.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let model = import::import(API_VERSION, &read("vboxweb.wsdl")?, &read("VirtualBox.xidl")?)
        .with_context(|| format!("cannot import the API {API_VERSION}"))?;
    if let Some(parent) = model_path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(model_path, model_text::write(&model))
        .with_context(|| format!("cannot write {}", model_path.display()))?;
    println!(
        "{}: {} interfaces, {} operations, {} enums, {} structs",
        model_path.display(),
        model.interfaces.len(),
        model.interfaces.iter().map(|i| i.operations.len()).sum::<usize>(),
        model.enums.len(),
        model.structs.len()
    );
    Ok(())
}

/// The workspace's root: the directory above this package.
fn workspace_root() -> anyhow::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest.parent().context("xtask has no parent directory")?.to_path_buf())
}
