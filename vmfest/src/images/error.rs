//! What can go wrong with image files.

use std::path::PathBuf;

/// Why an image cannot be imported, cloned or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// What was given is no disk, or not one that can be a model.
    #[error("cannot use {source_name}: {problem}")]
    Unusable {
        /// The file or address.
        source_name: String,
        /// Why, and what to do.
        problem: String,
    },

    /// Not enough is known about the image, or what is known is wrong.
    #[error("the description of the image model {model} is not complete: {problem}")]
    Description {
        /// The model.
        model: String,
        /// What is missing or wrong, and how to give it.
        problem: String,
    },

    /// The model exists; models are never overwritten.
    #[error(
        "there is an image model {model} already ({}); choose another name, or remove it first",
        .path.display()
    )]
    ModelExists {
        /// The model.
        model: String,
        /// Its file.
        path: PathBuf,
    },

    /// A name that no model can have.
    #[error("{name:?} cannot be the name of an image model: {problem}")]
    InvalidName {
        /// The name.
        name: String,
        /// What a name must be like.
        problem: &'static str,
    },

    /// Another process imports or clones to the same name.
    #[error("another process is making the image model {model} right now; wait for it")]
    Busy {
        /// The model.
        model: String,
    },

    /// An interrupted import had come to the point at which its disk is in place.
    #[error(
        "an import of {model} from {first} was interrupted shortly before its end; import it from \
         there again to finish it, or remove the model {model}"
    )]
    AlmostThere {
        /// The model.
        model: String,
        /// The source of the earlier import.
        first: String,
    },

    /// What came is not what was announced.
    #[error(
        "{source_name} has the SHA-256 {found}, but {expected} was expected ({origin}); it was \
         damaged on the way, changed, or is not what it claims to be"
    )]
    Checksum {
        /// The file or address.
        source_name: String,
        /// What was announced.
        expected: String,
        /// What came.
        found: String,
        /// Who announced it.
        origin: String,
    },

    /// The disk is full, or would be.
    #[error(
        "{} needs {} MiB more and has {} MiB free; make room there, or use another model path",
        .folder.display(), needed.div_ceil(1024 * 1024), free / (1024 * 1024)
    )]
    NoSpace {
        /// The folder.
        folder: PathBuf,
        /// How many bytes are needed.
        needed: u64,
        /// How many there are.
        free: u64,
    },

    /// A server could not be reached, or does not give what was asked for.
    #[error("cannot download {url}: {problem}")]
    Download {
        /// The address.
        url: String,
        /// What happened, and what to do.
        problem: String,
    },

    /// The library was built without a part that is needed.
    #[error(
        "cannot use {source_name}: this program was built without vmfest's feature `{feature}`"
    )]
    NotBuilt {
        /// The file or address.
        source_name: String,
        /// The Cargo feature that is needed.
        feature: &'static str,
    },

    /// The disk of a VM cannot be cloned.
    #[error("cannot clone the VM {vm}: {problem}")]
    Clone {
        /// The VM.
        vm: String,
        /// Why, and what to do.
        problem: String,
    },

    /// The model's description is in a file with others, which is the user's to edit.
    #[error(
        "{} describes more than the image model {model}; take :{model} out of it by hand, or \
         remove the model and keep its description", .meta.display()
    )]
    SharedMeta {
        /// The model.
        model: String,
        /// The file.
        meta: PathBuf,
    },

    /// Whoever asked for it has stopped waiting.
    #[error("given up: nobody waits for it any more")]
    Abandoned,
}

impl ImageError {
    /// Whether what was asked for was wrong, as opposed to something failing.
    #[must_use]
    pub fn is_input(&self) -> bool {
        matches!(
            self,
            Self::Unusable { .. }
                | Self::Description { .. }
                | Self::ModelExists { .. }
                | Self::InvalidName { .. }
                | Self::NotBuilt { .. }
                | Self::SharedMeta { .. }
        )
    }
}
