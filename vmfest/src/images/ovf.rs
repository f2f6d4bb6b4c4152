//! OVF: what an OVA or a Vagrant box says about the machine that its disk comes from.

use std::collections::BTreeMap;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::models::Bus;

/// What is of use of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ovf {
    /// VirtualBox's name of the guest's operating system.
    pub(super) os_type: Option<String>,
    /// The first disk's file.
    pub(super) disk: Option<String>,
    /// How many disks there are.
    pub(super) disks: usize,
    /// The kind of the controller that the first disk is on.
    pub(super) bus: Option<Bus>,
    pub(super) is_efi: bool,
}

/// An `Item`: a piece of virtual hardware.
#[derive(Default)]
struct Item {
    instance: String,
    kind: String,
    parent: String,
    host_resource: String,
}

/// Reads an OVF description. Parts that are not understood are passed over: what matters is
/// checked where it is used.
pub(super) fn parse(text: &str) -> Result<Ovf, String> {
    let mut reader = Reader::from_str(text);
    let (mut ovf, mut path) = (Ovf::default(), Vec::<String>::new());
    let mut files = BTreeMap::new();
    let mut first_disk = None;
    let mut items = Vec::<Item>::new();
    loop {
        let event = reader.read_event().map_err(|e| e.to_string())?;
        let is_open = matches!(event, Event::Start(_));
        match event {
            Event::Start(start) | Event::Empty(start) => {
                let name = start.local_name().as_ref().to_owned();
                match name.as_str() {
                    "File" => {
                        if let (Some(id), Some(href)) =
                            (attribute(&start, "id"), attribute(&start, "href"))
                        {
                            files.insert(id, href);
                        }
                    }
                    "Disk" if path.last().is_some_and(|p| p == "DiskSection") => {
                        if let Some(file) = attribute(&start, "fileRef") {
                            ovf.disks += 1;
                            let id = attribute(&start, "diskId").unwrap_or_default();
                            first_disk.get_or_insert((id, file));
                        }
                    }
                    "OperatingSystemSection" if ovf.os_type.is_none() => {
                        ovf.os_type = attribute(&start, "osType").as_deref().and_then(from_vmware);
                    }
                    "Firmware" => {
                        ovf.is_efi |=
                            attribute(&start, "type").is_some_and(|t| t.starts_with("EFI"));
                    }
                    "Item" | "StorageItem" => items.push(Item::default()),
                    _ => {}
                }
                if is_open {
                    path.push(name);
                }
            }
            Event::End(_) => {
                path.pop();
            }
            Event::Text(text) => {
                let text = text.xml10_content();
                let Some(element) = path.last() else { continue };
                let in_item = path.iter().any(|p| p == "Item" || p == "StorageItem");
                match (element.as_str(), items.last_mut()) {
                    ("OSType", _) => ovf.os_type = Some(text.trim().to_owned()),
                    ("InstanceID", Some(item)) if in_item => item.instance += text.trim(),
                    ("ResourceType", Some(item)) if in_item => item.kind += text.trim(),
                    ("Parent", Some(item)) if in_item => item.parent += text.trim(),
                    ("HostResource", Some(item)) if in_item => item.host_resource += text.trim(),
                    _ => {}
                }
            }
            Event::DocType(_) => return Err("it has a document type definition".to_owned()),
            Event::Eof => break,
            _ => {}
        }
    }
    if let Some((disk, file)) = first_disk {
        ovf.disk = files.get(&file).cloned();
        ovf.bus = bus_of(&disk, &items);
    }
    ovf.os_type = ovf.os_type.filter(|kind| !kind.is_empty());
    Ok(ovf)
}

/// The kind of the controller that a disk is on.
fn bus_of(disk: &str, items: &[Item]) -> Option<Bus> {
    let on = items.iter().find(|item| {
        item.kind == "17" && item.host_resource.rsplit('/').next().is_some_and(|id| id == disk)
    })?;
    let controller = items.iter().find(|item| item.instance == on.parent)?;
    match controller.kind.as_str() {
        "5" => Some(Bus::Ide),
        "6" => Some(Bus::Scsi),
        "20" => Some(Bus::Sata),
        _ => None,
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let attributes = start.attributes().flatten();
    let mut found = attributes.filter(|attribute| attribute.key.local_name().as_ref() == name);
    let value = found.next()?.normalized_value(XmlVersion::Explicit1_0);
    Some(value.ok()?.into_owned())
}

/// VirtualBox's word for what VMware calls `debian12-64`, roughly.
fn from_vmware(kind: &str) -> Option<String> {
    let lower = kind.to_ascii_lowercase();
    let family = [
        ("ubuntu", "Ubuntu"),
        ("debian", "Debian"),
        ("fedora", "Fedora"),
        ("opensuse", "OpenSUSE"),
        ("rhel", "RedHat"),
        ("centos", "RedHat"),
        ("oraclelinux", "Oracle"),
        ("freebsd", "FreeBSD"),
        ("other3xlinux", "Linux"),
        ("other4xlinux", "Linux"),
        ("otherlinux", "Linux"),
    ];
    let (_, name) = family.iter().find(|(prefix, _)| lower.starts_with(prefix))?;
    let bits = if lower.contains("64") { "_64" } else { "" };
    Some(format!("{name}{bits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: &str = r#"<?xml version="1.0"?>
<Envelope ovf:version="1.0" xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="x" xmlns:vbox="v">
  <References><File ovf:href="box-disk001.vmdk" ovf:id="file1"/></References>
  <DiskSection><Info>List</Info>
    <Disk ovf:capacity="1" ovf:diskId="vmdisk1" ovf:fileRef="file1"/></DiskSection>
  <VirtualSystem ovf:id="base">
    <OperatingSystemSection ovf:id="80"><Description>Ubuntu_64</Description>
      <vbox:OSType ovf:required="false">Ubuntu_64</vbox:OSType></OperatingSystemSection>
    <VirtualHardwareSection>
      <Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>PIIX4</rasd:ResourceSubType>
        <rasd:ResourceType>5</rasd:ResourceType></Item>
      <Item><rasd:HostResource>/disk/vmdisk1</rasd:HostResource><rasd:InstanceID>5</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
    </VirtualHardwareSection>
    <vbox:Machine><Hardware><Firmware type="EFI"/></Hardware></vbox:Machine>
  </VirtualSystem>
</Envelope>"#;

    #[test]
    fn what_virtualbox_writes() {
        let ovf = parse(BOX).expect("reads");
        assert_eq!(ovf.os_type.as_deref(), Some("Ubuntu_64"));
        assert_eq!(ovf.disk.as_deref(), Some("box-disk001.vmdk"));
        assert_eq!((ovf.disks, ovf.bus, ovf.is_efi), (1, Some(Bus::Ide), true));
    }

    #[test]
    fn vmware_calls_systems_by_other_names() {
        for (theirs, ours) in [
            ("ubuntu64Guest", Some("Ubuntu_64")),
            ("debian10_64Guest", Some("Debian_64")),
            ("debian6Guest", Some("Debian")),
            ("darwinGuest", None),
        ] {
            assert_eq!(from_vmware(theirs).as_deref(), ours, "{theirs}");
        }
    }

    #[test]
    fn what_is_no_ovf() {
        assert!(parse("<a><b></a>").is_err());
        assert!(parse("<!DOCTYPE x [<!ENTITY e \"x\">]><Envelope/>").is_err());
        assert_eq!(parse("<Envelope/>"), Ok(Ovf::default()));
    }
}
