//! `.meta` files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::check::Invalid;
use super::hardware::{HardwareModel, built_in};
use super::image::ImageModel;
use crate::edn::{self, Node, Value};
use crate::error::Error;

/// The key of a meta file that holds hardware models, not an image model.
pub const HARDWARE_MODELS_KEY: &str = "hardware-models";

/// A meta file is written by hand; anything larger is something else.
const MAX_FILE_SIZE: u64 = 1024 * 1024;

/// The models that are known by name.
#[derive(Debug, Clone, Default)]
pub struct Models {
    folder: PathBuf,
    images: BTreeMap<String, ImageModel>,
    hardware: BTreeMap<String, HardwareModel>,
    sources: BTreeMap<String, PathBuf>,
}

impl Models {
    /// No images, and the built-in hardware models.
    #[must_use]
    pub fn built_in() -> Self {
        let hardware = built_in().map(|(name, model)| (name.to_owned(), model));
        Self { hardware: hardware.into(), ..Self::default() }
    }

    /// The image models by name.
    #[must_use]
    pub fn images(&self) -> &BTreeMap<String, ImageModel> {
        &self.images
    }

    /// The hardware models by name, the built-in ones included.
    #[must_use]
    pub fn hardware(&self) -> &BTreeMap<String, HardwareModel> {
        &self.hardware
    }

    /// The meta file that an image model was read from.
    #[must_use]
    pub fn source_of_image(&self, name: &str) -> Option<&Path> {
        self.sources.get(&format!(":{name}")).map(PathBuf::as_path)
    }

    /// An image model by name.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], with what there is.
    pub fn image(&self, name: &str) -> Result<&ImageModel, Error> {
        self.images.get(name).ok_or_else(|| self.unknown("image", name, &self.images))
    }

    /// A hardware model by name.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], with what there is.
    pub fn hardware_model(&self, name: &str) -> Result<&HardwareModel, Error> {
        self.hardware.get(name).ok_or_else(|| self.unknown("hardware", name, &self.hardware))
    }

    fn unknown<T>(&self, kind: &'static str, name: &str, known: &BTreeMap<String, T>) -> Error {
        Error::UnknownModel {
            kind,
            name: name.to_owned(),
            suggestion: crate::suggest::closest(name, known.keys().map(String::as_str))
                .map(str::to_owned),
            known: known.keys().cloned().collect(),
            folder: self.folder.clone(),
        }
    }

    /// Adds a model, which takes the place of one of the same name. Its relative paths start at
    /// `folder`.
    pub fn add_image(&mut self, name: impl Into<String>, mut model: ImageModel, folder: &Path) {
        model.resolve_paths(folder);
        self.images.insert(name.into(), model);
    }

    /// Adds a model, which takes the place of one of the same name. Its relative paths start at
    /// `folder`.
    pub fn add_hardware(
        &mut self,
        name: impl Into<String>,
        mut model: HardwareModel,
        folder: &Path,
    ) {
        model.resolve_paths(folder);
        self.hardware.insert(name.into(), model);
    }

    /// Adds what another file holds.
    fn add(&mut self, file: &Path, content: Content) -> Result<(), Error> {
        let names = content.images.keys().map(|n| format!(":{n}"));
        let names = names.chain(content.hardware.keys().map(|n| format!(":hardware-models :{n}")));
        for name in names.collect::<Vec<_>>() {
            if let Some(first) = self.sources.insert(name.clone(), file.to_owned()) {
                return Err(Error::DuplicateModel { name, first, second: file.to_owned() });
            }
        }
        self.images.extend(content.images);
        self.hardware.extend(content.hardware);
        Ok(())
    }
}

#[derive(Default)]
struct Content {
    images: BTreeMap<String, ImageModel>,
    hardware: BTreeMap<String, HardwareModel>,
}

