//! Disks with something on them, in all formats.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::support::{Stage, text};

const MIB: usize = 1024 * 1024;

/// The sectors of a disk of 5 MiB and a bit: a partition table, holes, and bytes that do not repeat.
pub fn sectors(seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; 5 * MIB + 512 * 8];
    let mut state = u32::from(seed) + 1;
    for byte in &mut bytes[MIB..MIB + 300_000] {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
    bytes[3 * MIB + 77] = seed;
    let end = bytes.len();
    bytes[end - 3] = 9;
    bytes[510..512].copy_from_slice(b"\x55\xaa");
    bytes
}

/// Writes the disk as it is.
pub fn raw(stage: &Stage, name: &str, seed: u8) -> PathBuf {
    let path = stage.folder.join(name);
    std::fs::write(&path, sectors(seed)).expect("written");
    path
}

/// Has VirtualBox write the disk in a format and variant of its own.
pub fn converted(stage: &Stage, name: &str, format: &str, variant: &str, seed: u8) -> PathBuf {
    let source = raw(stage, &format!("{name}.source"), seed);
    let path = stage.folder.join(name);
    let arguments =
        ["convertfromraw", &text(&source), &text(&path), "--format", format, "--variant", variant];
    stage.vbox().vboxmanage(&arguments).expect("converted");
    std::fs::remove_file(source).expect("removed");
    path
}

/// The sectors that VirtualBox sees in a disk.
pub fn content(stage: &Stage, disk: &Path) -> Vec<u8> {
    let target = text(&stage.folder.join("content.raw"));
    let path = text(disk);
    stage
        .vbox()
        .vboxmanage(&["clonemedium", "disk", &path, &target, "--format", "RAW"])
        .expect("read");
    stage.vbox().vboxmanage(&["closemedium", "disk", &target]).expect("closed");
    let bytes = std::fs::read(&target).expect("reads");
    std::fs::remove_file(target).expect("removed");
    bytes
}

/// Packs a file with gzip.
pub fn gzip(file: &Path) -> PathBuf {
    let packed = PathBuf::from(format!("{}.gz", file.display()));
    let target = std::fs::File::create(&packed).expect("a file");
    let mut packer = flate2::write::GzEncoder::new(target, flate2::Compression::fast());
    packer.write_all(&std::fs::read(file).expect("reads")).expect("packed");
    packer.finish().expect("packed");
    packed
}

/// Packs a file with xz.
pub fn xz(file: &Path) -> PathBuf {
    let packed = PathBuf::from(format!("{}.xz", file.display()));
    let options = lzma_rust2::XzOptions::with_preset(1);
    let target = std::fs::File::create(&packed).expect("a file");
    let mut packer = lzma_rust2::XzWriter::new(target, options).expect("a packer");
    packer.write_all(&std::fs::read(file).expect("reads")).expect("packed");
    packer.finish().expect("packed");
    packed
}

/// Puts files into an archive.
pub fn tar(target: &Path, files: &[(&str, Vec<u8>)]) {
    let mut builder = tar::Builder::new(std::fs::File::create(target).expect("a file"));
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, content.as_slice()).expect("appended");
    }
    builder.finish().expect("an archive");
}

/// What VirtualBox would write beside a disk that it exports.
pub fn ovf(disk: &str) -> Vec<u8> {
    format!(
        r#"<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="r" xmlns:vbox="http://www.virtualbox.org/ovf/machine">
<References><File ovf:href="{disk}" ovf:id="file1"/></References>
<DiskSection><Disk ovf:capacity="1" ovf:diskId="vmdisk1" ovf:fileRef="file1"/></DiskSection>
<VirtualSystem ovf:id="x"><OperatingSystemSection ovf:id="96">
<vbox:OSType ovf:required="false">Debian_64</vbox:OSType></OperatingSystemSection>
<VirtualHardwareSection>
<Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>5</rasd:ResourceType></Item>
<Item><rasd:HostResource>/disk/vmdisk1</rasd:HostResource><rasd:InstanceID>9</rasd:InstanceID>
<rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
</VirtualHardwareSection></VirtualSystem></Envelope>"#
    )
    .into_bytes()
}
