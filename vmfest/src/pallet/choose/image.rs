//! Which image.

use std::cmp::Ordering;
use std::path::Path;

use pallet_core::compute::ComputeError;
use pallet_core::spec::{ImageSpec, TextPattern};
use serde_json::{Map, Value};

use crate::models::{ImageModel, Models};
use crate::pallet::service::failed;
use crate::pallet::words::{in_toml, read};

/// Finds the image that is asked for, and what to call it.
pub(super) fn choose(
    models: &Models,
    base: &Path,
    spec: &ImageSpec,
) -> Result<(String, ImageModel), ComputeError> {
    let wishes = wishes(spec);
    let (name, mut image) = choose_or_make(models, base, spec, &wishes)?;
    if let Some(user) = &spec.override_login_user {
        image.username = Some(user.clone());
    }
    Ok((name, image))
}

fn choose_or_make(
    models: &Models,
    base: &Path,
    spec: &ImageSpec,
    wishes: &[Wish],
) -> Result<(String, ImageModel), ComputeError> {
    let Some(keys) = &spec.image_model else {
        return choose_known(models, spec, wishes)
            .map(|(name, image)| (name.to_owned(), image.clone()));
    };
    let known = if spec.image_id.is_some() || !wishes.is_empty() {
        Some(choose_known(models, spec, wishes)?)
    } else {
        None
    };
    let image = explicit(keys, known.map(|(_, image)| image), base)?;
    let name = known.map_or_else(|| image.path.display().to_string(), |(name, _)| name.to_owned());
    Ok((name, image))
}

/// An image of which the node-spec has all keys, or some over those of a known one.
fn explicit(
    keys: &Map<String, Value>,
    known: Option<&ImageModel>,
    base: &Path,
) -> Result<ImageModel, ComputeError> {
    let mut keys = keys.clone();
    if let Some(known) = known {
        if !["uuid", "path", "location"].iter().any(|key| keys.contains_key(*key)) {
            keys.insert("uuid".to_owned(), known.path.to_string_lossy().into());
        }
        keys.entry("os-type-id").or_insert_with(|| known.os_type_id.clone().into());
        keys.entry("no-sudo").or_insert(known.no_sudo.into());
    }
    let mut image: ImageModel = read(Value::Object(keys), &["image", "image-model"])?;
    image.check().map_err(|invalid| {
        let problem = in_toml(&invalid);
        ComputeError::input(format!("in the node-spec, image.image-model: {problem}"))
    })?;
    image.resolve_paths(base);
    Ok(match known {
        Some(known) => known.clone().overlaid_with(&image),
        None => image,
    })
}

fn choose_known<'a>(
    models: &'a Models,
    spec: &ImageSpec,
    wishes: &[Wish],
) -> Result<(&'a str, &'a ImageModel), ComputeError> {
    if let Some(id) = &spec.image_id {
        let image = models.image(id).map_err(|e| failed(&e))?;
        let name = models.images().get_key_value(id).map_or("", |(name, _)| name);
        return match unmet(wishes, name, image).first() {
            None => Ok((name, image)),
            Some(what) => {
                let message =
                    format!("the image model {id} is not what the node-spec asks for: {what}");
                Err(ComputeError::input(message).help("leave one of them out"))
            }
        };
    }
    if wishes.is_empty() && models.images().len() > 1 {
        let names: Vec<_> = models.images().keys().map(String::as_str).collect();
        return Err(ComputeError::input("the node-spec names no image, and there are several")
            .help(format!("choose one with image-id: {}", names.join(", "))));
    }
    let fitting =
        models.images().iter().filter(|(name, image)| unmet(wishes, name, image).is_empty());
    let best = fitting.min_by(|a, b| rank(a.1, b.1).then_with(|| a.0.cmp(b.0)));
    best.map(|(name, image)| (name.as_str(), image)).ok_or_else(|| no_image(models, wishes))
}

