//! How this crate knows its own machines.
//!
//! Three marks, and all must be there: the VM group, an extra-data entry that says what the
//! machine is for, and an id that begins with the letters "vmfest". The last one is all that can
//! be read of a machine whose settings file is lost or broken.

use std::fmt;

use crate::error::Error;

/// VM group of instances.
pub(crate) const GROUP: &str = "/vmfest";
/// VM group of the machines that hold image models.
pub(crate) const HOLDER_GROUP: &str = "/vmfest/holders";
/// Extra data: what the machine is for.
pub(crate) const ROLE: &str = "vmfest/role";
/// Extra data: the slot of the adapter that has the SSH forward.
pub(crate) const SSH_SLOT: &str = "vmfest/ssh-slot";
/// Extra data: the host keys that were read from the console.
pub(crate) const HOST_KEYS: &str = "vmfest/ssh-host-keys";
/// Extra data: how the machine is shown when it starts.
pub(crate) const SESSION_TYPE: &str = "vmfest/session-type";
/// Extra data: disks that were made for the machine, one per line.
pub(crate) const OWN_DISKS: &str = "vmfest/own-disks";
/// Extra data: the image that the machine was made from, or holds.
pub(crate) const IMAGE: &str = "vmfest/image";

/// "vmfest" in ASCII.
const MARK: [u8; 6] = *b"vmfest";

/// What one of our machines is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// An instance.
    Instance,
    /// Keeps an image model registered.
    Holder,
}

impl Role {
    /// The value of the extra-data entry.
    pub(crate) fn value(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Holder => "holder",
        }
    }

    /// The group that machines of this role are in.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::Instance => GROUP,
            Self::Holder => HOLDER_GROUP,
        }
    }
}

/// The id of a machine of ours: a version 8 UUID (RFC 9562), marked and otherwise random.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachineId(String);

impl MachineId {
    /// A new id.
    pub(crate) fn random() -> Result<Self, Error> {
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(|e| {
            let source = std::io::Error::other(e.to_string());
            Error::io("get randomness from", "the operating system", source)
        })?;
        Ok(Self::from_random(random))
    }

    fn from_random(random: [u8; 10]) -> Self {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let [a, b, c, d, node @ ..] = random;
        let [m0, m1, m2, m3, m4, m5] = MARK;
        Self(format!(
            "{}-{}-{}-{}-{}",
            hex(&[m0, m1, m2, m3]),
            hex(&[m4, m5]),
            hex(&[0x80 | (a & 0x0f), b]),
            hex(&[0x80 | (c & 0x3f), d]),
            hex(&node)
        ))
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an id is one that [`MachineId::random`] could have made.
pub(crate) fn is_marked(id: &str) -> bool {
    let hex: String = id.chars().filter(|c| *c != '-').collect();
    let mark: String = MARK.iter().map(|b| format!("{b:02x}")).collect();
    hex.len() == 32 && hex.to_ascii_lowercase().starts_with(&format!("{mark}8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_marked_and_well_formed() {
        let id = MachineId::from_random([0xff; 10]);
        assert_eq!(id.as_str(), "766d6665-7374-8fff-bfff-ffffffffffff");
        assert!(is_marked(id.as_str()));
        let (a, b) = (MachineId::random().expect("random"), MachineId::random().expect("random"));
        assert_ne!(a, b);
        assert!(is_marked(a.as_str()));
    }

    #[test]
    fn other_ids_are_not() {
        for id in [
            "",
            "766d6665",
            "766d6665-7374-4fff-bfff-ffffffffffff",
            "00000000-7374-8fff-bfff-ffffffffffff",
        ] {
            assert!(!is_marked(id), "{id}");
        }
    }
}
