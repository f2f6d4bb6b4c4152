//! Disks that are more than one file cannot be models, and could name files that are nobody's
//! business.
//!
//! A VMDK may say that its sectors are in `/etc/shadow`, a QCOW that it is the difference to such
//! a file. VirtualBox would follow, with its own rights.

use super::format::DiskFormat;
use super::vdi;

const DIFFERENCING: &str = "it is only the difference to another disk; make one whole disk of the \
                            two, with `VBoxManage clonemedium` or `qemu-img convert`";
const ELSEWHERE: &str =
    "its sectors are in other files; make it one file, with `VBoxManage clonemedium`";
const UNUSUAL: &str = "its header is not as it should be; it is damaged, or of a rare kind";

/// What keeps a disk from standing alone, by its first bytes.
pub(super) fn check(format: DiskFormat, head: &[u8]) -> Result<(), &'static str> {
    match format {
        DiskFormat::Vdi => match vdi::parse(head) {
            Some(header) if header.is_differencing => Err(DIFFERENCING),
            Some(_) => Ok(()),
            None => Err(UNUSUAL),
        },
        DiskFormat::Vmdk => vmdk(head),
        DiskFormat::Vhd => match big32(head, 60) {
            Some(4) => Err(DIFFERENCING),
            Some(_) => Ok(()),
            None => Err(UNUSUAL),
        },
        DiskFormat::Qcow => qcow(head),
        // VirtualBox itself refuses a VHDX with a parent.
        DiskFormat::Vhdx | DiskFormat::Raw => Ok(()),
    }
}

fn qcow(head: &[u8]) -> Result<(), &'static str> {
    let (Some(version), Some(backing), Some(encryption)) = (
        big32(head, 4),
        big64(head, 8),
        big32(head, if big32(head, 4) == Some(1) { 36 } else { 32 }),
    ) else {
        return Err(UNUSUAL);
    };
    if backing != 0 {
        return Err(DIFFERENCING);
    }
    if encryption != 0 {
        return Err("it is encrypted; decrypt it with `qemu-img convert` first");
    }
    const EXTERNAL_DATA: u64 = 1 << 2;
    if version >= 3 && big64(head, 72).is_none_or(|features| features & EXTERNAL_DATA != 0) {
        return Err(ELSEWHERE);
    }
    Ok(())
}

fn vmdk(head: &[u8]) -> Result<(), &'static str> {
    if head.starts_with(b"COWD") {
        return Ok(());
    }
    let place = |at| usize::try_from(little64(head, at)?.checked_mul(512)?).ok();
    let (Some(start), Some(length)) = (place(28), place(36)) else { return Err(UNUSUAL) };
    let Some(text) = start.checked_add(length).and_then(|end| head.get(start..end)) else {
        return Err(UNUSUAL);
    };
    let text = String::from_utf8_lossy(text);
    let lines = || text.trim_end_matches('\0').lines().map(str::trim);
    let parent = lines().find_map(|line| line.strip_prefix("parentCID="));
    if parent.is_some_and(|id| !id.trim().eq_ignore_ascii_case("ffffffff")) {
        return Err(DIFFERENCING);
    }
    let mut extents = lines().filter_map(extent);
    match (extents.next(), extents.next()) {
        (Some(extent), None) if extent.kind == "SPARSE" => Ok(()),
        (None, _) => Err(UNUSUAL),
        _ => Err(ELSEWHERE),
    }
}

/// A part of a VMDK disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extent<'a> {
    pub(super) kind: &'a str,
    /// The file that it is in; none for a part of zeros.
    pub(super) file: Option<&'a str>,
}

/// `RW 63 SPARSE "disk.vmdk"`: a line of a VMDK's descriptor that names a part of the disk.
pub(super) fn extent(line: &str) -> Option<Extent<'_>> {
    let (access, rest) = line.split_once(' ')?;
    if !matches!(access, "RW" | "RDONLY" | "NOACCESS") {
        return None;
    }
    let mut words = rest.split_whitespace();
    let (_sectors, kind) = (words.next()?, words.next()?);
    Some(Extent { kind, file: line.split('"').nth(1) })
}