/// The better one first: the newest version, then one of 64 bits.
fn rank(a: &ImageModel, b: &ImageModel) -> Ordering {
    let version = |image: &ImageModel| numbers(image.os_version.as_deref().unwrap_or_default());
    version(b).cmp(&version(a)).then_with(|| b.os_64_bit.cmp(&a.os_64_bit))
}

/// The numbers in versions such as `9.10` and `12.04`, to compare them by.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
}

/// Something that an image shall have.
struct Wish {
    key: &'static str,
    wanted: Wanted,
    has: fn(&str, &ImageModel) -> Option<String>,
}

enum Wanted {
    Text(String),
    Pattern(TextPattern),
}

impl Wish {
    /// What the image has instead, if it is not what is wished for.
    fn unmet_by(&self, name: &str, image: &ImageModel) -> Option<String> {
        let has = (self.has)(name, image);
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

fn unmet(wishes: &[Wish], name: &str, image: &ImageModel) -> Vec<String> {
    wishes.iter().filter_map(|wish| wish.unmet_by(name, image)).collect()
}

fn wishes(spec: &ImageSpec) -> Vec<Wish> {
    type Has = fn(&str, &ImageModel) -> Option<String>;
    let exact: [(&str, Option<String>, Has); 3] = [
        ("os-family", spec.os_family.clone(), |_, image| image.os_family.clone()),
        ("os-version", spec.os_version.clone(), |_, image| image.os_version.clone()),
        ("os-64-bit", spec.os_64_bit.map(|is| is.to_string()), |_, image| {
            image.os_64_bit.map(|is| is.to_string())
        }),
    ];
    let patterns: [(&str, &Option<TextPattern>, Has); 9] = [
        ("os-version-matches", &spec.os_version_matches, |_, image| image.os_version.clone()),
        ("os-arch-matches", &spec.os_arch_matches, |_, image| {
            image.os_64_bit.map(|wide| if wide { "x86_64" } else { "i686" }.to_owned())
        }),
        ("image-name-matches", &spec.image_name_matches, |_, image| image.image_name.clone()),
        ("image-id-matches", &spec.image_id_matches, |name, _| Some(name.to_owned())),
        ("image-description-matches", &spec.image_description_matches, |_, image| {
            image.description.clone()
        }),
        ("hypervisor-matches", &spec.hypervisor_matches, |_, _| Some("virtualbox".to_owned())),
        // Models do not say these.
        ("os-name-matches", &spec.os_name_matches, |_, _| None),
        ("os-description-matches", &spec.os_description_matches, |_, _| None),
        ("image-version-matches", &spec.image_version_matches, |_, _| None),
    ];
    let exact = exact.into_iter().filter_map(|(key, wanted, has)| {
        wanted.map(|text| Wish { key, wanted: Wanted::Text(text), has })
    });
    let patterns = patterns.into_iter().filter_map(|(key, wanted, has)| {
        wanted.clone().map(|pattern| Wish { key, wanted: Wanted::Pattern(pattern), has })
    });
    exact.chain(patterns).collect()
}

/// Says what was wished for, and of each image why it is not the one.
fn no_image(models: &Models, wishes: &[Wish]) -> ComputeError {
    if models.images().is_empty() {
        return ComputeError::input("there is no image model at all")
            .help("describe an image in a .meta or .toml file in the service's model-path");
    }
    let wished = wishes.iter().map(|wish| match &wish.wanted {
        Wanted::Text(text) => format!("{} {text}", wish.key),
        Wanted::Pattern(pattern) => format!("{} {pattern}", wish.key),
    });
    let reasons = models
        .images()
        .iter()
        .map(|(name, image)| format!("{name}: {}", unmet(wishes, name, image).join(" and ")));
    let wished = wished.collect::<Vec<_>>().join(" and ");
    ComputeError::input(format!("no image model has {wished}"))
        .help(reasons.collect::<Vec<_>>().join("; "))
}
