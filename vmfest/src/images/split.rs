//! VMDK disks of several files: a text that names the parts, which are beside it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::events::{Step, Watch};
use super::format::DiskFormat;
use super::unpack::{Disk, unusable};
use super::{read_failed, self_contained, space, write_failed};
use crate::error::Error;

/// A descriptor is a page of text.
const MAX_DESCRIPTOR: u64 = 1024 * 1024;

/// Copies such a disk with all its parts into a folder.
pub(super) fn copy(source: &Path, folder: &Path, watch: &Watch) -> Result<Disk, Error> {
    let name = source.display().to_string();
    let mut text = String::new();
    File::open(source)
        .and_then(|file| file.take(MAX_DESCRIPTOR).read_to_string(&mut text))
        .map_err(|e| read_failed(source, e))?;
    let parts = self_contained::files_of_descriptor(&text).map_err(|p| unusable(&name, p))?;
    // The parts keep their names, as the descriptor knows them; so does the descriptor.
    let parts: Vec<(PathBuf, PathBuf)> =
        parts.iter().map(|part| (source.with_file_name(part), folder.join(part))).collect();
    let file = folder.join(format!("disk.{}", DiskFormat::Vmdk.extension()));
    if let Some((_, clash)) = parts.iter().find(|(_, target)| *target == file || target.exists()) {
        return Err(unusable(&name, &format!("a part of it is called {}", clash.display())));
    }
    let mut total = 0;
    for (part, _) in &parts {
        let size = std::fs::metadata(part).map_err(|e| read_failed(part, e))?.len();
        total += size;
    }
    space::check(folder, total.saturating_mul(2))?;
    let mut meter = watch.begin(Step::Unpack, Some(total));
    for (part, target) in &parts {
        let mut from = File::open(part).map_err(|e| read_failed(part, e))?;
        let failed = |e| write_failed(target, e);
        let mut to = File::options().write(true).create_new(true).open(target).map_err(failed)?;
        loop {
            let mut piece = from.by_ref().take(4 * 1024 * 1024);
            let count = std::io::copy(&mut piece, &mut to).map_err(failed)?;
            meter.add(count)?;
            if count == 0 {
                break;
            }
        }
    }
    std::fs::write(&file, text).map_err(|e| write_failed(&file, e))?;
    Ok(Disk { file, format: DiskFormat::Vmdk })
}