/// The files that a VMDK descriptor names, which must be beside it.
pub(super) fn files_of_descriptor(text: &str) -> Result<Vec<&str>, &'static str> {
    let parent = text.lines().find_map(|line| line.trim().strip_prefix("parentCID="));
    if parent.is_some_and(|id| !id.trim().eq_ignore_ascii_case("ffffffff")) {
        return Err(DIFFERENCING);
    }
    let mut files = Vec::new();
    for extent in text.lines().map(str::trim).filter_map(extent) {
        if !matches!(extent.kind, "SPARSE" | "FLAT" | "VMFS" | "VMFSSPARSE" | "ZERO") {
            return Err(ELSEWHERE);
        }
        let Some(file) = extent.file else { continue };
        if file.is_empty() || file.contains(['/', '\\', '\0']) || file == ".." {
            return Err("it names files in other folders as its parts");
        }
        if !files.contains(&file) {
            files.push(file);
        }
    }
    if files.is_empty() { Err(UNUSUAL) } else { Ok(files) }
}

fn big32(head: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?))
}

fn big64(head: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(head.get(at..at + 8)?.try_into().ok()?))
}

fn little64(head: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vmdk_with(descriptor: &str) -> Vec<u8> {
        let mut head = vec![0; 4096];
        head[..4].copy_from_slice(b"KDMV");
        head[28..36].copy_from_slice(&1_u64.to_le_bytes());
        head[36..44].copy_from_slice(&4_u64.to_le_bytes());
        head[512..512 + descriptor.len()].copy_from_slice(descriptor.as_bytes());
        head
    }

    #[test]
    fn a_vmdk_must_hold_its_sectors_itself() {
        for (descriptor, good) in [
            ("parentCID=ffffffff\nRW 63 SPARSE \"x.vmdk\"\n", true),
            ("parentCID=12345678\nRW 63 SPARSE \"x.vmdk\"\n", false),
            ("parentCID=ffffffff\nRW 63 FLAT \"/etc/shadow\" 0\n", false),
            ("RW 63 SPARSE \"x.vmdk\"\nRW 63 SPARSE \"y.vmdk\"\n", false),
            ("", false),
        ] {
            let result = check(DiskFormat::Vmdk, &vmdk_with(descriptor));
            assert_eq!(result.is_ok(), good, "{descriptor}");
        }
    }

    #[test]
    fn a_qcow_must_stand_alone() {
        let header = |version: u32, backing: u64, encryption: u32, features: u64| {
            let mut head = vec![0; 128];
            head[..4].copy_from_slice(b"QFI\xfb");
            head[4..8].copy_from_slice(&version.to_be_bytes());
            head[8..16].copy_from_slice(&backing.to_be_bytes());
            head[32..36].copy_from_slice(&encryption.to_be_bytes());
            head[72..80].copy_from_slice(&features.to_be_bytes());
            head
        };
        for (head, good) in [
            (header(2, 0, 0, 0), true),
            (header(3, 0, 0, 1), true),
            (header(3, 104, 0, 0), false),
            (header(3, 0, 1, 0), false),
            (header(3, 0, 0, 4), false),
        ] {
            assert_eq!(check(DiskFormat::Qcow, &head).is_ok(), good);
        }
    }

    #[test]
    fn a_descriptor_names_files_beside_it_only() {
        let files = files_of_descriptor(
            "# Disk DescriptorFile\nparentCID=ffffffff\nRW 10 SPARSE \"a-s001.vmdk\"\n\
             RW 10 SPARSE \"a-s002.vmdk\"\nRW 5 ZERO\n",
        );
        assert_eq!(files, Ok(vec!["a-s001.vmdk", "a-s002.vmdk"]));
        for text in [
            "RW 10 FLAT \"/etc/shadow\" 0",
            "RW 10 FLAT \"../x\" 0",
            "RW 10 VMFSRDM \"x\"",
            "parentCID=00000001\nRW 10 SPARSE \"x\"",
            "",
        ] {
            assert!(files_of_descriptor(text).is_err(), "{text}");
        }
    }
}
