//! How instances use an image.

use serde::Deserialize;

/// How instances use an image. The image itself is never written to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachMode {
    /// Each instance has a disk of its own with what differs from the image.
    #[default]
    MultiAttach,
    /// The same, but whenever an instance starts, its disk is as the image again.
    Immutable,
    /// Each instance has a full copy of the image, also written `:normal`. Creating one takes
    /// time and room; its disk does not depend on the image any more.
    #[serde(alias = "normal")]
    Clone,
}

impl AttachMode {
    /// The mode as it stands in meta files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MultiAttach => "multi-attach",
            Self::Immutable => "immutable",
            Self::Clone => "clone",
        }
    }
}
