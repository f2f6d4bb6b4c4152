//! What is known about an image: read, put together, written as a meta file.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::ImageError;
use super::ovf::Ovf;
use crate::edn;
use crate::error::Error;
use crate::models::{Bus, HARDWARE_MODELS_KEY, ImageModel};
use crate::toml;
use crate::tree::{self, Node, Value};

/// Keys of an image model with their values, as they stand in a meta file.
///
/// ```
/// use vmfest::images::Description;
///
/// let description = Description::default()
///     .text("os-type-id", "Debian_64")
///     .flag("no-sudo", false)
///     .edn("network-type", ":nat");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Description(pub(super) BTreeMap<String, String>);

impl Description {
    /// Sets a key to a text.
    #[must_use]
    pub fn text(self, key: &str, text: &str) -> Self {
        self.edn(key, quote(text))
    }

    /// Sets a key to true or false.
    #[must_use]
    pub fn flag(self, key: &str, value: bool) -> Self {
        self.edn(key, value.to_string())
    }

    /// Sets a key to any value, written in EDN.
    #[must_use]
    pub fn edn(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Sets a key unless it is set.
    pub(super) fn or(self, key: &str, value: impl FnOnce() -> Option<String>) -> Self {
        if self.has(key) {
            return self;
        }
        match value() {
            Some(value) => self.edn(key, value),
            None => self,
        }
    }

    /// What both know; `over` wins.
    pub(super) fn overlaid_with(mut self, over: Self) -> Self {
        self.0.extend(over.0);
        self
    }

    /// Reads the model's entry of a meta file: the one of its name, the only one, or the whole
    /// file if that is no map of models.
    pub(super) fn read(file: &Path, text: &str, model: &str) -> Result<Self, Error> {
        let located = |error| Error::Meta { file: file.to_owned(), error };
        let node = read_node(file, text).map_err(located)?;
        let refused = |problem: String| {
            let source_name = file.display().to_string();
            Error::from(ImageError::Unusable { source_name, problem })
        };
        let Value::Map(entries) = &node.value else {
            return Err(refused("a description is a map of keys and values".to_owned()));
        };
        let models: Vec<_> = entries
            .iter()
            .filter_map(|(key, value)| Some((key.as_key()?, value)))
            .filter(|(key, value)| {
                *key != HARDWARE_MODELS_KEY && matches!(value.value, Value::Map(_))
            })
            .collect();
        let is_flat = entries.iter().any(|(key, _)| {
            key.as_key().is_some_and(|key| key.starts_with("os-") || key == "uuid")
        });
        let named = models.iter().find(|(name, _)| *name == model);
        let entry = match (is_flat, named, models.as_slice()) {
            (true, ..) => &node,
            (_, Some((_, node)), _) | (_, None, [(_, node)]) => node,
            (_, None, []) => return Err(refused("it describes no image model".to_owned())),
            (_, None, several) => {
                let names: Vec<_> = several.iter().map(|(name, _)| *name).collect();
                let names = names.join(", ");
                return Err(refused(format!("it describes {names}, and none is called {model}")));
            }
        };
        let mut description = Self::default();
        if let Value::Map(entries) = &entry.value {
            for (key, value) in entries {
                let Some(key) = key.as_key().map(|key| key.trim_end_matches('?')) else { continue };
                // The disk gets a place and a digest of its own.
                if !matches!(key, "uuid" | "path" | "location" | "sha256") {
                    description.0.insert(key.to_owned(), print(&value.value));
                }
            }
        }
        Ok(description)
    }

    /// Adds what an OVF description tells, and what boxes have in common.
    pub(super) fn with_ovf(self, ovf: Option<&Ovf>, is_box: bool) -> Self {
        let mut known = Self::default();
        if is_box {
            known = known.text("username", "vagrant").text("password", "vagrant");
            known = known.text("sudo-password", "vagrant").flag("no-sudo", false);
            known = known.edn("network-type", ":nat");
        }
        if let Some(ovf) = ovf {
            if let Some(kind) = &ovf.os_type {
                known = known.text("os-type-id", kind);
            }
            if ovf.is_efi {
                known = known.edn("hardware", "{:firmware-type :efi}");
            }
            known = known.with_bus(ovf.bus);
        }
        // Whoever says where the disk is to be attached says it completely.
        if self.has("storage") || self.has("boot-mount-point") {
            known.0.retain(|key, _| key != "storage" && key != "boot-mount-point");
        }
        // A user of one's own comes with a password of one's own.
        if self.has("username") {
            known.0.retain(|key, _| !matches!(key.as_str(), "password" | "sudo-password"));
        }
        known.overlaid_with(self)
    }

    /// The controller that the disk was installed on, unless it is the kind that instances get
    /// anyway.
    pub(super) fn with_bus(self, bus: Option<Bus>) -> Self {
        let (name, bus) = match bus {
            Some(Bus::Ide) => ("IDE", ":ide"),
            Some(Bus::Scsi) => ("SCSI", ":scsi"),
            Some(Bus::Sas) => ("SAS", ":sas"),
            Some(Bus::Usb) => ("USB", ":usb"),
            Some(Bus::Pcie) => ("NVMe", ":pcie"),
            Some(Bus::VirtioScsi) => ("VirtIO", ":virtio-scsi"),
            _ => return self,
        };
        self.edn("storage", format!("[{{:name {} :bus {bus} :devices [nil]}}]", quote(name)))
            .edn("boot-mount-point", format!("[{} 0]", quote(name)))
    }

    /// The meta file's text. It is read back before it is given.
    pub(super) fn meta(self, model: &str, disk: &str, sha256: &str) -> Result<String, Error> {
        let description = self.complete(model)?;
        let mut text = format!("{{:{model}\n {{:uuid {}", quote(disk));
        for (key, value) in &description.0 {
            text += &format!("\n  :{key} {value}");
        }
        text += &format!("\n  :sha256 {}}}}}\n", quote(sha256));
        check(model, &text)?;
        Ok(text)
    }

    /// An error if something is wrong, or missing and not to be found in what is imported.
    pub(super) fn check_early(&self, model: &str, os_type_may_follow: bool) -> Result<(), Error> {
        let candidate = match self.has("os-type-id") {
            false if os_type_may_follow => self.clone().text("os-type-id", "Linux_64"),
            _ => self.clone(),
        };
        candidate.meta(model, "x.vdi", &"0".repeat(64)).map(drop)
    }

    fn complete(self, model: &str) -> Result<Self, Error> {
        let Some(kind) = self.0.get("os-type-id") else {
            return Err(ImageError::Description {
                model: model.to_owned(),
                problem: "nothing says which operating system is on it; give VirtualBox's name of \
                          it as os-type-id, such as Debian_64 (`VBoxManage list ostypes` shows all)"
                    .to_owned(),
            }
            .into());
        };
        let kind = kind.trim_matches('"').to_owned();
        Ok(self
            .or("os-64-bit", || kind.ends_with("_64").then(|| "true".to_owned()))
            .or("os-family", || family(&kind).map(|family| format!(":{family}"))))
    }
}

fn read_node(file: &Path, text: &str) -> Result<Node, tree::Error> {
    match file.extension().is_some_and(|extension| extension == "toml") {
        true => toml::read(text),
        false => edn::read(text),
    }
}

/// How many models a file describes, hardware models included.
pub(super) fn models_in(file: &Path) -> Result<usize, Error> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|e| Error::io("read the meta file", file, e))?;
    let node = read_node(file, &text);
    match node.map_err(|error| Error::Meta { file: file.to_owned(), error })?.value {
        Value::Map(entries) => Ok(entries.len()),
        _ => Ok(0),
    }
}

