//! Making, starting and deleting machines.

use vbox_soap::Error;
use vbox_soap::api::{IMachine, IMedium, IProgress, ISession, IVirtualBox, PlatformArchitecture};

use super::since;

/// What a machine is made with.
pub(crate) struct NewMachine<'a> {
    pub(crate) settings_file: &'a str,
    pub(crate) name: &'a str,
    /// Versions before 4.2 have no groups.
    pub(crate) group: &'a str,
    pub(crate) os_type_id: &'a str,
    pub(crate) id: &'a str,
}

/// Makes a machine. It is not registered, and an existing settings file is never overwritten.
pub(crate) async fn create(vbox: &IVirtualBox, new: &NewMachine<'_>) -> Result<IMachine, Error> {
    let NewMachine { settings_file, name, group, os_type_id, id } = *new;
    let flags = format!("UUID={id}");
    if since(vbox, 7, 1) {
        let x86 = PlatformArchitecture::X86;
        vbox.create_machine(settings_file, name, x86, &[group], os_type_id, &flags, "", "", "")
            .await
    } else if since(vbox, 7, 0) {
        let groups = &[group];
        vbox.create_machine_v7_0(settings_file, name, groups, os_type_id, &flags, "", "", "").await
    } else if since(vbox, 4, 2) {
        vbox.create_machine_v4_2(settings_file, name, &[group], os_type_id, &flags).await
    } else {
        vbox.create_machine_v4_1(settings_file, name, os_type_id, id, false).await
    }
}

/// Whether a machine's folder can be moved.
pub(crate) fn has_moves(machine: &IMachine) -> bool {
    since(machine, 6, 0)
}

/// The groups that a machine is in; nothing where there are no groups.
pub(crate) async fn groups(machine: &IMachine) -> Result<Option<Vec<String>>, Error> {
    if since(machine, 4, 2) { machine.get_groups().await.map(Some) } else { Ok(None) }
}

/// Starts a machine in a process of its own.
pub(crate) async fn launch(
    machine: &IMachine,
    session: &ISession,
    front_end: &str,
) -> Result<IProgress, Error> {
    if since(machine, 6, 1) {
        machine.launch_vm_process(session, front_end, &[]).await
    } else if since(machine, 5, 0) {
        machine.launch_vm_process_v5_0(session, front_end, "").await
    } else {
        machine.launch_vm_process_v4_1(session, front_end, "").await
    }
}

/// What the one who has the machine locked calls himself; nothing if he does not say.
pub(crate) async fn locked_by(machine: &IMachine) -> Result<String, Error> {
    if since(machine, 5, 0) {
        machine.get_session_name().await
    } else {
        machine.get_session_type().await
    }
}

/// Deletes the settings file of an unregistered machine, and these media of it.
pub(crate) async fn delete(machine: &IMachine, media: &[IMedium]) -> Result<IProgress, Error> {
    if since(machine, 4, 3) {
        machine.delete_config(media).await
    } else {
        machine.delete(media).await
    }
}
