//! Putting a complete disk in place as a model: the last part of every import and clone.

use std::fs::File;
use std::path::Path;

use super::description::{Description, quote};
use super::digest;
use super::error::ImageError;
use super::events::{Step, Watch};
use super::folder::{self, ModelFiles, Workshop};
use super::import::Imported;
use super::{blocking, read_failed};
use crate::error::Error;
use crate::manager::Manager;
use crate::models;

/// A disk that is complete, and what is known about it.
pub(super) struct Made {
    pub(super) disk: std::path::PathBuf,
    pub(super) description: Description,
    pub(super) key: Option<String>,
    pub(super) origin: String,
    pub(super) verified: Option<String>,
}

impl Manager {
    /// An error if a model, or anything else, has the name or its files.
    pub(super) fn check_model_name_free(
        &self,
        model: &str,
        files: &ModelFiles,
    ) -> Result<(), Error> {
        let exists = |path: &Path| {
            let (model, path) = (model.to_owned(), path.to_owned());
            Err(ImageError::ModelExists { model, path }.into())
        };
        let models = self.models()?;
        if let Some(image) = models.images().get(model) {
            return exists(models.source_of_image(model).unwrap_or(&image.path));
        }
        let taken = [&files.meta, &files.disk, &files.key].into_iter();
        match taken.into_iter().find(|file| file.symlink_metadata().is_ok()) {
            Some(file) => exists(file),
            None => Ok(()),
        }
    }

    /// Removes what a killed process was making.
    pub(super) async fn clear_workshop(&self, workshop: &Workshop) -> Result<(), Error> {
        let leftovers = workshop.leftovers();
        self.forget(&leftovers).await?;
        leftovers.iter().try_for_each(|file| folder::remove(file))
    }

    /// Makes a model of a complete disk: the disk, its holder, and last the meta file.
    pub(super) async fn put_in_place(
        &self,
        workshop: &Workshop,
        files: &ModelFiles,
        model: &str,
        made: Made,
        watch: &Watch,
    ) -> Result<Imported, Error> {
        let sha256 = digest_of(&made.disk, watch).await?;
        let disk = files.disk.file_name().unwrap_or_default().to_string_lossy();
        let mut description = made.description;
        if let Some(who) = &made.verified {
            tracing::debug!(model, who, "the image's checksum is right");
        }
        if !description.has("description") {
            description = description.edn("description", quote(&format!("from {}", made.origin)));
        }
        let meta = description.meta(model, &disk, &sha256)?;
        workshop.write(&workshop.ready(), &meta)?;
        if let Some(key) = made.key {
            let file = workshop.path.join("key");
            workshop.write(&file, &key)?;
            if let Err(error) = folder::place(&file, &files.key) {
                // With it, the key that is there would count as ours.
                folder::remove(&workshop.ready())?;
                return Err(error);
            }
        }
        let finished = async {
            watch.check()?;
            folder::place(&made.disk, &files.disk)?;
            self.finish(workshop, files, model, watch).await
        };
        match finished.await {
            Ok(imported) => Ok(Imported { verified: made.verified, ..imported }),
            Err(error) => {
                self.undo(workshop, files, &made.disk).await;
                Err(error)
            }
        }
    }

    /// The last steps, with the disk in place.
    async fn finish(
        &self,
        workshop: &Workshop,
        files: &ModelFiles,
        model: &str,
        watch: &Watch,
    ) -> Result<Imported, Error> {
        let ready = models::load_file(&workshop.ready())?;
        let mut image = ready.image(model)?.clone();
        image.path.clone_from(&files.disk);
        let folder = files.meta.parent().unwrap_or(Path::new("/"));
        if let Some(key) = &mut image.private_key_path
            && let Ok(inner) = key.strip_prefix(&workshop.path)
        {
            *key = folder.join(inner);
        }
        drop(watch.begin(Step::Hold, None));
        self.hold(&image.path, image.attach.unwrap_or_default()).await?;
        folder::place(&workshop.ready(), &files.meta)?;
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|e| Error::io("save the folder", folder, e))?;
        let sha256 = image.sha256.clone().unwrap_or_default();
        let (name, meta) = (model.to_owned(), files.meta.clone());
        Ok(Imported { name, image, meta, sha256, verified: None })
    }

    /// Takes a disk out of its place again, if VirtualBox lets go of it.
    async fn undo(&self, workshop: &Workshop, files: &ModelFiles, disk: &Path) {
        let undone = async {
            if files.disk.exists() && !disk.exists() {
                self.let_go(&files.disk).await?;
                folder::place(&files.disk, disk)?;
            }
            folder::remove(&files.key)?;
            folder::remove(&workshop.ready())
        };
        if let Err(error) = undone.await {
            tracing::error!(%error, disk = %files.disk.display(), "cannot undo an import");
        }
    }

    /// Completes an import that was interrupted with its disk in place.
    pub(super) async fn finish_interrupted(
        &self,
        workshop: &Workshop,
        files: &ModelFiles,
        model: &str,
        origin: &str,
        watch: &Watch,
    ) -> Result<Option<Imported>, Error> {
        if !workshop.ready().exists() {
            return Ok(None);
        }
        if !files.disk.exists() {
            folder::remove(&workshop.ready())?;
            // Only an import that had come this far puts a key there.
            folder::remove(&files.key)?;
            return Ok(None);
        }
        let first = std::fs::read_to_string(workshop.origin()).unwrap_or_default();
        let first = first.lines().next().unwrap_or_default();
        if first != origin {
            let (model, first) = (model.to_owned(), first.to_owned());
            return Err(ImageError::AlmostThere { model, first }.into());
        }
        let ready = models::load_file(&workshop.ready())?;
        let expected = ready.image(model)?.sha256.clone().unwrap_or_default();
        if digest_of(&files.disk, watch).await? != expected {
            let (model, path) = (model.to_owned(), files.disk.clone());
            return Err(ImageError::ModelExists { model, path }.into());
        }
        self.finish(workshop, files, model, watch).await.map(Some)
    }
}

/// The digest of a disk, told as a step of its own.
pub(super) async fn digest_of(disk: &Path, watch: &Watch) -> Result<String, Error> {
    let (disk, watch) = (disk.to_owned(), watch.clone());
    blocking("take the digest of a disk", move || {
        let size = std::fs::metadata(&disk).map_err(|e| read_failed(&disk, e))?.len();
        digest::of_file(&disk, Some(watch.begin(Step::Digest, Some(size))))
    })
    .await
}
