//! Where VirtualBox's versions differ, from 4.1 to 7.2.
//!
//! Every call of this crate whose name, parameters or place changed between versions is in this
//! folder, and nowhere else: the rest of the crate is written as if there were one VirtualBox.
//! Which way a call takes follows from the version of the server that its object lives on.
//!
//! What a version does not have at all fails with the client's own error, which names both versions.

mod hardware;
mod machine;
mod media;
mod properties;
mod screen;
mod snapshots;
mod values;

use vbox_soap::ManagedObject;

pub(crate) use hardware::{
    audio, firmware, graphics, nat_engine, platform, set_io_address, share_folder, shared_folders,
};
pub(crate) use machine::{NewMachine, create, delete, groups, has_moves, launch, locked_by};
pub(crate) use media::{copy_to_base, make_storage, new_disk, set_location};
pub(crate) use properties::{attachment_types, platform_properties};
pub(crate) use screen::{saved_picture, screen_size, take_picture};
pub(crate) use snapshots::{
    delete_snapshot, discard_saved_state, restore_snapshot, save_state, take_snapshot,
};
pub(crate) use values::{guest_properties, remove_guest_property};

/// Whether the object's server has this version of the API, or a newer one.
fn since(object: &impl ManagedObject, major: u16, minor: u16) -> bool {
    let version = object.object().api_version();
    version.is_none_or(|version| (version.major(), version.minor()) >= (major, minor))
}

/// Whether each logon has one session object only, so that it can lock one machine at a time.
pub(crate) fn has_one_lock(object: &impl ManagedObject) -> bool {
    !since(object, 5, 0)
}
