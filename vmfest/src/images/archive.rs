//! OVAs and Vagrant boxes: a disk in a tar file, with what is known about it.

use std::io::Read;

use super::digest::Tap;
use super::ovf::{self, Ovf};
use super::unpack::{Disk, Unpacked, Unpacker, unusable};
use crate::error::Error;

/// Descriptions are small; anything larger is something else.
const MAX_TEXT: u64 = 4 * 1024 * 1024;

/// The extensions that disks have in archives.
const DISKS: [&str; 8] = ["vmdk", "vdi", "vhd", "vhdx", "qcow2", "raw", "img", "gz"];

/// What an archive holds that is of use.
#[derive(Default)]
struct Contents {
    /// Name in the archive, digest there, disk.
    disks: Vec<(String, String, Disk)>,
    ovf: Option<Ovf>,
    manifest: String,
    key: Option<String>,
    is_box: bool,
}

impl Unpacker<'_> {
    /// Nothing is written under a name that the archive gives.
    pub(super) fn archive(
        &self,
        name: &str,
        stream: &mut dyn Read,
        depth: usize,
    ) -> Result<Unpacked, Error> {
        let mut contents = Contents::default();
        let mut archive = tar::Archive::new(stream);
        let entries = archive.entries().map_err(|e| self.damaged(name, &e))?;
        for entry in entries {
            let mut entry = entry.map_err(|e| self.damaged(name, &e))?;
            if !entry.header().entry_type().is_file()
                && !entry.header().entry_type().is_gnu_sparse()
            {
                continue;
            }
            let path = entry.path_bytes();
            let path = String::from_utf8_lossy(&path);
            let file = path.rsplit('/').next().unwrap_or_default().to_owned();
            self.entry(name, &file, &mut entry, depth, &mut contents)?;
        }
        self.choose(name, contents)
    }

    fn entry(
        &self,
        archive: &str,
        file: &str,
        entry: &mut dyn Read,
        depth: usize,
        contents: &mut Contents,
    ) -> Result<(), Error> {
        let extension = file.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let inside = format!("{file} in {archive}");
        match (file, extension.as_str()) {
            (_, "ovf") => {
                let text = self.text(&inside, entry)?;
                let parsed = ovf::parse(&text);
                contents.ovf = Some(parsed.map_err(|e| unusable(&inside, &e))?);
            }
            (_, "mf") => contents.manifest = self.text(&inside, entry)?,
            // What Vagrant puts into boxes; a Vagrantfile is a program and stays one.
            ("metadata.json" | "Vagrantfile", _) => contents.is_box = true,
            ("vagrant_private_key", _) => contents.key = Some(self.text(&inside, entry)?),
            (_, extension) if DISKS.contains(&extension) => {
                let stem = format!("disk-{}", contents.disks.len() + 1);
                let mut tap = Tap::new(entry, None);
                let found = self.nested(&inside, &stem, &mut tap, depth + 1)?;
                let digest = tap.finish().map_err(|e| self.damaged(&inside, &e))?;
                contents.disks.push((file.to_owned(), digest, found.disk));
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&self, name: &str, stream: &mut dyn Read) -> Result<String, Error> {
        let mut text = String::new();
        let read = stream.take(MAX_TEXT + 1).read_to_string(&mut text);
        read.map_err(|e| self.damaged(name, &e))?;
        if text.len() as u64 > MAX_TEXT {
            return Err(unusable(name, "it is too large for a description"));
        }
        Ok(text)
    }

    fn choose(&self, name: &str, contents: Contents) -> Result<Unpacked, Error> {
        let Contents { disks, ovf, manifest, key, is_box } = contents;
        let named = ovf.as_ref().and_then(|ovf| ovf.disk.clone());
        let names: Vec<_> = disks.iter().map(|(file, ..)| file.clone()).collect();
        let chosen = match (&named, names.len()) {
            (_, 0) => return Err(unusable(name, "there is no disk in this archive")),
            (Some(named), _) => names.iter().position(|file| file == named),
            (None, 1) => Some(0),
            (None, _) => None,
        };
        let Some(chosen) = chosen else {
            let problem = match named {
                Some(named) => format!("its description names the disk {named}, which is missing"),
                None => format!(
                    "it holds several disks ({}) and nothing says which one boots; unpack it and \
                     import that one",
                    names.join(", ")
                ),
            };
            return Err(unusable(name, &problem));
        };
        let mut result = None;
        for (index, (file, digest, disk)) in disks.into_iter().enumerate() {
            if index != chosen {
                self.watch.note(format!("{name} has more than one disk; {file} is left out"));
                let removed = std::fs::remove_file(&disk.file);
                removed.map_err(|e| Error::io("delete the file", &disk.file, e))?;
                continue;
            }
            if let Some(expected) = manifest_digest(&manifest, &file)
                && expected != digest
            {
                return Err(super::ImageError::Checksum {
                    source_name: format!("{file} in {name}"),
                    expected,
                    found: digest,
                    origin: "by the archive's manifest".to_owned(),
                }
                .into());
            }
            result = Some(disk);
        }
        let disk = result.ok_or_else(|| unusable(name, "there is no disk in this archive"))?;
        Ok(Unpacked { disk, ovf, is_box, key })
    }
}

/// `SHA256(box-disk001.vmdk)= 3a1f…`
fn manifest_digest(manifest: &str, file: &str) -> Option<String> {
    let start = format!("SHA256({file})");
    let line = manifest.lines().find_map(|line| line.trim().strip_prefix(&start))?;
    Some(line.trim_start_matches(|c: char| c == '=' || c.is_whitespace()).trim().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::events::Watch;
    use std::path::Path;

    fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            // Past the library's own check, as an attacker would.
            header.as_gnu_mut().expect("gnu").name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *content).expect("appended");
        }
        builder.into_inner().expect("a tar")
    }

    fn unpack(folder: &Path, bytes: &[u8]) -> Result<Unpacked, Error> {
        let (watch, _wanted) = Watch::new(None);
        let unpacker = Unpacker { folder, accept_raw: false, watch: &watch };
        unpacker.stream("x.box", &mut &bytes[..])
    }

    fn disk() -> Vec<u8> {
        let mut disk = vec![0; 1024];
        disk[510..512].copy_from_slice(b"\x55\xaa");
        disk
    }

    #[test]
    fn a_box_with_its_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = disk();
        let tar = tar_of(&[
            ("./Vagrantfile", b"puts 'hello'"),
            ("./vagrant_private_key", b"KEY"),
            ("../../escape.img", &disk),
        ]);
        let found = unpack(folder.path(), &tar).expect("unpacks");
        assert!(found.is_box);
        assert_eq!(found.key.as_deref(), Some("KEY"));
        assert_eq!(found.disk.file, folder.path().join("disk-1.vdi"));
        let files = std::fs::read_dir(folder.path()).expect("reads").count();
        assert_eq!(files, 1, "nothing else was written");
    }

    #[test]
    fn the_manifest_is_heeded() {
        use sha2::Digest;
        let disk = disk();
        let right: String =
            sha2::Sha256::digest(&disk).iter().map(|byte| format!("{byte:02x}")).collect();
        for (digest, good) in [(right, true), ("0".repeat(64), false)] {
            let folder = tempfile::tempdir().expect("a folder");
            let manifest =
                format!("SHA256(other.ovf)= {}\nSHA256(d.img)= {digest}\n", "1".repeat(64));
            let tar = tar_of(&[("d.img", &disk), ("x.mf", manifest.as_bytes())]);
            assert_eq!(unpack(folder.path(), &tar).is_ok(), good);
        }
    }

    #[test]
    fn archives_without_the_one_disk() {
        let disk = disk();
        for (tar, part) in [
            (tar_of(&[("a.txt", b"x")]), "no disk"),
            (tar_of(&[("a.img", &disk), ("b.img", &disk)]), "several disks (a.img, b.img)"),
            (
                tar_of(&[
                    ("a.img", &disk),
                    (
                        "a.ovf",
                        b"<E><References><File id=\"f\" href=\"z.vmdk\"/></References>\
                          <DiskSection><Disk diskId=\"d\" fileRef=\"f\"/></DiskSection></E>",
                    ),
                ]),
                "names the disk z.vmdk, which is missing",
            ),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let error = unpack(folder.path(), &tar).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
