//! Choosing images.

use std::fmt;
use std::str::FromStr;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::node::overlaid;

/// Chooses an image model by id or as the best match of the other keys, gives one explicitly, or
/// both: the explicit keys win over those of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ImageSpec {
    /// The model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// Keys of an image model, in the service's terms. Without `image-id` and without anything to
    /// match they are the whole model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_model: Option<Map<String, Value>>,
    /// Operating system family: `debian`, `ubuntu`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_family: Option<String>,
    /// Exact operating system version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// 64-bit or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_64_bit: Option<bool>,
    /// Pattern of the operating system's version: `12\..*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version_matches: Option<TextPattern>,
    /// Pattern of the operating system's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_name_matches: Option<TextPattern>,
    /// Pattern of the operating system's description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_description_matches: Option<TextPattern>,
    /// Pattern of the architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_arch_matches: Option<TextPattern>,
    /// Pattern of the image's own version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_version_matches: Option<TextPattern>,
    /// Pattern of the model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id_matches: Option<TextPattern>,
    /// Pattern of the image's name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_name_matches: Option<TextPattern>,
    /// Pattern of the image's description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_description_matches: Option<TextPattern>,
    /// Pattern of the hypervisor's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hypervisor_matches: Option<TextPattern>,
    /// The account that the image comes with, in place of what the model says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub override_login_user: Option<String>,
    /// How nodes are shown when they start, in the service's terms. Default: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_type: Option<String>,
}

impl ImageSpec {
    /// The model called `id`.
    pub fn id(id: impl Into<String>) -> Self {
        Self { image_id: Some(id.into()), ..Self::default() }
    }

    /// The best model of this operating system family.
    pub fn family(os_family: impl Into<String>) -> Self {
        Self { os_family: Some(os_family.into()), ..Self::default() }
    }

    /// An explicit model.
    pub fn model(keys: Map<String, Value>) -> Self {
        Self { image_model: Some(keys), ..Self::default() }
    }

    pub(super) fn overlaid_with(self, over: ImageSpec) -> Self {
        Self {
            image_id: over.image_id.or(self.image_id),
            image_model: overlaid(self.image_model, over.image_model),
            os_family: over.os_family.or(self.os_family),
            os_version: over.os_version.or(self.os_version),
            os_64_bit: over.os_64_bit.or(self.os_64_bit),
            os_version_matches: over.os_version_matches.or(self.os_version_matches),
            os_name_matches: over.os_name_matches.or(self.os_name_matches),
            os_description_matches: over.os_description_matches.or(self.os_description_matches),
            os_arch_matches: over.os_arch_matches.or(self.os_arch_matches),
            image_version_matches: over.image_version_matches.or(self.image_version_matches),
            image_id_matches: over.image_id_matches.or(self.image_id_matches),
            image_name_matches: over.image_name_matches.or(self.image_name_matches),
            image_description_matches: over
                .image_description_matches
                .or(self.image_description_matches),
            hypervisor_matches: over.hypervisor_matches.or(self.hypervisor_matches),
            override_login_user: over.override_login_user.or(self.override_login_user),
            session_type: over.session_type.or(self.session_type),
        }
    }
}

/// A regular expression that fits a text as a whole, in the syntax of Rust's `regex` crate.
///
/// ```
/// use pallet_core::spec::TextPattern;
/// let pattern: TextPattern = r"12\..*".parse()?;
/// assert!(pattern.fits("12.04") && !pattern.fits("112.04") && !pattern.fits("12"));
/// assert!("(12".parse::<TextPattern>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TextPattern {
    text: String,
    regex: Regex,
}

impl TextPattern {
    /// Whether the whole text is as the pattern says.
    pub fn fits(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl FromStr for TextPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // By itself first, so that a bracket too many cannot end our group.
        let checked = Regex::new(text).and_then(|_| Regex::new(&format!("^(?:{text})$")));
        let regex = checked.map_err(|_| format!("`{text}` is no regular expression"))?;
        Ok(Self { text: text.to_owned(), regex })
    }
}

impl TryFrom<String> for TextPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TextPattern> for String {
    fn from(pattern: TextPattern) -> String {
        pattern.text
    }
}

impl PartialEq for TextPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for TextPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
