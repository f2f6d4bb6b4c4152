//! Guest properties.

use vbox_soap::Error;
use vbox_soap::api::IMachine;

use super::since;

/// A guest property: its name, its value, when it was set, and its flags.
type Row = (String, String, i64, String);

/// The guest properties whose names match the patterns.
pub(crate) async fn guest_properties(
    machine: &IMachine,
    patterns: &str,
) -> Result<Vec<Row>, Error> {
    let (names, values, timestamps, flags) = if since(machine, 4, 3) {
        let found = machine.enumerate_guest_properties(patterns).await?;
        (found.names, found.values, found.timestamps, found.flags)
    } else {
        let found = machine.enumerate_guest_properties_v4_1(patterns).await?;
        (found.name, found.value, found.timestamp, found.flags)
    };
    let columns = names.into_iter().zip(values).zip(timestamps.into_iter().zip(flags));
    Ok(columns.map(|((name, value), (timestamp, flags))| (name, value, timestamp, flags)).collect())
}

/// Removes a guest property.
pub(crate) async fn remove_guest_property(machine: &IMachine, name: &str) -> Result<(), Error> {
    if since(machine, 4, 2) {
        machine.delete_guest_property(name).await
    } else {
        machine.set_guest_property_value(name, "").await
    }
}
