//! Which of a service's images a node-spec asks for: the same rules for every provider.

use std::cmp::{Ordering, Reverse};

use super::ComputeError;
use crate::spec::{ImageSpec, TextPattern};

/// What a service knows of one of its images. What is not known fits no wish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageTraits {
    /// The name that `image-id` takes.
    pub id: String,
    /// Operating system family: `debian`.
    pub os_family: Option<String>,
    /// Operating system version: `12`.
    pub os_version: Option<String>,
    /// 64-bit or not.
    pub os_64_bit: Option<bool>,
    /// The operating system's name for people.
    pub os_name: Option<String>,
    /// Text about the operating system.
    pub os_description: Option<String>,
    /// Architecture as `uname -m` prints it.
    pub architecture: Option<String>,
    /// The image's name for people.
    pub image_name: Option<String>,
    /// Text about the image.
    pub description: Option<String>,
    /// The image's own version. Of several images with one operating system the newest is taken.
    pub image_version: Option<String>,
    /// What runs it: `virtualbox`.
    pub hypervisor: Option<String>,
}

/// What a node-spec wishes of its image, besides naming it.
#[derive(Debug)]
pub struct Wishes(Vec<Wish>);

#[derive(Debug)]
struct Wish {
    key: &'static str,
    wanted: Wanted,
    has: fn(&ImageTraits) -> Option<String>,
}

#[derive(Debug)]
enum Wanted {
    Text(String),
    Pattern(TextPattern),
}

impl Wishes {
    /// The wishes of a node-spec.
    pub fn of(spec: &ImageSpec) -> Self {
        type Has = fn(&ImageTraits) -> Option<String>;
        let exact: [(&str, Option<String>, Has); 3] = [
            ("os-family", spec.os_family.clone(), |image| image.os_family.clone()),
            ("os-version", spec.os_version.clone(), |image| image.os_version.clone()),
            ("os-64-bit", spec.os_64_bit.map(|is| is.to_string()), |image| {
                image.os_64_bit.map(|is| is.to_string())
            }),
        ];
        let patterns: [(&str, &Option<TextPattern>, Has); 9] = [
            ("os-version-matches", &spec.os_version_matches, |image| image.os_version.clone()),
            ("os-arch-matches", &spec.os_arch_matches, |image| image.architecture.clone()),
            ("image-name-matches", &spec.image_name_matches, |image| image.image_name.clone()),
            ("image-id-matches", &spec.image_id_matches, |image| Some(image.id.clone())),
            ("image-description-matches", &spec.image_description_matches, |image| {
                image.description.clone()
            }),
            ("hypervisor-matches", &spec.hypervisor_matches, |image| image.hypervisor.clone()),
            ("os-name-matches", &spec.os_name_matches, |image| image.os_name.clone()),
            ("os-description-matches", &spec.os_description_matches, |image| {
                image.os_description.clone()
            }),
            ("image-version-matches", &spec.image_version_matches, |image| {
                image.image_version.clone()
            }),
        ];
        let exact = exact.into_iter().filter_map(|(key, wanted, has)| {
            wanted.map(|text| Wish { key, wanted: Wanted::Text(text), has })
        });
        let patterns = patterns.into_iter().filter_map(|(key, wanted, has)| {
            wanted.clone().map(|pattern| Wish { key, wanted: Wanted::Pattern(pattern), has })
        });
        Self(exact.chain(patterns).collect())
    }

    /// Whether every image would do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the image has instead, for each wish that it does not meet.
    pub fn unmet_by(&self, image: &ImageTraits) -> Vec<String> {
        self.0.iter().filter_map(|wish| wish.unmet_by(image)).collect()
    }

    /// The best image that meets all wishes: of the newest version, then of 64 bits, then the
    /// newest image, then the first by name. `noun` is what the service calls an image.
    ///
    /// # Errors
    /// [`ComputeError`] when there is none, which says of each image why not.
    pub fn best<'a>(
        &self,
        noun: &str,
        images: &'a [ImageTraits],
    ) -> Result<&'a ImageTraits, ComputeError> {
        let fitting = images.iter().filter(|image| self.unmet_by(image).is_empty());
        let best = fitting.min_by(|a, b| rank(a, b).then_with(|| a.id.cmp(&b.id)));
        best.ok_or_else(|| self.no_image(noun, images))
    }

    fn no_image(&self, noun: &str, images: &[ImageTraits]) -> ComputeError {
        let wished = self.0.iter().map(|wish| match &wish.wanted {
            Wanted::Text(text) => format!("{} {text}", wish.key),
            Wanted::Pattern(pattern) => format!("{} {pattern}", wish.key),
        });
        let wished = wished.collect::<Vec<_>>().join(" and ");
        let reasons = images
            .iter()
            .map(|image| format!("{}: {}", image.id, self.unmet_by(image).join(" and ")));
        ComputeError::input(format!("no {noun} has {wished}"))
            .help(reasons.collect::<Vec<_>>().join("; "))
    }
}

impl Wish {
    fn unmet_by(&self, image: &ImageTraits) -> Option<String> {
        let has = (self.has)(image);
        let is_met = has.as_deref().is_some_and(|has| match &self.wanted {
            Wanted::Text(text) => has == text,
            Wanted::Pattern(pattern) => pattern.fits(has),
        });
        let key = self.key.trim_end_matches("-matches");
        (!is_met).then(|| match has {
            Some(has) => format!("its {key} is {has}"),
            None => format!("its {key} is not known"),
        })
    }
}

/// The better one first.
fn rank(a: &ImageTraits, b: &ImageTraits) -> Ordering {
    let key = |image: &ImageTraits| {
        let version = numbers(image.os_version.as_deref().unwrap_or_default());
        let own = numbers(image.image_version.as_deref().unwrap_or_default());
        Reverse((version, image.os_64_bit, own))
    };
    key(a).cmp(&key(b))
}

/// The numbers in versions such as `9.10` and `12.04`, to compare them by.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, version: &str, wide: bool, own: &str) -> ImageTraits {
        ImageTraits {
            id: id.to_owned(),
            os_family: Some("debian".to_owned()),
            os_version: Some(version.to_owned()),
            os_64_bit: Some(wide),
            image_version: Some(own.to_owned()),
            ..ImageTraits::default()
        }
    }

    #[test]
    fn the_newest_the_widest_the_freshest_the_first() {
        let all = [
            image("old", "9.13", true, "9"),
            image("narrow", "12.5", false, "9"),
            image("stale", "12.5", true, "20260101"),
            image("b", "12.5", true, "20260301"),
            image("a", "12.5", true, "20260301"),
        ];
        let best = |images: &[ImageTraits]| {
            let wishes = Wishes::of(&ImageSpec::family("debian"));
            wishes.best("image", images).unwrap().id.clone()
        };
        assert_eq!(best(&all), "a");
        assert_eq!(best(&all[..4]), "b");
        assert_eq!(best(&all[..3]), "stale");
        assert_eq!(best(&all[..2]), "narrow");
    }

    #[test]
    fn of_each_image_it_is_said_why_not() {
        let spec = ImageSpec {
            os_version: Some("11".to_owned()),
            os_name_matches: Some("Deb.*".parse().unwrap()),
            ..ImageSpec::family("debian")
        };
        let error = Wishes::of(&spec).best("image", &[image("a", "12", true, "")]).unwrap_err();
        assert!(error.is_input);
        let wished = "no image has os-family debian and os-version 11 and os-name-matches Deb.*";
        assert_eq!(error.message, wished);
        let why = "a: its os-version is 12 and its os-name is not known";
        assert_eq!(error.help.as_deref(), Some(why));
    }
}
