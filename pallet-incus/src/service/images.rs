//! Which image.

use std::collections::BTreeMap;

use pallet_core::compute::ComputeError;
use pallet_core::compute::matching::{ImageTraits, Wishes};
use pallet_core::spec::ImageSpec;

use super::config::ImageModel;
use super::words::read;
use crate::client::{Image, InstanceType, Source};
use crate::images::{NO_SUDO, USERNAME};

/// Versions of Debian by their names: images say only these.
const DEBIAN: [(&str, &str); 6] = [
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
];

/// The shortest beginning of a fingerprint that is taken for one.
const SHORTEST: usize = 6;

/// An image that nodes can be made of.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) traits: ImageTraits,
    pub(super) source: Source,
    pub(super) model: ImageModel,
}

/// Finds the image that is asked for, of those that can be made into `kind`.
pub(super) fn choose(
    images: &[Image],
    models: &BTreeMap<String, ImageModel>,
    kind: InstanceType,
    spec: &ImageSpec,
) -> Result<Candidate, ComputeError> {
    let known = candidates(images, models, kind);
    let mut chosen = match &spec.image_model {
        Some(keys) => {
            let over: ImageModel =
                read(keys.clone().into(), &["image", "image-model"]).map_err(|error| {
                    error.help(
                        "this service's images have the keys alias, fingerprint, server, protocol, \
                         username, …; a node-spec without `image-model` serves every service",
                    )
                })?;
            explicit(images, &known, kind, spec, over)?
        }
        None => choose_known(images, &known, kind, spec)?,
    };
    if let Some(user) = &spec.override_login_user {
        chosen.model.username = Some(user.clone());
    }
    Ok(chosen)
}

/// An image that only the node-spec describes, or one that is known with other keys over it.
fn explicit(
    images: &[Image],
    known: &[Candidate],
    kind: InstanceType,
    spec: &ImageSpec,
    over: ImageModel,
) -> Result<Candidate, ComputeError> {
    let asks = spec.image_id.is_some() || !Wishes::of(spec).is_empty();
    if over.alias.is_none() && over.fingerprint.is_none() || asks {
        let under = choose_known(images, known, kind, spec)?;
        return Ok(Candidate { model: overlaid(under.model.clone(), over), ..under });
    }
    let name = over.alias.clone().or_else(|| over.fingerprint.clone()).unwrap_or_default();
    described(images, &name, &over, kind).ok_or_else(|| no_such(images, known, &name, kind))
}

/// All that nodes of this kind can be made of: what the service describes, then the server's own.
fn candidates(
    images: &[Image],
    models: &BTreeMap<String, ImageModel>,
    kind: InstanceType,
) -> Vec<Candidate> {
    let mut known: Vec<Candidate> =
        models.iter().filter_map(|(name, model)| described(images, name, model, kind)).collect();
    let own = images.iter().filter(|image| image.kind == kind);
    for candidate in own.map(|image| of_server(image, &id_of(image))) {
        if known.iter().all(|it| it.traits.id != candidate.traits.id) {
            known.push(candidate);
        }
    }
    known
}

/// An image as a model describes it; `None` where the server does not have it.
fn described(
    images: &[Image],
    name: &str,
    model: &ImageModel,
    kind: InstanceType,
) -> Option<Candidate> {
    let alias = model.alias.as_deref().unwrap_or(name);
    let mut candidate = match &model.server {
        Some(server) => {
            let (server, alias) = (server.clone(), alias.to_owned());
            let protocol = model.protocol.as_deref().unwrap_or("simplestreams").to_owned();
            let traits = ImageTraits { id: name.to_owned(), ..ImageTraits::default() };
            let source = Source::Remote { server, protocol, alias };
            Candidate { traits, source, model: ImageModel::default() }
        }
        None => {
            let wanted = model.fingerprint.as_deref().unwrap_or(alias);
            of_server(find(images, wanted, kind)?, name)
        }
    };
    let traits = &mut candidate.traits;
    for (has, over) in [
        (&mut traits.os_family, &model.os_family),
        (&mut traits.os_version, &model.os_version),
        (&mut traits.description, &model.description),
    ] {
        if over.is_some() {
            has.clone_from(over);
        }
    }
    candidate.model = overlaid(candidate.model, model.clone());
    Some(candidate)
}

/// The image of this name, or of a fingerprint that begins like this.
fn find<'a>(images: &'a [Image], name: &str, kind: InstanceType) -> Option<&'a Image> {
    let mut of_kind = images.iter().filter(|image| image.kind == kind);
    let by_alias = of_kind.clone().find(|image| image.aliases.iter().any(|it| it.name == name));
    by_alias.or_else(|| {
        let is_prefix = |image: &&Image| image.fingerprint.starts_with(name);
        of_kind.find(|image| name.len() >= SHORTEST && is_prefix(image))
    })
}

fn id_of(image: &Image) -> String {
    match image.aliases.first() {
        Some(alias) => alias.name.clone(),
        None => image.fingerprint.chars().take(12).collect(),
    }
}