/// The operating system's family, where VirtualBox's name of the system begins with it.
fn family(kind: &str) -> Option<&'static str> {
    let known = [
        ("Ubuntu", "ubuntu"),
        ("Debian", "debian"),
        ("Fedora", "fedora"),
        ("ArchLinux", "arch"),
        ("OpenSUSE", "suse"),
        ("RedHat", "rhel"),
        ("Gentoo", "gentoo"),
    ];
    known.iter().find(|(prefix, _)| kind.starts_with(prefix)).map(|(_, family)| *family)
}

/// Whether the text is a meta file with this model in it.
fn check(model: &str, text: &str) -> Result<(), Error> {
    let problem =
        |problem: String| Error::from(ImageError::Description { model: model.to_owned(), problem });
    let node = edn::read(text).map_err(|e| problem(e.message().to_owned()))?;
    let entry = match &node.value {
        Value::Map(entries) => entries.first().map(|(_, entry)| entry),
        _ => None,
    };
    let Some(entry) = entry else { return Err(problem("it has no model".to_owned())) };
    let model: ImageModel = tree::from_node(entry).map_err(|e| {
        let path = e.key_path();
        let colon = if path.is_empty() { "" } else { ": " };
        problem(format!("{path}{colon}{}", e.message()))
    })?;
    model.check().map_err(|e| problem(e.to_string()))
}

