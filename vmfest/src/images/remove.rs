//! Removing image models with all that belongs to them.

use std::path::{Path, PathBuf};

use super::events::Watch;
use super::folder::{self, ModelFiles, Workshop};
use super::place::digest_of;
use super::{ImageError, description};
use crate::error::Error;
use crate::manager::{ImageFile, Manager};
use crate::models::{self, ImageModel};

impl Manager {
    /// Removes an image model: its holder, its image file, its meta file. What an interrupted
    /// import of that name left goes, too.
    ///
    /// An image file outside the model path is somebody else's and stays in any case; so does one
    /// that is to be kept. Gives the file that stayed.
    ///
    /// # Errors
    /// [`Error::ModelInUse`], with the names of those who use it; [`ImageError::SharedMeta`] if
    /// the meta file describes more; [`Error::UnknownModel`].
    pub async fn delete_model(
        &self,
        name: &str,
        file: ImageFile,
    ) -> Result<Option<PathBuf>, Error> {
        let models = self.models()?;
        let image = match models.image(name) {
            Ok(image) => image,
            Err(unknown) => {
                folder::check_name(name)?;
                return match self.remove_unfinished(name).await? {
                    true => Ok(None),
                    false => Err(unknown),
                };
            }
        };
        let model_path = &self.location().model_path;
        let meta = models.source_of_image(name).map(Path::to_owned);
        if let Some(meta) = &meta
            && description::models_in(meta)? > 1
        {
            let (model, meta) = (name.to_owned(), meta.clone());
            return Err(ImageError::SharedMeta { model, meta }.into());
        }
        let is_ours = image.path.parent() == Some(model_path);
        let file = if is_ours { file } else { ImageFile::Keep };
        self.remove_model(image, file).await?;
        // Were this interrupted here, the model would still be listed, and could be removed again.
        if let Some(meta) = &meta {
            folder::remove(meta)?;
        }
        let key = ModelFiles::new(model_path, name).key;
        if image.private_key_path.as_ref() == Some(&key) {
            folder::remove(&key)?;
        }
        self.remove_unfinished(name).await?;
        Ok(image.path.exists().then(|| image.path.clone()))
    }

    /// What an interrupted import left. Whether there was anything.
    async fn remove_unfinished(&self, name: &str) -> Result<bool, Error> {
        let model_path = &self.location().model_path;
        if !folder::path(model_path, name).exists() {
            return Ok(false);
        }
        let workshop = Workshop::open(model_path, name)?;
        let files = ModelFiles::new(model_path, name);
        if workshop.ready().exists() && !files.meta.exists() {
            let ready = models::load_file(&workshop.ready())?;
            let (watch, _wanted) = Watch::new(None);
            // The disk is removed only if it is the one that was put there.
            let is_ours = files.disk.exists()
                && ready.image(name)?.sha256 == Some(digest_of(&files.disk, &watch).await?);
            if is_ours {
                let image = ImageModel::new(&files.disk, "Other");
                self.remove_model(&image, ImageFile::Delete).await?;
            }
            if is_ours || !files.disk.exists() {
                folder::remove(&files.key)?;
            }
        }
        self.clear_workshop(&workshop).await?;
        workshop.close(false)?;
        Ok(true)
    }
}
