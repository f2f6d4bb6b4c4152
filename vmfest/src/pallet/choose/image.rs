//! Which image.

use std::path::Path;

use pallet_core::compute::ComputeError;
use pallet_core::compute::matching::{ImageTraits, Wishes};
use pallet_core::spec::ImageSpec;
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
    let wishes = Wishes::of(spec);
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
    wishes: &Wishes,
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
    wishes: &Wishes,
) -> Result<(&'a str, &'a ImageModel), ComputeError> {
    if let Some(id) = &spec.image_id {
        let image = models.image(id).map_err(|e| failed(&e))?;
        let name = models.images().get_key_value(id).map_or("", |(name, _)| name);
        return match wishes.unmet_by(&traits(name, image)).first() {
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
    if models.images().is_empty() {
        return Err(ComputeError::input("there is no image model at all")
            .help("describe an image in a .meta or .toml file in the service's model-path"));
    }
    let all: Vec<_> = models.images().iter().map(|(name, image)| traits(name, image)).collect();
    let best = wishes.best("image model", &all)?;
    let known = models.images().get_key_value(&best.id);
    known
        .map(|(name, image)| (name.as_str(), image))
        .ok_or_else(|| ComputeError::failed(format!("the image model {} has gone", best.id)))
}

/// What is known of an image.
fn traits(name: &str, image: &ImageModel) -> ImageTraits {
    ImageTraits {
        id: name.to_owned(),
        os_family: image.os_family.clone(),
        os_version: image.os_version.clone(),
        os_64_bit: image.os_64_bit,
        architecture: image.os_64_bit.map(|wide| if wide { "x86_64" } else { "i686" }.to_owned()),
        image_name: image.image_name.clone(),
        description: image.description.clone(),
        hypervisor: Some("virtualbox".to_owned()),
        ..ImageTraits::default()
    }
}
