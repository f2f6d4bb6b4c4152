//! The `package-source` action.

use std::path::PathBuf;
use std::sync::Arc;

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use pallet_core::facts::Facts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::download;
use super::drop_in::DropIn;
use crate::packagers::{self, Source, Sources};
use crate::probes::{Digest, Sha256};
use crate::values::{DropInName, Ensure, RemotePath};

/// A source of packages, with the key that signs it.
///
/// For apt that is a file in `/etc/apt/sources.list.d`, and one in `/etc/apt/keyrings`; for dnf and
/// yum one in `/etc/yum.repos.d`, for zypper in `/etc/zypp/repos.d`, for pacman in `/etc/pacman.d`,
/// for apk in `/etc/apk/repositories.d`. Suites, components and architectures are apt's alone.
///
/// The key is given by one of `key` (the armoured text itself), `key-file` (a file on this machine)
/// and `key-url`, which the node fetches and which needs `key-sha256`. It is trusted for this
/// source alone where the package manager can do that. Without any, the source has to be signed by a
/// key that is trusted already.
///
/// The packages are known only after an update: `{ package-manager = "update" }`, which sees that
/// a source has changed.
///
/// ```
/// use pallet_crates::PackageSource;
/// let docker = PackageSource::new("docker", "https://download.docker.com/linux/debian")?
///     .components(["stable"])
///     .key_file("docker.asc");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PackageSource {
    /// The name of the files.
    name: DropInName,
    /// Where the packages are: `https://download.docker.com/linux/debian`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    uris: Vec<String>,
    /// Suites of the source. Default: the code name of the node's release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    suites: Vec<String>,
    /// Components of the suites. Default: main.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    components: Vec<String>,
    /// Architectures that are wanted. Default: all that the node has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    architectures: Vec<String>,
    /// The key, armoured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The file of the key on this machine, relative to the document, armoured or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_file: Option<PathBuf>,
    /// Where the node fetches the key: `https://…/key.asc`; one that ends in `.gpg` is not
    /// armoured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_url: Option<String>,
    /// The SHA-256 digest of the key at `key-url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_sha256: Option<Digest>,
    /// Whether the source shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
    /// The bytes of the key, once they are known.
    #[serde(skip)]
    key_bytes: Option<Arc<[u8]>>,
}

