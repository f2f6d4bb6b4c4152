//! From whatever holds a disk to the disk.

use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::error::ImageError;
use super::events::Watch;
use super::format::{DiskFormat, HEAD, Kind, detect};
use super::ovf::Ovf;
use super::{self_contained, vdi, write_failed};
use crate::error::Error;

/// Packed in packed in packed is somebody's joke.
const MAX_DEPTH: usize = 4;

/// A disk that was found and written.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) file: PathBuf,
    /// VDI, or what VirtualBox must make a VDI of.
    pub(super) format: DiskFormat,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) disk: Disk,
    /// What an OVA or a box says about the machine.
    pub(super) ovf: Option<Ovf>,
    /// Whether it is a Vagrant box.
    pub(super) is_box: bool,
    /// The private key of the box's user, if the box brings it.
    pub(super) key: Option<String>,
}

/// Unpacks into a folder.
pub(super) struct Unpacker<'a> {
    pub(super) folder: &'a Path,
    /// Take what has no partition table as a disk nevertheless.
    pub(super) accept_raw: bool,
    pub(super) watch: &'a Watch,
}

impl Unpacker<'_> {
    /// Reads a stream of that name until its disk is found and written.
    pub(super) fn stream(&self, name: &str, stream: &mut dyn Read) -> Result<Unpacked, Error> {
        self.nested(name, "disk", stream, 0)
    }

    pub(super) fn nested(
        &self,
        name: &str,
        stem: &str,
        stream: &mut dyn Read,
        depth: usize,
    ) -> Result<Unpacked, Error> {
        let unusable = |problem: &str| unusable(name, problem);
        if depth == MAX_DEPTH {
            return Err(unusable("it is packed more often than anybody packs a disk"));
        }
        let mut head = Vec::with_capacity(HEAD);
        stream.take(HEAD as u64).read_to_end(&mut head).map_err(|e| self.damaged(name, &e))?;
        let kind = match detect(&head) {
            Kind::Unknown if self.accept_raw || says_raw(name) => Kind::Disk(DiskFormat::Raw),
            kind => kind,
        };
        let format = match kind {
            Kind::Disk(format) => format,
            Kind::Gzip | Kind::Xz => {
                let mut whole = Cursor::new(head).chain(stream);
                return self.unpacked(name, stem, kind, &mut whole, depth);
            }
            Kind::Tar => return self.archive(name, &mut Cursor::new(head).chain(stream), depth),
            Kind::VmdkDescriptor => {
                return Err(unusable(
                    "it only names the files that hold the disk; give it as a local file with \
                     these beside it",
                ));
            }
            Kind::Unusable(problem) => return Err(unusable(problem)),
            Kind::Unknown => {
                return Err(unusable(
                    "it is no disk image that is known here; if it is a raw disk without a \
                     partition table, accept raw disks (`accept_raw`, or --raw)",
                ));
            }
        };
        self_contained::check(format, &head).map_err(unusable)?;
        let mut whole = Cursor::new(head).chain(stream);
        let disk = match format {
            DiskFormat::Raw => self.raw(name, stem, &mut whole)?,
            _ => self.copy(name, stem, format, &mut whole)?,
        };
        Ok(Unpacked { disk, ovf: None, is_box: false, key: None })
    }

    /// Sectors become a VDI as they come.
    fn raw(&self, name: &str, stem: &str, stream: &mut dyn Read) -> Result<Disk, Error> {
        let file = self.folder.join(format!("{stem}.vdi"));
        let mut writer = vdi::Writer::create(&file).map_err(|e| write_failed(&file, e))?;
        self.pump(name, stream, |bytes| writer.write(bytes).map_err(|e| write_failed(&file, e)))?;
        writer.finish()?.map_err(|problem| unusable(name, problem))?;
        Ok(Disk { file, format: DiskFormat::Vdi })
    }

    fn copy(
        &self,
        name: &str,
        stem: &str,
        format: DiskFormat,
        stream: &mut dyn Read,
    ) -> Result<Disk, Error> {
        let file = self.folder.join(format!("{stem}.{}", format.extension()));
        let failed = |e| write_failed(&file, e);
        let mut target =
            File::options().write(true).create_new(true).open(&file).map_err(failed)?;
        self.pump(name, stream, |bytes| target.write_all(bytes).map_err(failed))?;
        target.sync_data().map_err(failed)?;
        Ok(Disk { file, format })
    }

    fn pump(
        &self,
        name: &str,
        stream: &mut dyn Read,
        mut write: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => write(buffer.get(..count).unwrap_or_default())?,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(self.damaged(name, &e)),
            }
        }
    }

    /// The stream ended in an error: because it is damaged, or because nobody wants it any more.
    pub(super) fn damaged(&self, name: &str, error: &io::Error) -> Error {
        match self.watch.check() {
            Err(abandoned) => abandoned.into(),
            Ok(()) => unusable(name, &format!("it is damaged or cut short ({error})")),
        }
    }

    #[cfg(feature = "unpack")]
    fn unpacked(
        &self,
        name: &str,
        stem: &str,
        kind: Kind,
        packed: &mut dyn Read,
        depth: usize,
    ) -> Result<Unpacked, Error> {
        let inner = name.trim_end_matches(".gz").trim_end_matches(".xz");
        match kind {
            Kind::Xz => {
                let mut plain = lzma_rust2::XzReader::new(packed, true);
                self.nested(inner, stem, &mut plain, depth + 1)
            }
            _ => {
                let mut plain = flate2::read::MultiGzDecoder::new(packed);
                self.nested(inner, stem, &mut plain, depth + 1)
            }
        }
    }

    #[cfg(not(feature = "unpack"))]
    fn unpacked(
        &self,
        name: &str,
        _: &str,
        _: Kind,
        _: &mut dyn Read,
        _: usize,
    ) -> Result<Unpacked, Error> {
        Err(ImageError::NotBuilt { source_name: name.to_owned(), feature: "unpack" }.into())
    }

    #[cfg(not(feature = "unpack"))]
    fn archive(&self, name: &str, _: &mut dyn Read, _: usize) -> Result<Unpacked, Error> {
        Err(ImageError::NotBuilt { source_name: name.to_owned(), feature: "unpack" }.into())
    }
}

pub(super) fn unusable(name: &str, problem: &str) -> Error {
    ImageError::Unusable { source_name: name.to_owned(), problem: problem.to_owned() }.into()
}

/// Whether the name says that it is a disk's sectors and nothing else.
fn says_raw(name: &str) -> bool {
    let extension = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    matches!(extension.as_str(), "raw" | "img")
}
