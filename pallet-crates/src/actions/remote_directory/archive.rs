//! Directories that come out of an archive.

use pallet_core::action::{ActionError, Change, Decision, Fragment, ProbeSet, Upload, View};
use pallet_core::shell;

use super::super::below::Below;
use super::super::download;
use super::super::whole_file::check_parent;
use crate::probes::{Digest, Entry, EntryKind, Sha256, Stat, StrayCounts};
use crate::values::RemotePath;

/// The file in the directory that says which archive it came from.
const MARK: &str = ".pallet-archive";

/// Where an archive is.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// On this machine.
    Here(Upload),
    /// At an address.
    There(String),
}

/// An archive that is unpacked on the node.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    pub place: Place,
    pub digest: Digest,
    pub is_zip: bool,
    pub strip_components: u32,
    /// Whether the directory holds nothing else afterwards.
    pub is_exact: bool,
}

/// What was found on the node.
struct Found<'a> {
    parent: Option<&'a Entry>,
    entry: Option<&'a Entry>,
    mark: Option<&'a Digest>,
    below: StrayCounts,
}

impl Archive {
    /// Whether a name is that of a zip file; everything else is tar's.
    pub fn is_zip(name: &str) -> bool {
        name.to_ascii_lowercase().ends_with(".zip")
    }

    /// What is in the mark. With other ways of unpacking the result is another one.
    fn mark(&self) -> String {
        format!("{} {} {}\n", self.digest, self.strip_components, self.is_exact)
    }

    fn mark_path(path: &RemotePath) -> Result<RemotePath, ActionError> {
        format!("{path}/{MARK}").parse().map_err(|error: String| ActionError::new(error))
    }

    pub fn probe(&self, path: &RemotePath, below: &Below, wanted: &mut ProbeSet) {
        wanted.ask::<Stat>(path.clone());
        path.parent().into_iter().for_each(|parent| wanted.ask::<Stat>(parent));
        Self::mark_path(path).into_iter().for_each(|mark| wanted.ask::<Sha256>(mark));
        below.probe(wanted);
    }

    pub fn decide(
        &self,
        path: &RemotePath,
        below: &Below,
        view: &View<'_>,
    ) -> Result<Decision, ActionError> {
        let found = Found {
            parent: match path.parent() {
                Some(parent) => view.get::<Stat>(&parent)?.as_ref(),
                None => None,
            },
            entry: view.get::<Stat>(path)?.as_ref(),
            mark: view.get::<Sha256>(&Self::mark_path(path)?)?.as_ref(),
            below: below.look(view)?,
        };
        self.decide_from(path, below, &found)
    }

    fn decide_from(
        &self,
        path: &RemotePath,
        below: &Below,
        found: &Found<'_>,
    ) -> Result<Decision, ActionError> {
        check_parent(path, found.parent)?;
        if let Some(entry) = found.entry.filter(|entry| entry.kind != EntryKind::Directory) {
            let what = entry.kind.with_article();
            return Err(ActionError::new(format!("{path} is {what}, not a directory"))
                .help("remove it, or choose another path"));
        }
        let mut fragment = Fragment::new();
        let mut details = Vec::new();
        let is_unpacked = found.mark == Some(&Digest::of(self.mark().as_bytes()));
        if is_unpacked {
            details.extend(below.repair(&mut fragment, found.below));
        } else {
            self.unpack(&mut fragment, path, found.entry.is_some());
            // Whatever was found is different now.
            let unknown = StrayCounts { by_owner: None, by_mode: 1 };
            below.repair(&mut fragment, unknown);
            details.push(match (found.entry, found.mark) {
                (None, _) => "unpacked".to_owned(),
                (Some(_), Some(_)) => "another archive unpacked".to_owned(),
                (Some(_), None) => "unpacked into what was there".to_owned(),
            });
        }
        if details.is_empty() {
            return Ok(Decision::Unchanged);
        }
        let change = Change::new(fragment, [path.tree()]);
        Ok(Decision::Change(details.into_iter().fold(change, Change::detail)))
    }

    /// Unpacks beside the directory, and moves what is complete into its place.
    fn unpack(&self, fragment: &mut Fragment, path: &RemotePath, exists: bool) {
        let parent = path.parent().map(|parent| parent.to_string()).unwrap_or_default();
        let start = format!("{}/.pallet.XXXXXXXX", parent.trim_end_matches('/'));
        let target = shell::quote(path.as_str());
        fragment.line(&format!("folder=$(mktemp -d -- {})", shell::quote(&start)));
        fragment.line("trap 'rm -rf -- \"$folder\"' EXIT");
        match &self.place {
            Place::Here(upload) => {
                let source = fragment.upload(upload.clone());
                fragment.line(&format!("{source} >\"$folder/archive\""));
            }
            Place::There(url) => {
                download::fetch(fragment, url, &self.digest, "\"$folder/archive\"");
            }
        }
        fragment.line("umask 022; mkdir -- \"$folder/new\"");
        fragment.line(&match self.is_zip {
            true => "unzip -q \"$folder/archive\" -d \"$folder/new\"".to_owned(),
            false => format!(
                "tar -xf \"$folder/archive\" -C \"$folder/new\" --no-same-owner \
                 --no-same-permissions --strip-components={}",
                self.strip_components
            ),
        });
        fragment.line(&format!(
            "printf '%s\\n' {} >\"$folder/new/{MARK}\"",
            shell::quote(self.mark().trim_end())
        ));
        match (exists, self.is_exact) {
            (false, _) => fragment.line(&format!("mv -T -- \"$folder/new\" {target}")),
            (true, true) => fragment.line(&format!(
                "chmod --reference={target} -- \"$folder/new\"\n\
                 chown --reference={target} -- \"$folder/new\"\n\
                 mv -T -- {target} \"$folder/old\"\nmv -T -- \"$folder/new\" {target}"
            )),
            (true, false) => fragment.line(&format!("cp -a -- \"$folder/new/.\" {target}/")),
        };
        fragment.line("rm -rf -- \"$folder\"; trap - EXIT");
    }
}