impl PackageSource {
    /// A source that shall be there.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn new(name: &str, uri: impl Into<String>) -> Result<Self, String> {
        Ok(Self { uris: vec![uri.into()], ensure: Ensure::Present, ..Self::absent(name)? })
    }

    /// A source that shall not be there.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn absent(name: &str) -> Result<Self, String> {
        Ok(Self {
            name: name.parse()?,
            uris: Vec::new(),
            suites: Vec::new(),
            components: Vec::new(),
            architectures: Vec::new(),
            key: None,
            key_file: None,
            key_url: None,
            key_sha256: None,
            ensure: Ensure::Absent,
            key_bytes: None,
        })
    }

    /// Sets the suites.
    #[must_use]
    pub fn suites<S: Into<String>>(mut self, suites: impl IntoIterator<Item = S>) -> Self {
        self.suites = suites.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the components.
    #[must_use]
    pub fn components<S: Into<String>>(mut self, components: impl IntoIterator<Item = S>) -> Self {
        self.components = components.into_iter().map(Into::into).collect();
        self
    }

    /// Gives the key, armoured.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Names the file of the key, relative to the source file that makes the step.
    #[must_use]
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_file = Some(path.into());
        self
    }

    /// Says where the node fetches the key, and what its SHA-256 digest is.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the digest.
    pub fn key_url(mut self, url: impl Into<String>, sha256: &str) -> Result<Self, String> {
        self.key_url = Some(url.into());
        self.key_sha256 = Some(sha256.parse()?);
        Ok(self)
    }

    /// Whether the key is armoured.
    fn is_armoured(&self) -> bool {
        match (&self.key_bytes, &self.key_url) {
            (Some(bytes), _) => bytes.starts_with(b"-----BEGIN"),
            (None, url) => !url.as_ref().is_some_and(|url| url.ends_with(".gpg")),
        }
    }

    /// The file of the key on the node, and the other name that it could have had.
    fn key_files(&self, sources: &dyn Sources) -> (String, String) {
        let path = |armoured| {
            let (folder, name) = sources.key_file(&self.name, armoured);
            format!("{folder}/{name}")
        };
        (path(self.is_armoured()), path(!self.is_armoured()))
    }

    fn has_key(&self) -> bool {
        self.ensure == Ensure::Present && (self.key_bytes.is_some() || self.key_url.is_some())
    }

    fn text(&self, facts: &Facts, sources: &dyn Sources) -> Result<String, ActionError> {
        let key = self.key_files(sources).0;
        sources.text(&Source {
            name: &self.name,
            uris: &self.uris,
            suites: &self.suites,
            components: &self.components,
            architectures: &self.architectures,
            key: Some(key.as_str()).filter(|_| self.has_key()),
            facts,
        })
    }

    /// All files: those that shall be there, and those that shall not.
    fn files(
        &self,
        facts: &Facts,
        sources: &dyn Sources,
    ) -> Result<Vec<(&'static str, DropIn)>, ActionError> {
        let is_there = self.ensure == Ensure::Present;
        let text = is_there.then(|| self.text(facts, sources)).transpose()?;
        let (folder, name) = sources.file(&self.name);
        let mut files = vec![("source", DropIn::new(folder, &name, text))];
        let (key, other) = self.key_files(sources);
        let mut keyring = |path: &str, bytes: Option<Vec<u8>>| {
            if let Some((folder, name)) = path.rsplit_once('/') {
                files.push(("key", DropIn::of_bytes(folder, name, bytes)));
            }
        };
        if self.key_url.is_none() || !is_there {
            keyring(&key, self.key_bytes.as_ref().filter(|_| is_there).map(|bytes| bytes.to_vec()));
        }
        if other != key {
            keyring(&other, None);
        }
        // A source is never there without its key.
        if is_there {
            files.rotate_left(1);
        }
        Ok(files)
    }

    /// The key that the node fetches, with its digest.
    fn fetched(&self, sources: &dyn Sources) -> Option<(RemotePath, &str, &Digest)> {
        let url = self.key_url.as_deref().filter(|_| self.ensure == Ensure::Present)?;
        let path = self.key_files(sources).0.parse().ok()?;
        Some((path, url, self.key_sha256.as_ref()?))
    }

    fn check(&self) -> Result<(), ActionError> {
        let given = [self.key.is_some(), self.key_file.is_some(), self.key_url.is_some()];
        let keys = given.iter().filter(|given| **given).count();
        let lists = [&self.uris, &self.suites, &self.components, &self.architectures];
        let is_word = |word: &String| {
            !word.is_empty()
                && !word.contains(|char: char| char.is_whitespace() || char.is_control())
        };
        if self.ensure == Ensure::Absent {
            if keys > 0 || lists.iter().any(|list| !list.is_empty()) {
                return Err(ActionError::new("a source that shall be absent is not described")
                    .help("give the name alone, or remove ensure = \"absent\""));
            }
            return Ok(());
        }
        if self.uris.is_empty() {
            return Err(ActionError::new("there are no `uris`")
                .help("say where the packages are: uris = [\"https://…\"]"));
        }
        if let Some(word) = lists.iter().flat_map(|list| list.iter()).find(|word| !is_word(word)) {
            return Err(ActionError::new(format!("`{}` is not one word", word.escape_debug()))
                .help("each element of a list is one word"));
        }
        if keys > 1 {
            return Err(ActionError::new("a source has one key")
                .help("give at most one of key, key-file and key-url"));
        }
        let url = ("key-url", self.key_url.as_ref());
        download::check(url, ("key-sha256", self.key_sha256.as_ref()))?;
        Ok(())
    }
}

/// Fetches the key, checks it, and puts it in place.
fn fetch(fragment: &mut Fragment, path: &RemotePath, url: &str, digest: &Digest) {
    fragment.line("folder=$(mktemp -d)");
    fragment.line("trap 'rm -rf -- \"$folder\"' EXIT");
    download::fetch(fragment, url, digest, "\"$folder/key\"");
    if let Some(folder) = path.parent() {
        fragment.run(["mkdir", "-p", "--", folder.as_str()]);
    }
    let target = pallet_core::shell::quote(path.as_str());
    fragment.line(&format!("install -T -m 0644 -- \"$folder/key\" {target}"));
    fragment.line("rm -rf -- \"$folder\"; trap - EXIT");
}

/// How the node's package manager is told of sources.
fn sources_on(facts: &Facts) -> Result<&'static dyn Sources, ActionError> {
    let (_, manager) = packagers::on(facts)?;
    manager.sources().ok_or_else(|| {
        ActionError::new(format!("{} is not told of sources by files", manager.name()))
            .help("brew finds them by the names of packages: package = \"user/tap/name\"")
    })
}