/// A text as an EDN string.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted += "\\\"",
            '\\' => quoted += "\\\\",
            '\n' => quoted += "\\n",
            '\r' => quoted += "\\r",
            '\t' => quoted += "\\t",
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn print(value: &Value) -> String {
    let join =
        |items: &[Node]| items.iter().map(|item| print(&item.value)).collect::<Vec<_>>().join(" ");
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Char(c) => quote(&c.to_string()),
        Value::String(text) => quote(text),
        Value::Keyword(name) => format!(":{name}"),
        Value::Symbol(name) => name.clone(),
        Value::List(items) => format!("({})", join(items)),
        Value::Vector(items) => format!("[{}]", join(items)),
        Value::Set(items) => format!("#{{{}}}", join(items)),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let key = key.as_key().map_or_else(|| print(&key.value), |key| format!(":{key}"));
                format!("{key} {}", print(&value.value))
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, text: &str) -> Result<Description, Error> {
        Description::read(Path::new(file), text, "mine")
    }

    #[test]
    fn the_entry_of_the_model_is_found() {
        for (file, text) in [
            ("a.meta", "{:mine {:uuid \"old.vdi\" :os-type-id \"Debian_64\"}}"),
            ("a.meta", "{:other {:os-type-id \"Debian_64\"} :hardware-models {:x {}}}"),
            ("a.meta", "{:other {} :mine {:os-type-id \"Debian_64\"}}"),
            ("a.meta", "{:os-type-id \"Debian_64\"}"),
            ("a.toml", "[mine]\nos-type-id = \"Debian_64\""),
            ("a.toml", "os-type-id = \"Debian_64\""),
        ] {
            let description = read(file, text).expect(text);
            let meta = description.meta("mine", "mine.vdi", &"a".repeat(64)).expect(text);
            let expected = format!(
                "{{:mine\n {{:uuid \"mine.vdi\"\n  :os-64-bit true\n  :os-family :debian\n  \
                 :os-type-id \"Debian_64\"\n  :sha256 \"{}\"}}}}\n",
                "a".repeat(64)
            );
            assert_eq!(meta, expected);
        }
        for (text, part) in [
            ("{:a {} :b {}}", "it describes a, b, and none is called mine"),
            ("{}", "describes no image model"),
            ("[]", "is a map"),
            ("{:mine {", "a.meta:1:"),
        ] {
            let error = read("a.meta", text).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn values_survive_being_written() {
        let text = r#"{:os-type-id "Debian_64" :description "a \"b\" \\ c
d" :password "p\"w"
            :storage [{:name "S" :bus :sata :devices [nil {:device-type :dvd}]}]
            :boot-mount-point ["S" 0] :hardware {:memory-size 700 :hpet-enabled? true}}"#;
        let description = read("a.meta", text).expect("reads");
        let meta = description.meta("mine", "mine.vdi", &"a".repeat(64)).expect("is a model");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("mine.meta");
        std::fs::write(&file, meta).expect("written");
        let models = crate::models::load_file(&file).expect("reads");
        let image = models.image("mine").expect("known");
        assert_eq!(image.description.as_deref(), Some("a \"b\" \\ c\nd"));
        assert_eq!(image.password.as_ref().map(|p| p.expose()), Some("p\"w"));
        assert_eq!(image.hardware.as_ref().and_then(|h| h.memory_size), Some(700));
        assert_eq!(image.storage.as_ref().map(|s| s[0].devices.len()), Some(2));
    }

    #[test]
    fn mistakes_are_found_before_anything_is_fetched() {
        let nothing = Description::default();
        let error = nothing.check_early("m", false).expect_err("no system").to_string();
        assert!(error.contains("os-type-id, such as Debian_64"), "{error}");
        nothing.check_early("m", true).expect("an OVA will tell");
        let wrong = Description::default().text("os-type-id", "L").text("os-familly", "debian");
        let error = wrong.check_early("m", true).expect_err("a wrong key").to_string();
        assert!(error.contains("did you mean :os-family?"), "{error}");
        let injected = Description::default().edn("os-type-id", "\"L\"}} {:b {");
        assert!(injected.check_early("m", true).is_err());
    }

    #[test]
    fn a_box_has_a_user() {
        let ovf = Ovf { os_type: Some("Ubuntu_64".into()), bus: Some(Bus::Ide), ..Ovf::default() };
        let description = Description::default().text("os-version", "24.04");
        let meta = description.with_ovf(Some(&ovf), true).meta("m", "m.vdi", &"0".repeat(64));
        let meta = meta.expect("complete");
        for line in [
            ":username \"vagrant\"",
            ":network-type :nat",
            ":boot-mount-point [\"IDE\" 0]",
            ":os-family :ubuntu",
            ":os-version \"24.04\"",
        ] {
            assert!(meta.contains(line), "{line} in {meta}");
        }
        let own = Description::default().text("username", "me").with_ovf(Some(&ovf), true);
        assert!(!own.has("password"), "the box's password is not that of another user");
    }
}
