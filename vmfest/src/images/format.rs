//! What a file is, by its first bytes.

/// How much of a file's beginning is looked at: all that is said about a VMDK disk, and a CD's
/// magic bytes.
pub(crate) const HEAD: usize = 256 * 1024;

/// What a file turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Disk(DiskFormat),
    /// A text that names the files in which a VMDK disk really is.
    VmdkDescriptor,
    Gzip,
    Xz,
    /// An OVA, a Vagrant box, or just an archive.
    Tar,
    /// Nothing that can be used; what it is instead, and what to do.
    Unusable(&'static str),
    /// No magic bytes, no partition table: perhaps a disk without either.
    Unknown,
}

/// Formats of disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskFormat {
    /// VirtualBox
    Vdi,
    /// VMware
    Vmdk,
    /// Virtual PC, of the growing kind; the fixed kind is raw with a sector at its end
    Vhd,
    /// Hyper-V
    Vhdx,
    /// QEMU
    Qcow,
    /// the disk's sectors and nothing else
    Raw,
}

impl DiskFormat {
    /// The extension by which VirtualBox tells formats.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Vdi => "vdi",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Qcow => "qcow2",
            Self::Raw => "raw",
        }
    }
}

/// What begins with these bytes.
pub(crate) fn detect(head: &[u8]) -> Kind {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..offset + magic.len()).is_some_and(|found| found == magic)
    };
    let disk = Kind::Disk;
    if at(0x40, &0xbeda_107f_u32.to_le_bytes()) {
        disk(DiskFormat::Vdi)
    } else if at(0, b"KDMV") || at(0, b"COWD") {
        disk(DiskFormat::Vmdk)
    } else if at(0, b"# Disk DescriptorFile") {
        Kind::VmdkDescriptor
    } else if at(0, b"conectix") {
        disk(DiskFormat::Vhd)
    } else if at(0, b"vhdxfile") {
        disk(DiskFormat::Vhdx)
    } else if at(0, b"QFI\xfb") {
        disk(DiskFormat::Qcow)
    } else if at(0, b"\x1f\x8b\x08") {
        Kind::Gzip
    } else if at(0, b"\xfd7zXZ\0") {
        Kind::Xz
    } else if at(257, b"ustar") {
        Kind::Tar
    } else if at(0, b"PK\x03\x04") {
        Kind::Unusable("it is a zip archive; unpack it and import the disk inside")
    } else if at(0, b"BZh") {
        Kind::Unusable("it is packed with bzip2; unpack it with `bunzip2` first")
    } else if at(0, b"\x28\xb5\x2f\xfd") {
        Kind::Unusable("it is packed with zstd; unpack it with `unzstd` first")
    } else if at(0, b"7z\xbc\xaf\x27\x1c") {
        Kind::Unusable("it is a 7-Zip archive; unpack it and import the disk inside")
    } else if at(0, b"QED\0") || at(0, b"WithoutFreeSpace") || at(0, b"WithouFreSpacExt") {
        Kind::Unusable("it is in a rare disk format; convert it with `qemu-img convert -O vdi`")
    } else if at(0x8001, b"CD001") && !at(510, b"\x55\xaa") {
        Kind::Unusable("it is a CD image, not a hard disk; install from it, then clone that VM")
    } else if is_html(head) {
        Kind::Unusable("it is a web page; is the address right, or does the server want a login?")
    } else if at(510, b"\x55\xaa") || at(512, b"EFI PART") {
        disk(DiskFormat::Raw)
    } else if head.is_empty() {
        Kind::Unusable("it is empty")
    } else {
        Kind::Unknown
    }
}

fn is_html(head: &[u8]) -> bool {
    let start = head.trim_ascii_start();
    ["<!doctype", "<html", "<?xml"]
        .iter()
        .any(|tag| start.get(..tag.len()).is_some_and(|s| s.eq_ignore_ascii_case(tag.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(offset: usize, magic: &[u8]) -> Vec<u8> {
        let mut head = vec![0; 1024];
        head[offset..offset + magic.len()].copy_from_slice(magic);
        head
    }

    #[test]
    fn formats_are_told_by_their_magic_bytes() {
        for (head, expected) in [
            (with(0x40, b"\x7f\x10\xda\xbe"), Kind::Disk(DiskFormat::Vdi)),
            (with(0, b"KDMV"), Kind::Disk(DiskFormat::Vmdk)),
            (with(0, b"# Disk DescriptorFile\n"), Kind::VmdkDescriptor),
            (with(0, b"conectix"), Kind::Disk(DiskFormat::Vhd)),
            (with(0, b"QFI\xfb"), Kind::Disk(DiskFormat::Qcow)),
            (with(510, b"\x55\xaa"), Kind::Disk(DiskFormat::Raw)),
            (with(512, b"EFI PART"), Kind::Disk(DiskFormat::Raw)),
            (with(0, b"\x1f\x8b\x08"), Kind::Gzip),
            (with(0, b"\xfd7zXZ\0"), Kind::Xz),
            (with(257, b"ustar\0"), Kind::Tar),
            (vec![0; 1024], Kind::Unknown),
        ] {
            assert_eq!(detect(&head), expected);
        }
    }

    #[test]
    fn what_cannot_be_used_is_called_by_its_name() {
        for (head, part) in [
            (b"<!DOCTYPE HTML><html>".to_vec(), "web page"),
            (b"\n <html>".to_vec(), "web page"),
            (b"PK\x03\x04".to_vec(), "zip"),
            (b"BZh9".to_vec(), "bunzip2"),
            (vec![], "empty"),
        ] {
            match detect(&head) {
                Kind::Unusable(problem) => assert!(problem.contains(part), "{problem}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
