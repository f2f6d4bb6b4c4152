//! Small settings of hardware models.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, SeqAccess, Visitor};

/// Highest position in a boot order; every VirtualBox so far has four.
pub const MAX_BOOT_POSITION: u32 = 4;

/// How a VM is shown when it starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionType {
    /// Not at all.
    #[default]
    Headless,
    /// In a window of VirtualBox's GUI.
    Gui,
    /// In a plain SDL window.
    Sdl,
    /// In a window that can be closed while the VM runs on.
    Separate,
}

impl SessionType {
    /// VirtualBox's name of the front end.
    #[must_use]
    pub fn front_end(self) -> &'static str {
        match self {
            Self::Headless => "headless",
            Self::Gui => "gui",
            Self::Sdl => "sdl",
            Self::Separate => "separate",
        }
    }
}

/// Directions of the shared clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClipboardMode {
    /// None.
    Disabled,
    /// From host to guest.
    HostToGuest,
    /// From guest to host.
    GuestToHost,
    /// Both; also under the misspelling of an often-copied example, `:birectional`.
    #[serde(alias = "birectional")]
    Bidirectional,
}

/// Firmware of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// BIOS
    Bios,
    /// EFI, as wide as the guest
    Efi,
    /// EFI, 32 bits
    #[serde(rename = "efi-32")]
    Efi32,
    /// EFI, 64 bits
    #[serde(rename = "efi-64")]
    Efi64,
    /// EFI, both
    EfiDual,
}

/// Emulated chipsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chipset {
    /// PIIX3, with up to 8 network adapters.
    Piix3,
    /// ICH9, with up to 36 network adapters.
    Ich9,
}

/// Emulated graphics cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GraphicsController {
    /// None.
    Null,
    /// VirtualBox's first one.
    Vboxvga,
    /// VMware's, which 3D needs in Linux guests.
    Vmsvga,
    /// VirtualBox's with 3D, for Windows guests.
    Vboxsvga,
}

/// Pointing devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pointing {
    /// None
    None,
    /// PS/2 mouse
    #[serde(rename = "ps2-mouse")]
    Ps2Mouse,
    /// USB mouse
    UsbMouse,
    /// USB tablet
    UsbTablet,
    /// PS/2 and USB mouse
    ComboMouse,
}

/// Keyboards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keyboard {
    /// None
    None,
    /// PS/2 keyboard
    #[serde(rename = "ps2-keyboard")]
    Ps2Keyboard,
    /// USB keyboard
    UsbKeyboard,
    /// PS/2 and USB keyboard
    ComboKeyboard,
}

/// What a VM can boot from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootDevice {
    /// Nothing: skip this position.
    Null,
    /// Floppy drive
    Floppy,
    /// DVD drive
    Dvd,
    /// Hard disk
    HardDisk,
    /// Network
    Network,
}

/// The order in which devices are tried at boot.
///
/// Written as positions with devices, `[[1 :hard-disk] [2 :dvd]]`, or just as devices,
/// `[:hard-disk :dvd]`. Positions that are not given are cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootOrder(Vec<BootDevice>);

impl BootOrder {
    /// The devices, one for each position.
    #[must_use]
    pub fn devices(&self) -> &[BootDevice] {
        &self.0
    }
}

impl FromIterator<BootDevice> for BootOrder {
    /// Takes the first [`MAX_BOOT_POSITION`] devices and clears the remaining positions.
    fn from_iter<I: IntoIterator<Item = BootDevice>>(devices: I) -> Self {
        let rest = std::iter::repeat(BootDevice::Null);
        Self(devices.into_iter().chain(rest).take(MAX_BOOT_POSITION as usize).collect())
    }
}

/// `:dvd` or `[2 :dvd]`
struct Entry {
    position: Option<u32>,
    device: BootDevice,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;
        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a device such as hard-disk, or a position and a device")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Entry, E> {
                let device = BootDevice::deserialize(de::value::StrDeserializer::new(text))?;
                Ok(Entry { position: None, device })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entry, A::Error> {
                let position: u32 =
                    seq.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let device =
                    seq.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
                if !(1..=MAX_BOOT_POSITION).contains(&position) {
                    return Err(de::Error::custom(format!(
                        "position {position} does not exist; positions are 1 to {MAX_BOOT_POSITION}"
                    )));
                }
                Ok(Entry { position: Some(position), device })
            }
        }
        deserializer.deserialize_any(EntryVisitor)
    }
}

impl<'de> Deserialize<'de> for BootOrder {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OrderVisitor;
        impl<'de> Visitor<'de> for OrderVisitor {
            type Value = BootOrder;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a list of devices such as hard-disk and dvd, or of positions and devices",
                )
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<BootOrder, A::Error> {
                let mut slots: [Option<BootDevice>; MAX_BOOT_POSITION as usize] = [None; _];
                let mut next = 1;
                while let Some(entry) = seq.next_element::<Entry>()? {
                    let position = entry.position.unwrap_or(next);
                    let slot = position
                        .checked_sub(1)
                        .and_then(|index| slots.get_mut(index as usize))
                        .ok_or_else(|| {
                            de::Error::custom(format!("more than {MAX_BOOT_POSITION} devices"))
                        })?;
                    if slot.replace(entry.device).is_some() {
                        return Err(de::Error::custom(format!(
                            "position {position} is given twice"
                        )));
                    }
                    next = position + 1;
                }
                Ok(slots.into_iter().map(|slot| slot.unwrap_or(BootDevice::Null)).collect())
            }
        }
        deserializer.deserialize_seq(OrderVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BootDevice::{Dvd, HardDisk, Null};

    fn order(text: &str) -> Result<BootOrder, crate::tree::Error> {
        crate::edn::from_str(text)
    }

    #[test]
    fn both_forms() {
        for (text, expected) in [
            ("[[1 :hard-disk] [2 :dvd]]", [HardDisk, Dvd, Null, Null]),
            ("[[3 :dvd]]", [Null, Null, Dvd, Null]),
            ("[:hard-disk :dvd]", [HardDisk, Dvd, Null, Null]),
            ("[]", [Null; 4]),
        ] {
            assert_eq!(order(text).expect(text).devices(), expected, "{text}");
        }
    }

    #[test]
    fn mistakes() {
        for (text, part) in [
            ("[[0 :dvd]]", "position 0 does not exist; positions are 1 to 4"),
            ("[[5 :dvd]]", "position 5 does not exist"),
            ("[[1 :dvd] [1 :hard-disk]]", "position 1 is given twice"),
            ("[:dvd :dvd :dvd :dvd :dvd]", "more than 4 devices"),
            ("[:hard-disc]", "unknown value :hard-disc; did you mean :hard-disk?"),
            ("[[1]]", "found 1 values"),
            ("[7]", "expected a device such as hard-disk"),
            ("7", "expected a list of devices such as hard-disk and dvd"),
        ] {
            let error = order(text).expect_err(text);
            assert!(error.message().contains(part), "{text}: {error}");
        }
    }
}
