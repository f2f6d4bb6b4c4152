//! Whether image models are as they should be.

use std::fmt;
use std::path::PathBuf;

use vbox_soap::api::{IMedium, MediumState, MediumType};

use super::events::Watch;
use super::place::digest_of;
use crate::error::{Doing, Error};
use crate::manager::{Manager, shared_type};
use crate::models::ImageModel;

/// What was found out about an image model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedModel {
    /// Its name.
    pub name: String,
    /// The image file.
    pub disk: PathBuf,
    /// Whether VirtualBox keeps it safe.
    pub holder: HolderState,
    /// What uses it: VMs, and disks that no VM has.
    pub users: Vec<String>,
    /// The SHA-256 of the image file, if it was asked for.
    pub sha256: Option<String>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// The state of the machine that keeps an image registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HolderState {
    /// There is none; the first use of the image makes it.
    None,
    /// It keeps the image as it should be.
    Holds,
    /// It is there but cannot do its work; the next use of the image makes it anew.
    Broken,
}

impl HolderState {
    /// The state in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Holds => "holds",
            Self::Broken => "broken",
        }
    }
}

/// Something that is wrong with an image model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The image file is not there.
    DiskMissing,
    /// The image is not as it was when it became a model.
    Altered {
        /// The SHA-256 that it had.
        expected: String,
        /// The one it has.
        found: String,
    },
    /// VirtualBox cannot use the file.
    Unreadable {
        /// What it says.
        reason: String,
    },
    /// VirtualBox has the image in a state in which it could be written to.
    NotSafe {
        /// VirtualBox's word for the state.
        medium_type: String,
        /// Who has it so.
        users: Vec<String>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DiskMissing => f.write_str("the image file is missing"),
            Self::Altered { expected, found } => write!(
                f,
                "the image was altered: its SHA-256 is {found}, and was {expected} when it became \
                 a model; import it again"
            ),
            Self::Unreadable { reason } => write!(f, "VirtualBox cannot use it: {reason}"),
            Self::NotSafe { medium_type, users } => write!(
                f,
                "{} could write to it (VirtualBox has it as {medium_type})",
                users.join(", ")
            ),
        }
    }
}

impl Manager {
    /// Looks whether an image model is as it should be. Nothing is changed.
    ///
    /// With `digest`, all of the image is read and compared with the digest that was noted when it
    /// became a model.
    ///
    /// # Errors
    /// [`Error::UnknownModel`]; a mistake in a meta file; when VirtualBox cannot be asked. What is
    /// wrong with the model is no error but stands in the result.
    pub async fn check_model(&self, name: &str, digest: bool) -> Result<CheckedModel, Error> {
        let models = self.models()?;
        let image = models.image(name)?;
        let mut checked = CheckedModel {
            name: name.to_owned(),
            disk: image.path.clone(),
            holder: HolderState::None,
            users: Vec::new(),
            sha256: None,
            problems: Vec::new(),
        };
        if !image.path.is_file() {
            checked.problems.push(Problem::DiskMissing);
            return Ok(checked);
        }
        if digest {
            let (watch, _wanted) = Watch::new(None);
            let found = digest_of(&image.path, &watch).await?;
            if let Some(expected) = &image.sha256
                && !expected.eq_ignore_ascii_case(&found)
            {
                let (expected, found) = (expected.clone(), found.clone());
                checked.problems.push(Problem::Altered { expected, found });
            }
            checked.sha256 = Some(found);
        }
        match self.open_image(&image.path).await {
            Ok(medium) => self.check_medium(image, &medium, &mut checked).await?,
            Err(Error::VirtualBox { source, .. }) if source.com_code().is_some() => {
                checked.problems.push(Problem::Unreadable { reason: source.to_string() });
            }
            Err(Error::ModelNotShareable { problem, .. }) => {
                checked.problems.push(Problem::Unreadable { reason: problem });
            }
            Err(other) => return Err(other),
        }
        Ok(checked)
    }

    async fn check_medium(
        &self,
        image: &ImageModel,
        medium: &IMedium,
        checked: &mut CheckedModel,
    ) -> Result<(), Error> {
        let doing = || format!("look at the image {}", image.path.display());
        if medium.refresh_state().await.doing(doing)? == MediumState::Inaccessible {
            let reason = medium.get_last_access_error().await.doing(doing)?;
            checked.problems.push(Problem::Unreadable { reason });
        }
        let kind = medium.get_type().await.doing(doing)?;
        let wanted = shared_type(image.attach.unwrap_or_default());
        let holder = self.holder_of(medium).await?;
        checked.holder = match &holder {
            None => HolderState::None,
            Some(_) if self.is_held(medium, &wanted).await? => HolderState::Holds,
            Some(_) => HolderState::Broken,
        };
        checked.users = self.users(medium, holder.as_ref()).await?;
        let writers = medium.get_machine_ids().await.doing(doing)?;
        if !writers.is_empty() {
            let (medium_type, users) = (kind.to_string(), checked.users.clone());
            checked.problems.push(Problem::NotSafe { medium_type, users });
        }
        if holder.is_none() && checked.users.is_empty() && kind == MediumType::Normal {
            // It was opened only to look.
            medium.close().await.doing(doing)?;
        }
        Ok(())
    }
}