/// What the server says of an image.
fn of_server(image: &Image, id: &str) -> Candidate {
    let property = |key: &str| image.properties.get(key).filter(|text| !text.is_empty()).cloned();
    let release = property("release");
    let by_release = release.as_deref().and_then(|release| {
        let debian = DEBIAN.iter().find(|(name, _)| *name == release);
        let starts_with_digit = release.starts_with(|first: char| first.is_ascii_digit());
        let version = debian.map(|(_, version)| *version);
        version.or(starts_with_digit.then_some(release)).map(str::to_owned)
    });
    let architecture = match image.architecture.as_str() {
        "" => property("architecture"),
        own => Some(own.to_owned()),
    };
    let wide = architecture.as_deref().map(|it| it.contains("64") || it.starts_with("s390"));
    let traits = ImageTraits {
        id: id.to_owned(),
        os_family: property("os").map(|os| os.to_lowercase()),
        os_version: property("version").or(by_release),
        os_64_bit: wide,
        os_name: property("os"),
        os_description: release,
        architecture,
        image_name: property("name"),
        description: property("description"),
        image_version: property("serial"),
        hypervisor: Some("incus".to_owned()),
    };
    let model = ImageModel {
        username: property(USERNAME),
        no_sudo: property(NO_SUDO).is_some_and(|value| value == "true"),
        ..ImageModel::default()
    };
    Candidate { traits, source: Source::Image(image.fingerprint.clone()), model }
}

fn overlaid(under: ImageModel, over: ImageModel) -> ImageModel {
    ImageModel {
        alias: over.alias.or(under.alias),
        fingerprint: over.fingerprint.or(under.fingerprint),
        server: over.server.or(under.server),
        protocol: over.protocol.or(under.protocol),
        os_family: over.os_family.or(under.os_family),
        os_version: over.os_version.or(under.os_version),
        description: over.description.or(under.description),
        username: over.username.or(under.username),
        private_key_path: over.private_key_path.or(under.private_key_path),
        password: over.password.or(under.password),
        sudo_password: over.sudo_password.or(under.sudo_password),
        no_sudo: over.no_sudo || under.no_sudo,
    }
}

fn choose_known(
    images: &[Image],
    known: &[Candidate],
    kind: InstanceType,
    spec: &ImageSpec,
) -> Result<Candidate, ComputeError> {
    let wishes = Wishes::of(spec);
    if let Some(id) = &spec.image_id {
        let of_name = known.iter().find(|it| it.traits.id == *id).cloned();
        let named = of_name.or_else(|| find(images, id, kind).map(|image| of_server(image, id)));
        let named = named.ok_or_else(|| no_such(images, known, id, kind))?;
        return match wishes.unmet_by(&named.traits).first() {
            None => Ok(named),
            Some(what) => Err(ComputeError::input(format!(
                "the image {id} is not what the node-spec asks for: {what}"
            ))
            .help("leave one of them out")),
        };
    }
    if known.is_empty() {
        return Err(ComputeError::input(format!("the server has no image of a {}", kind.name()))
            .help(
                "import one: `pallet models import`, or `incus image copy images:debian/12 local:`",
            ));
    }
    if wishes.is_empty() && known.len() > 1 {
        return Err(ComputeError::input("the node-spec names no image, and there are several")
            .help(format!("choose one with image-id: {}", names(known))));
    }
    let traits: Vec<ImageTraits> = known.iter().map(|it| it.traits.clone()).collect();
    let best = wishes.best("image", &traits)?;
    known
        .iter()
        .find(|it| it.traits.id == best.id)
        .cloned()
        .ok_or_else(|| ComputeError::failed(format!("the image {} has gone", best.id)))
}

fn names(known: &[Candidate]) -> String {
    known.iter().map(|it| it.traits.id.as_str()).collect::<Vec<_>>().join(", ")
}

fn no_such(images: &[Image], known: &[Candidate], id: &str, kind: InstanceType) -> ComputeError {
    let other = match kind {
        InstanceType::Container => InstanceType::VirtualMachine,
        InstanceType::VirtualMachine => InstanceType::Container,
    };
    if find(images, id, other).is_some() {
        let message =
            format!("the image {id} is one of a {}, not of a {}", other.name(), kind.name());
        return ComputeError::input(message).help("say `type` in the service or in provider.incus");
    }
    let all = known.iter().map(|it| it.traits.id.as_str());
    let close =
        all.max_by(|a, b| strsim::jaro_winkler(a, id).total_cmp(&strsim::jaro_winkler(b, id)));
    let error = ComputeError::input(format!("the server has no image {id}"));
    match close.filter(|name| strsim::jaro_winkler(name, id) > 0.8) {
        Some(name) => error.help(format!("did you mean {name}? There are: {}", names(known))),
        None if known.is_empty() => error.help("it has none at all: import one"),
        None => error.help(format!("there are: {}", names(known))),
    }
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;
