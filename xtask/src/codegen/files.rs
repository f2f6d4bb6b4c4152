//! The generated files: formatted, then written or compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// A directory of generated files, not yet on disk.
pub struct Files {
    directory: PathBuf,
    contents: BTreeMap<String, String>,
    /// Whether nothing else may be in the directory.
    alone: bool,
}

impl Files {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, contents: BTreeMap::new(), alone: true }
    }

    /// Files that stand among others, which are left alone.
    pub fn among_others(directory: PathBuf) -> Self {
        Self { alone: false, ..Self::new(directory) }
    }

    /// Adds a file; a name given twice is an error.
    pub fn add(&mut self, name: &str, text: String) -> anyhow::Result<()> {
        ensure!(!self.contents.contains_key(name), "two files would be called {name}");
        self.contents.insert(name.to_owned(), text);
        Ok(())
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The text of one file.
    #[cfg(test)]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.contents.get(name).map(String::as_str)
    }

    pub fn len(&self) -> usize {
        self.contents.len()
    }

    /// Formats all files with rustfmt and the workspace's settings.
    pub fn format(&mut self, root: &Path) -> anyhow::Result<()> {
        let scratch = root.join("target").join(format!("codegen-{}", std::process::id()));
        std::fs::create_dir_all(&scratch)
            .with_context(|| format!("cannot create {}", scratch.display()))?;
        let result = self.format_in(&scratch, root);
        std::fs::remove_dir_all(&scratch)?;
        result
    }

    fn format_in(&mut self, scratch: &Path, root: &Path) -> anyhow::Result<()> {
        for (name, text) in &self.contents {
            std::fs::write(scratch.join(name), text)?;
        }
        // rustfmt follows `mod` lines: the one file that has them leads to all others.
        let output = Command::new("rustfmt")
            .args(["--edition", "2024", "--config-path"])
            .arg(root)
            .arg(scratch.join("mod.rs"))
            .output()
            .context("cannot run rustfmt; install it with `rustup component add rustfmt`")?;
        if !output.status.success() {
            bail!("rustfmt refused: {}", String::from_utf8_lossy(&output.stderr));
        }
        for (name, text) in &mut self.contents {
            *text = std::fs::read_to_string(scratch.join(name))?;
        }
        Ok(())
    }

    /// Writes what differs and removes what is too much; returns how many files that were.
    pub fn write(&self) -> anyhow::Result<usize> {
        std::fs::create_dir_all(&self.directory)?;
        let differences = self.differences()?;
        for difference in &differences {
            let (Difference::Stale(name) | Difference::Missing(name) | Difference::Extra(name)) =
                difference;
            let path = self.directory.join(name);
            match self.contents.get(name) {
                Some(text) => std::fs::write(&path, text),
                None => std::fs::remove_file(&path),
            }
            .with_context(|| format!("cannot change {}", path.display()))?;
        }
        Ok(differences.len())
    }

    /// Fails, naming every file that is not as generated.
    pub fn check(&self) -> anyhow::Result<()> {
        let differences = self.differences()?;
        if differences.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = differences
            .iter()
            .map(|difference| match difference {
                Difference::Stale(name) => format!("  stale:   {name}"),
                Difference::Missing(name) => format!("  missing: {name}"),
                Difference::Extra(name) => format!("  extra:   {name}"),
            })
            .collect();
        bail!(
            "{} is not what the API model gives:\n{}\nrun `cargo xtask codegen` and commit the result",
            self.directory.display(),
            list.join("\n")
        )
    }

    fn differences(&self) -> anyhow::Result<Vec<Difference>> {
        let mut on_disk = BTreeMap::new();
        if self.directory.exists() {
            for entry in std::fs::read_dir(&self.directory)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if !self.alone && !self.contents.contains_key(&name) {
                    continue;
                }
                on_disk.insert(name, std::fs::read_to_string(entry.path())?);
            }
        }
        let mut differences = vec![];
        for (name, text) in &self.contents {
            match on_disk.remove(name) {
                Some(found) if found == *text => {}
                Some(_) => differences.push(Difference::Stale(name.clone())),
                None => differences.push(Difference::Missing(name.clone())),
            }
        }
        if self.alone {
            differences.extend(on_disk.into_keys().map(Difference::Extra));
        }
        Ok(differences)
    }
}

/// How a file on disk is not as generated.
enum Difference {
    Stale(String),
    Missing(String),
    Extra(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_names_stale_missing_and_extra_files_and_write_repairs_them() {
        let directory =
            std::env::temp_dir().join(format!("xtask-codegen-test-{}", std::process::id()));
        let mut files = Files::new(directory.clone());
        files.add("a.rs", "a".into()).unwrap();
        files.add("b.rs", "b".into()).unwrap();
        assert!(files.add("a.rs", "again".into()).is_err());
        assert_eq!(files.write().unwrap(), 2);
        files.check().unwrap();
        std::fs::write(directory.join("a.rs"), "edited").unwrap();
        std::fs::remove_file(directory.join("b.rs")).unwrap();
        std::fs::write(directory.join("c.rs"), "c").unwrap();
        let error = files.check().unwrap_err().to_string();
        for expected in ["stale:   a.rs", "missing: b.rs", "extra:   c.rs", "cargo xtask codegen"] {
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(files.write().unwrap(), 3);
        files.check().unwrap();
        assert_eq!(files.write().unwrap(), 0);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn files_among_others_leave_those_alone() {
        let directory =
            std::env::temp_dir().join(format!("xtask-codegen-among-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("other"), [0xFF]).unwrap();
        let mut files = Files::among_others(directory.clone());
        files.add("own", "own".into()).unwrap();
        assert!(files.check().unwrap_err().to_string().contains("missing: own"));
        assert_eq!(files.write().unwrap(), 1);
        files.check().unwrap();
        assert!(directory.join("other").exists());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