impl Action for PackageSource {
    const NAME: &'static str = "package-source";
    const SUMMARY: &'static str = "A source of packages, with the key that signs it.";
    const EXAMPLE: &'static str = r#"{ package-source = { name = "docker", uris = ["https://download.docker.com/linux/debian"], components = ["stable"], key-file = "docker.asc" } }"#;

    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        self.check()?;
        let bytes = match (&self.key, &self.key_file) {
            (Some(key), _) => key.clone().into_bytes(),
            (None, Some(path)) => context.read(path)?,
            (None, None) => return Ok(None),
        };
        if !bytes.starts_with(b"-----BEGIN PGP PUBLIC KEY") && self.key.is_some() {
            return Err(ActionError::new("`key` is no armoured public key")
                .help("it begins with -----BEGIN PGP PUBLIC KEY BLOCK-----"));
        }
        Ok(Some(Self { key_bytes: Some(bytes.into()), ..self.clone() }))
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        let Ok(sources) = sources_on(view.facts()) else { return };
        for (_, file) in self.files(view.facts(), sources).unwrap_or_default() {
            file.probe(view, wanted);
        }
        if let Some((path, ..)) = self.fetched(sources) {
            wanted.ask::<Sha256>(path);
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let sources = sources_on(view.facts())?;
        let mut fragment = Fragment::new();
        let mut details = Vec::new();
        if let Some((path, url, digest)) = self.fetched(sources)
            && view.get::<Sha256>(&path)?.as_ref() != Some(digest)
        {
            fetch(&mut fragment, &path, url, digest);
            details.push("key: fetched".to_owned());
        }
        for (what, file) in self.files(view.facts(), sources)? {
            if let Some(change) = file.decide(view)? {
                fragment.append(&change.fragment);
                details.extend(change.details.iter().map(|detail| format!("{what}: {detail}")));
            }
        }
        if details.is_empty() {
            return Ok(Decision::Unchanged);
        }
        let is_there = self.ensure == Ensure::Present;
        let (folder, name) = sources.file(&self.name);
        let (keys, _) = sources.key_file(&self.name, true);
        let trust = self.has_key().then(|| sources.trust(&self.key_files(sources).0)).flatten();
        let include = sources.include(&format!("{folder}/{name}"), is_there);
        for line in trust.iter().chain(&include) {
            fragment.line(line);
        }
        let change = Change::new(fragment, [folder, keys, "/etc/pacman.conf"].map(Key::tree));
        Ok(Decision::Change(details.into_iter().fold(change, Change::detail)))
    }
}

#[cfg(test)]
mod tests {
    use pallet_core::facts::PackageManager;

    use super::*;

    fn docker() -> PackageSource {
        PackageSource::new("docker", "https://example.com/debian").unwrap()
    }

    fn text(source: &PackageSource, manager: PackageManager) -> String {
        let facts = Facts { os_codename: "bookworm".to_owned(), ..Facts::default() };
        let sources = packagers::of(manager).sources().unwrap();
        source.text(&facts, sources).unwrap_or_else(|error| format!("error: {error}"))
    }

    #[test]
    fn files_of_apt() {
        let plain = text(&docker(), PackageManager::Apt);
        assert_eq!(
            plain,
            "Types: deb\nURIs: https://example.com/debian\nSuites: bookworm\nComponents: main\n"
        );
        let digest = "0".repeat(64);
        let full = PackageSource { architectures: vec!["amd64".to_owned()], ..docker() };
        let full = full.suites(["stable"]).components(["a", "b"]);
        let full = full.key_url("https://example.com/key.gpg", &digest).unwrap();
        assert_eq!(
            text(&full, PackageManager::Apt),
            "Types: deb\nURIs: https://example.com/debian\nSuites: stable\nComponents: a b\n\
             Architectures: amd64\nSigned-By: /etc/apt/keyrings/docker.gpg\n"
        );
        assert!(!text(&docker().suites(["./"]), PackageManager::Apt).contains("Components"));
    }

    #[test]
    fn files_of_others() {
        use PackageManager::{Apk, Dnf, Pacman, Zypper};
        let mut keyed = docker();
        keyed.uris.push("https://mirror.example.com/".to_owned());
        keyed.key_bytes = Some(Arc::from(b"-----BEGIN PGP".as_slice()));
        let repo = "[docker]\nname=docker\nbaseurl=https://example.com/debian\n        \
            https://mirror.example.com/\nenabled=1\ngpgcheck=1\n\
            gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-docker\n";
        assert_eq!((text(&keyed, Dnf).as_str(), text(&keyed, Zypper).as_str()), (repo, repo));
        assert_eq!(
            text(&keyed, Pacman),
            "[docker]\nServer = https://example.com/debian\nServer = https://mirror.example.com/\n"
        );
        assert_eq!(text(&docker(), Apk), "https://example.com/debian\n");
        let error = text(&docker().suites(["stable"]), Dnf);
        assert!(error.contains("are for apt, and the node has dnf"), "{error}");
        let facts = Facts { package_manager: Some(PackageManager::Brew), ..Facts::default() };
        assert!(sources_on(&facts).is_err());
    }

    #[test]
    fn mistakes() {
        let error = |source: PackageSource| source.check().unwrap_err().to_string();
        assert!(docker().check().is_ok());
        assert!(PackageSource::absent("x").unwrap().check().is_ok());
        assert_eq!(error(PackageSource { uris: Vec::new(), ..docker() }), "there are no `uris`");
        assert_eq!(error(docker().suites(["a b"])), "`a b` is not one word");
        assert_eq!(error(docker().suites(["a\nTrusted:yes"])), "`a\\nTrusted:yes` is not one word");
        assert_eq!(error(docker().key("x").key_file("y")), "a source has one key");
        let unchecked = PackageSource { key_url: Some("https://x".to_owned()), ..docker() };
        assert_eq!(error(unchecked), "`key-url` and `key-sha256` go together");
        let described = PackageSource { ensure: Ensure::Absent, ..docker() };
        assert_eq!(error(described), "a source that shall be absent is not described");
        assert!(docker().key_url("https://x", "abc").is_err());
    }
}
