//! The layers of configuration around the project's file.

mod clojure;

use std::path::{Path, PathBuf};

use pallet_core::config::{Literal, Located, Settings};

use crate::args::Global;
use crate::error::CliError;

/// The layers below the project, the lowest first: what a person wrote for Pallet's older self in
/// `config.clj` and `services/*.clj`, then the same in TOML; then the
/// program's own, whose relative paths start at `base`.
pub fn below(global: &Global, base: &Path) -> Result<Vec<Settings>, CliError> {
    let mut layers = Vec::new();
    if let Some(home) = Settings::home() {
        layers.extend(of_person(&home)?);
    }
    for text in global.app.own_settings() {
        layers.push(Settings::parse(global.app.within(base), *text)?);
    }
    Ok(layers)
}

fn of_person(home: &Path) -> Result<Vec<Settings>, CliError> {
    let mut layers = Vec::new();
    let config = home.join("config.clj");
    if config.exists() {
        layers.push(clojure::config(&config)?);
    }
    for file in clojure_services(home) {
        layers.push(clojure::services(&file)?);
    }
    layers.extend(Settings::of_person(home)?);
    Ok(layers)
}

/// The layers above the project, the lowest first: environment variables, then arguments.
pub fn above(global: &Global) -> Vec<Settings> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut layers = Settings::variables(variables);
    if let Some(service) = &global.service {
        let named = Located { value: Literal::String(service.clone()), span: 0..service.len() };
        let tree = named.under("default-service");
        layers.push(Settings::tree("--service", service.as_str(), tree));
    }
    layers
}

fn clojure_services(home: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.join("services")).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "clj"));
    files.sort();
    files
}