/// Reads all files of a folder that end in `.meta`, and adds the built-in hardware models. A
/// folder that does not exist has no models.
///
/// # Errors
/// The first file that cannot be read, the first mistake in one, or a name that two files use.
pub fn load_folder(folder: &Path) -> Result<Models, Error> {
    let mut models = Models { folder: folder.to_owned(), ..Models::built_in() };
    let failed = |source| Error::io("read the folder", folder, source);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(models),
        Err(e) => return Err(failed(e)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|e| e == "meta") && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    for file in files {
        let content = read_file(&file)?;
        models.add(&file, content)?;
    }
    Ok(models)
}

/// Reads one meta file, and adds the built-in hardware models.
///
/// # Errors
/// When the file cannot be read, or the first mistake in it.
pub fn load_file(file: &Path) -> Result<Models, Error> {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let mut models = Models { folder, ..Models::built_in() };
    let content = read_file(file)?;
    models.add(file, content)?;
    Ok(models)
}

fn read_file(file: &Path) -> Result<Content, Error> {
    let failed = |source| Error::io("read the meta file", file, source);
    let size = std::fs::metadata(file).map_err(failed)?.len();
    if size > MAX_FILE_SIZE {
        let message = format!("{size} bytes are too many for a meta file");
        return Err(failed(std::io::Error::other(message)));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    let folder = std::path::absolute(file).map_err(failed)?;
    let folder = folder.parent().unwrap_or(Path::new("/"));
    parse(&text, folder).map_err(|error| Error::Meta { file: file.to_owned(), error })
}

fn parse(text: &str, folder: &Path) -> Result<Content, edn::Error> {
    let mut content = Content::default();
    for (name, node) in entries(&edn::read(text)?)? {
        if name == HARDWARE_MODELS_KEY {
            for (inner, node) in entries(node).map_err(|e| e.inside_key(name))? {
                let named = |e: edn::Error| e.inside_key(inner).inside_key(name);
                let mut model: HardwareModel = edn::from_node(node).map_err(named)?;
                model.check().map_err(|e| named(located(node, &e)))?;
                model.resolve_paths(folder);
                content.hardware.insert(inner.to_owned(), model);
            }
        } else {
            let named = |e: edn::Error| e.inside_key(name);
            let mut model: ImageModel = edn::from_node(node).map_err(named)?;
            model.check().map_err(|e| named(located(node, &e)))?;
            model.resolve_paths(folder);
            content.images.insert(name.to_owned(), model);
        }
    }
    Ok(content)
}

/// The entries of a map whose keys are names.
fn entries(node: &Node) -> Result<Vec<(&str, &Node)>, edn::Error> {
    let Value::Map(entries) = &node.value else {
        let message = "expected a map of model names to models, { … }";
        return Err(edn::Error::new(message, Some(node.position)));
    };
    entries
        .iter()
        .map(|(key, value)| match key.as_key() {
            Some(name) if !name.is_empty() => Ok((name, value)),
            _ => Err(edn::Error::new("a model's name must be a keyword", Some(key.position))),
        })
        .collect()
}

fn located(model: &Node, invalid: &Invalid) -> edn::Error {
    let position = model.locate(&invalid.path).position;
    edn::Error::about(&invalid.problem, position, &invalid.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            for (name, text) in files {
                std::fs::write(folder.path().join(name), text).expect("written");
            }
            Self(folder)
        }

        fn load(&self) -> Result<Models, Error> {
            load_folder(self.0.path())
        }

        /// The error, with the folder's name taken out.
        fn error(&self) -> String {
            let folder = format!("{}/", self.0.path().display());
            self.load().expect_err("is wrong").to_string().replace(&folder, "")
        }
    }

    #[test]
    fn several_files_with_several_models() {
        let folder = Folder::new(&[
            (
                "a.meta",
                r#"{:deb {:uuid "deb.vdi" :os-type-id "Debian_64" :no-sudo false}
                    :ubu {:path "/x/ubu.vdi" :os-type-id "Ubuntu_64" :username "u" :password "p"}}"#,
            ),
            ("hw.meta", "{:hardware-models {:micro {:memory-size 300} :huge {:cpu-count 8}}}"),
            ("notes.txt", "not a model ("),
        ]);
        let models = folder.load().expect("reads");
        assert_eq!(models.images().keys().collect::<Vec<_>>(), ["deb", "ubu"]);
        assert_eq!(models.image("deb").expect("known").path, folder.0.path().join("deb.vdi"));
        assert_eq!(models.image("ubu").expect("known").path, Path::new("/x/ubu.vdi"));
        assert_eq!(
            models.hardware().keys().collect::<Vec<_>>(),
            ["huge", "large", "medium", "micro", "small"]
        );
        let micro = models.hardware_model("micro").expect("known");
        assert_eq!(
            (micro.memory_size, micro.cpu_count),
            (Some(300), None),
            "the user's model wins"
        );
        assert_eq!(models.source_of_image("deb"), Some(&*folder.0.path().join("a.meta")));
    }

    #[test]
    fn unknown_names_come_with_a_suggestion() {
        let folder =
            Folder::new(&[("a.meta", r#"{:debian-12 {:uuid "d.vdi" :os-type-id "Debian_64"}}"#)]);
        let models = folder.load().expect("reads");
        let text = models.image("debain-12").expect_err("unknown").to_string();
        assert!(text.contains("no image model debain-12"), "{text}");
        assert!(text.contains("did you mean debian-12?"), "{text}");
        let text = models.hardware_model("tiny").expect_err("unknown").to_string();
        assert!(text.contains("large, medium, micro, small"), "{text}");
        let none = load_folder(Path::new("/nowhere/models")).expect("no folder, no models");
        let text = none.image("x").expect_err("unknown").to_string();
        assert!(text.contains("/nowhere/models"), "{text}");
    }

    #[test]
    fn mistakes_are_shown_with_file_line_and_column() {
        for (text, expected) in [
            ("{:a {:uuid \"x\"\n", "a.meta:1:5: `{` is never closed; `}` is missing"),
            (
                "{:a {:uuid \"x\"\n  :os-type-idd \"y\"}}",
                "a.meta:2:3: :a: unknown key :os-type-idd; did you mean :os-type-id?",
            ),
            ("{:a {:uuid \"x\"}}", "a.meta:1:5: :a: the key :os-type-id is missing"),
            (
                "{:a {:uuid \"x\" :os-type-id \"y\" :os-64-bit 1}}",
                "a.meta:1:43: :a :os-64-bit: expected true or false, found the number 1",
            ),
            ("{:a {:uuid \"\" :os-type-id \"y\"}}", "a.meta:1:12: :a :uuid: names no file"),
            (
                "{:a {:uuid \"x\" :os-type-id \"y\"\n     :hardware {:cpu-count 0}}}",
                "a.meta:2:28: :a :hardware :cpu-count: 0 is out of range: 1 to 256 processors",
            ),
            (
                "{:hardware-models {:m {:memroy-size 5}}}",
                "a.meta:1:24: :hardware-models :m: unknown key :memroy-size; did you mean :memory-size?",
            ),
            (
                "{:hardware-models {:m {:memory-size \"5\"}}}",
                "a.meta:1:37: :hardware-models :m :memory-size: expected a whole number from 0 up, found \"5\"",
            ),
            (
                "{:hardware-models 5}",
                "a.meta:1:19: :hardware-models: expected a map of model names to models, { … }",
            ),
            ("[]", "a.meta:1:1: expected a map of model names to models, { … }"),
            ("{7 {}}", "a.meta:1:2: a model's name must be a keyword"),
            (
                "{:a #=(eval 1)}",
                "a.meta:1:5: this is program text; the file is read as data and never evaluated",
            ),
        ] {
            let error = Folder::new(&[("a.meta", text)]).error();
            assert!(error.contains(expected), "{text}\n  {error}\n  {expected}");
        }
    }

    #[test]
    fn a_name_in_two_files_is_an_error() {
        let model = r#"{:a {:uuid "x" :os-type-id "y"}}"#;
        let error = Folder::new(&[("1.meta", model), ("2.meta", model)]).error();
        assert!(error.contains(":a") && error.contains("1.meta and 2.meta"), "{error}");
    }
}
