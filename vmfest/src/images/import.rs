//! Importing images.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::description::Description;
use super::digest::{self, Tap};
use super::error::ImageError;
use super::events::{Event, Listener, Step, Watch};
use super::folder::{self, ModelFiles, Workshop};
use super::format::{DiskFormat, HEAD, Kind, detect};
use super::place::Made;
use super::source::Source;
use super::task;
use super::unpack::{Unpacked, Unpacker, unusable};
use super::{blocking, read_failed, space, split, vdi};
use crate::error::Error;
use crate::manager::Manager;
use crate::models::ImageModel;
use crate::paths;

/// What is to be imported, and how.
#[derive(Clone)]
pub struct Import {
    source: String,
    name: Option<String>,
    meta: Option<PathBuf>,
    description: Description,
    sha256: Option<String>,
    private_key: Option<PathBuf>,
    accept_raw: bool,
    authorities: Option<String>,
    listener: Option<Listener>,
}

impl Import {
    /// An image in a file, or at an `http` or `https` address.
    #[must_use]
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            name: None,
            meta: None,
            description: Description::default(),
            sha256: None,
            private_key: None,
            accept_raw: false,
            authorities: None,
            listener: None,
        }
    }

    /// Calls the model so. Without this it is called like the file, without extensions.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Takes the description from this file (`.meta` or `.toml`), not from one beside the image.
    #[must_use]
    pub fn meta(mut self, file: impl Into<PathBuf>) -> Self {
        self.meta = Some(file.into());
        self
    }

    /// Says something about the image that counts more than any file.
    #[must_use]
    pub fn describe(mut self, description: Description) -> Self {
        self.description = self.description.overlaid_with(description);
        self
    }

    /// The SHA-256 that the file must have, as it is before it is unpacked. Without this, a file
    /// beside the image whose name ends in `.sha256` is asked for it.
    #[must_use]
    pub fn sha256(mut self, digest: impl Into<String>) -> Self {
        self.sha256 = Some(digest.into());
        self
    }

    /// The private key to log in with. It stays where it is.
    #[must_use]
    pub fn private_key(mut self, file: impl Into<PathBuf>) -> Self {
        self.private_key = Some(file.into());
        self
    }

    /// Takes a file without a partition table as a raw disk. Without this, only one called `.raw`
    /// or `.img` is.
    #[must_use]
    pub fn accept_raw(mut self) -> Self {
        self.accept_raw = true;
        self
    }

    /// For `https`, trusts these authorities (PEM) in place of the system's.
    #[must_use]
    pub fn authorities(mut self, pem: impl Into<String>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// Tells this function what happens. It is called often, from any thread, and must be quick.
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import")
            .field("source", &self.source)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A model that has come into being.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Imported {
    /// Its name.
    pub name: String,
    /// What it is.
    pub image: ImageModel,
    /// Its meta file.
    pub meta: PathBuf,
    /// The SHA-256 of its disk, as it is noted in the meta file.
    pub sha256: String,
    /// Who vouches for the file that it came in; nobody, if no checksum was to be had.
    pub verified: Option<String>,
}

impl Manager {
    /// Makes an image model of a disk image in a file or on the web; see [the module](super).
    ///
    /// If the import fails, or the returned future is dropped, or the program is killed, no part
    /// of the model is there, and a download goes on next time where it ended.
    ///
    /// # Errors
    /// [`Error::Image`], with what is wrong with the image, its checksum, its description, its
    /// name or the server; [`Error::Meta`]; what VirtualBox refuses.
    pub async fn import_model(&self, import: Import) -> Result<Imported, Error> {
        let source = Source::parse(&import.source)?;
        let model = import.name.clone().unwrap_or_else(|| source.model_name());
        folder::check_name(&model)?;
        let doing = format!("import {source}");
        let listener = import.listener.clone();
        task::run(self, doing, listener, |manager, watch| async move {
            Importing { manager, watch, import, source, model }.run().await
        })
        .await
    }
}

/// An import on its way.
struct Importing {
    manager: Manager,
    watch: Watch,
    import: Import,
    source: Source,
    model: String,
}

/// A file that is known to be what was wanted.
struct Verified {
    unpacked: Unpacked,
    by: Option<String>,
}

impl Importing {
    async fn run(self) -> Result<Imported, Error> {
        let model_path = &self.manager.location().model_path;
        std::fs::create_dir_all(model_path)
            .map_err(|e| Error::io("create the folder", model_path, e))?;
        let workshop = Workshop::open(model_path, &self.model)?;
        let result = self.make(&workshop).await;
        let spoiled = matches!(
            result,
            Ok(_) | Err(Error::Image(ImageError::Checksum { .. } | ImageError::Unusable { .. }))
        );
        match (result, workshop.close(!spoiled)) {
            (Err(error), Err(second)) => {
                tracing::error!(error = %second, model = self.model, "cannot clear up");
                Err(error)
            }
            (Ok(_), Err(error)) | (Err(error), Ok(())) => Err(error),
            (Ok(imported), Ok(())) => Ok(imported),
        }
    }

    async fn make(&self, workshop: &Workshop) -> Result<Imported, Error> {
        let files = ModelFiles::new(&self.manager.location().model_path, &self.model);
        if let Some(imported) = self
            .manager
            .finish_interrupted(
                workshop,
                &files,
                &self.model,
                &self.source.to_string(),
                &self.watch,
            )
            .await?
        {
            return Ok(imported);
        }
        self.manager.check_model_name_free(&self.model, &files)?;
        self.manager.clear_workshop(workshop).await?;

        let given = self.given_description().await?;
        given.check_early(&self.model, self.source.says_archive())?;
        let Verified { unpacked, by } = self.disk(workshop).await?;
        let mut description = given.with_ovf(unpacked.ovf.as_ref(), unpacked.is_box);
        let key = unpacked.key.filter(|_| !description.has("private-key-path"));
        if key.is_some() {
            description = description.text("private-key-path", &format!("{}.key", self.model));
        }
        description.check_early(&self.model, false)?;
        let disk = match unpacked.disk.format {
            DiskFormat::Vdi => unpacked.disk.file,
            _ => self.converted(workshop, &unpacked.disk.file).await?,
        };
        vdi::set_new_id(&disk)?;
        let made = Made { disk, description, key, origin: self.source.to_string(), verified: by };
        self.manager.put_in_place(workshop, &files, &self.model, made, &self.watch).await
    }

    /// What is said about the image, apart from what is in it.
    async fn given_description(&self) -> Result<Description, Error> {
        let mut given = self.import.description.clone();
        if let Some(key) = &self.import.private_key {
            let key = paths::absolute(key).map_err(|e| Error::io("resolve the path", key, e))?;
            given = given.text("private-key-path", &key.to_string_lossy());
        }
        let file = match (&self.import.meta, &self.source) {
            (Some(file), _) => {
                let text = std::fs::read_to_string(file);
                let text = text.map_err(|e| Error::io("read the meta file", file, e))?;
                Description::read(file, &text, &self.model)?
            }
            (None, Source::File(_)) => self.beside_file()?,
            (None, Source::Web(_)) => self.beside_on_the_web().await?,
        };
        Ok(file.overlaid_with(given))
    }

    fn beside_file(&self) -> Result<Description, Error> {
        for extension in ["meta", "toml"] {
            let file = PathBuf::from(self.source.beside(extension));
            match std::fs::read_to_string(&file) {
                Ok(text) => return Description::read(&file, &text, &self.model),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("read the meta file", file, e)),
            }
        }
        Ok(Description::default())
    }

    /// The disk, in a file in the workshop.
    async fn disk(&self, workshop: &Workshop) -> Result<Verified, Error> {
        match &self.source {
            Source::File(path) => {
                workshop.write(&workshop.origin(), &self.source.to_string())?;
                let expected = self.expected(|| self.checksum_beside_file())?;
                let (unpacked, found) = self.unpack(workshop, path).await?;
                // A disk of several files has no one digest.
                let by = match found {
                    Some(found) => self.compare(expected, &found)?,
                    None => None,
                };
                Ok(Verified { unpacked, by })
            }
            Source::Web(url) => self.web_disk(workshop, url).await,
        }
    }

    fn checksum_beside_file(&self) -> Result<Option<String>, Error> {
        let file = self.source.checksum();
        match std::fs::read_to_string(&file) {
            Ok(text) => self.digest_in(&file, &text).map(Some),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("read the checksum", file, e)),
        }
    }

    fn digest_in(&self, place: &str, text: &str) -> Result<String, Error> {
        digest::find_in(text, &self.source.file_name())
            .ok_or_else(|| unusable(place, "it holds no SHA-256 of the image"))
    }

    /// The digest that the file must have, and who says so.
    fn expected(
        &self,
        beside: impl FnOnce() -> Result<Option<String>, Error>,
    ) -> Result<Option<(String, String)>, Error> {
        match &self.import.sha256 {
            Some(given) => match digest::find_in(given, "") {
                Some(digest) => Ok(Some((digest, "given with the import".to_owned()))),
                None => Err(unusable(given, "a SHA-256 has 64 hexadecimal digits")),
            },
            None => Ok(beside()?.map(|digest| (digest, format!("in {}", self.source.checksum())))),
        }
    }

    fn compare(
        &self,
        expected: Option<(String, String)>,
        found: &str,
    ) -> Result<Option<String>, Error> {
        let Some((expected, origin)) = expected else { return Ok(None) };
        if expected == found {
            return Ok(Some(origin));
        }
        Err(ImageError::Checksum {
            source_name: self.source.to_string(),
            expected,
            found: found.to_owned(),
            origin,
        }
        .into())
    }

    /// Unpacks a local file. Also gives the digest of all of it, if it is all there is.
    async fn unpack(
        &self,
        workshop: &Workshop,
        path: &Path,
    ) -> Result<(Unpacked, Option<String>), Error> {
        let (path, folder) = (path.to_owned(), workshop.path.clone());
        let (watch, name) = (self.watch.clone(), self.source.file_name());
        let accept_raw = self.import.accept_raw;
        let is_local = matches!(self.source, Source::File(_));
        blocking("unpack an image", move || {
            let failed = |e| read_failed(&path, e);
            let mut file = File::open(&path).map_err(failed)?;
            if !file.metadata().map_err(failed)?.is_file() {
                return Err(unusable(&path.display().to_string(), "it is no file"));
            }
            let mut head = Vec::new();
            file.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(failed)?;
            if is_local && detect(&head) == Kind::VmdkDescriptor {
                let disk = split::copy(&path, &folder, &watch)?;
                return Ok((Unpacked { disk, ovf: None, is_box: false, key: None }, None));
            }
            let size = file.metadata().map_err(failed)?.len();
            space::check(&folder, space::unpacked_size(&path).map_err(failed)?)?;
            let file = File::open(&path).map_err(failed)?;
            let mut tap = Tap::new(file, Some(watch.begin(Step::Unpack, Some(size))));
            let unpacker = Unpacker { folder: &folder, accept_raw, watch: &watch };
            let unpacked = unpacker.stream(&name, &mut tap)?;
            let digest = tap.finish().map_err(failed)?;
            Ok((unpacked, Some(digest)))
        })
        .await
    }

    async fn converted(&self, workshop: &Workshop, foreign: &Path) -> Result<PathBuf, Error> {
        let size = std::fs::metadata(foreign).map_err(|e| read_failed(foreign, e))?.len();
        space::check(&workshop.path, size)?;
        let disk = workshop.fresh("converted")?;
        self.manager.convert_file(foreign, &disk, &self.watch).await.map_err(
            |error| match error {
                Error::VirtualBox { source, .. } => unusable(
                    &self.source.to_string(),
                    &format!("VirtualBox cannot read it ({source}); `qemu-img convert -O vdi` may"),
                ),
                other => other,
            },
        )?;
        Ok(disk)
    }

    #[cfg(not(feature = "download"))]
    async fn beside_on_the_web(&self) -> Result<Description, Error> {
        Err(self.not_built())
    }

    #[cfg(not(feature = "download"))]
    async fn web_disk(&self, _: &Workshop, _: &str) -> Result<Verified, Error> {
        Err(self.not_built())
    }

    #[cfg(not(feature = "download"))]
    fn not_built(&self) -> Error {
        let source_name = self.source.to_string();
        ImageError::NotBuilt { source_name, feature: "download" }.into()
    }

    #[cfg(feature = "download")]
    async fn beside_on_the_web(&self) -> Result<Description, Error> {
        let mut client = super::http::Client::new(self.import.authorities.clone());
        for extension in ["meta", "toml"] {
            let url = self.source.beside(extension);
            let Some(text) = super::download::text(&mut client, &url).await? else { continue };
            if text.trim_start().starts_with('<') {
                // Some servers have a page for everything.
                self.watch.note(format!("{url} is a web page; it is passed over"));
                continue;
            }
            let description = Description::read(Path::new(&url), &text, &self.model)?;
            description.check_foreign(&url)?;
            return Ok(description);
        }
        Ok(Description::default())
    }

    #[cfg(feature = "download")]
    async fn web_disk(&self, workshop: &Workshop, url: &str) -> Result<Verified, Error> {
        let mut client = super::http::Client::new(self.import.authorities.clone());
        let beside = match self.import.sha256 {
            Some(_) => None,
            None => {
                let place = self.source.checksum();
                let text = super::download::text(&mut client, &place).await?;
                let text = text.filter(|text| !text.trim_start().starts_with('<'));
                text.map(|text| self.digest_in(&place, &text)).transpose()?
            }
        };
        let expected = self.expected(|| Ok(beside))?;
        let mut downloader = super::download::Downloader { client, workshop, watch: &self.watch };
        let found = downloader.fetch(url, expected.is_some()).await?;
        let by = self.compare(expected, &found)?;
        let (unpacked, _) = self.unpack(workshop, &workshop.download()).await?;
        Ok(Verified { unpacked, by })
    }
}
