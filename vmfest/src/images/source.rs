//! Where an image comes from.

use std::fmt;
use std::path::{Path, PathBuf};

use super::unpack::unusable;
use crate::error::Error;
use crate::paths;

/// Extensions that are no part of a model's name.
const EXTENSIONS: [&str; 11] =
    ["vdi", "vmdk", "vhd", "vhdx", "qcow2", "qcow", "raw", "img", "ova", "box", "tar"];

/// A file, or an address on the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    Web(String),
}

impl Source {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Web(text.to_owned()));
        }
        let path = match text.split_once("://") {
            Some(("file", path)) if path.starts_with('/') => Path::new(path),
            Some((scheme, _)) => {
                let problem = format!("{scheme} is none of file, http and https");
                return Err(unusable(text, &problem));
            }
            None => Path::new(text),
        };
        let path = paths::absolute(path).map_err(|e| Error::io("resolve the path", path, e))?;
        Ok(Self::File(path))
    }

    /// The last part of the path.
    pub(super) fn file_name(&self) -> String {
        match self {
            Self::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Web(url) => {
                let path = without_query(url);
                path.rsplit('/').next().unwrap_or_default().to_owned()
            }
        }
    }

    /// What the model is called, unless something else is said.
    pub(super) fn model_name(&self) -> String {
        image_name(&self.file_name()).to_owned()
    }

    /// Whether the name says that the image comes with a description of its machine.
    pub(super) fn says_archive(&self) -> bool {
        let name = self.file_name().to_ascii_lowercase();
        let name = name.trim_end_matches(".gz").trim_end_matches(".xz");
        [".ova", ".box", ".tar", ".tgz"].iter().any(|extension| name.ends_with(extension))
    }

    /// The same place with the file name ending so in place of the image's extensions.
    pub(super) fn beside(&self, extension: &str) -> String {
        let name = format!("{}.{extension}", self.model_name());
        match self {
            Self::File(path) => path.with_file_name(name).to_string_lossy().into_owned(),
            Self::Web(url) => {
                let path = without_query(url);
                let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
                format!("{folder}/{name}")
            }
        }
    }

    /// The file with the checksum, if there is one.
    pub(super) fn checksum(&self) -> String {
        match self {
            Self::File(path) => format!("{}.sha256", path.display()),
            Self::Web(url) => format!("{}.sha256", without_query(url)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Web(url) => f.write_str(url),
        }
    }
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// The file's name without what says how it is packed and which format it has.
fn image_name(file: &str) -> &str {
    let mut name = file;
    for packed in [".gz", ".xz", ".tgz"] {
        name = name.strip_suffix(packed).unwrap_or(name);
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if EXTENSIONS.contains(&extension.to_lowercase().as_str()) => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places() {
        let web = Source::parse("https://a.example/x/debian-12.vdi.gz?token=1").expect("a source");
        assert_eq!(web.file_name(), "debian-12.vdi.gz");
        assert_eq!(web.model_name(), "debian-12");
        assert_eq!(web.beside("meta"), "https://a.example/x/debian-12.meta");
        assert_eq!(web.checksum(), "https://a.example/x/debian-12.vdi.gz.sha256");
        let file = Source::parse("file:///x/Ubuntu.OVA").expect("a source");
        assert_eq!(file, Source::File("/x/Ubuntu.OVA".into()));
        assert_eq!(file.beside("toml"), "/x/Ubuntu.toml");
        assert!(file.says_archive() && !web.says_archive());
        for (file, name) in [
            ("ubuntu-24.04", "ubuntu-24.04"),
            ("ubuntu-24.04.qcow2.xz", "ubuntu-24.04"),
            ("disk.tgz", "disk"),
            ("a.box", "a"),
        ] {
            assert_eq!(image_name(file), name);
        }
        let error = Source::parse("ftp://x/y").expect_err("another scheme").to_string();
        assert!(error.contains("ftp is none of file, http and https"), "{error}");
    }
}
