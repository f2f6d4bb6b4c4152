//! Finding what lies mounted below a folder, and whose namespaces use it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::holder::processes;
use super::tool::Tool;

/// Mount points below `folder` in this process's mount namespace, innermost first.
pub(crate) fn below(folder: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut found = mount_points(&table, folder);
    found.reverse();
    found
}

/// Unmounts everything below `folder`, lazily where it is busy, and returns what is still there.
pub(crate) fn unmount_below(folder: &Path) -> Vec<PathBuf> {
    for point in below(folder) {
        if !Tool::new("umount").arg(&point).succeeds() {
            Tool::new("umount").arg("--lazy").arg(&point).succeeds();
        }
    }
    below(folder)
}

/// Processes that run in one of the lab's roots, no matter who started them: their root is one of
/// `roots`, or their namespace has an overlay mounted whose upper layer is below `folder`.
pub(crate) fn processes_inside(folder: &Path, roots: &[PathBuf]) -> Vec<u32> {
    let roots: Vec<(u64, u64)> = roots.iter().filter_map(|root| identity(root)).collect();
    processes()
        .filter(|pid| {
            let process = PathBuf::from(format!("/proc/{pid}"));
            identity(&process.join("root/")).is_some_and(|root| roots.contains(&root))
                || fs::read_to_string(process.join("mountinfo"))
                    .is_ok_and(|table| has_overlay_of(&table, folder))
        })
        .collect()
}

/// What tells a folder from every other one, however it is reached.
fn identity(folder: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(folder).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn has_overlay_of(table: &str, folder: &Path) -> bool {
    table.contains(&format!("upperdir={}/", folder.display()))
}

fn mount_points(table: &str, folder: &Path) -> Vec<PathBuf> {
    table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|point| PathBuf::from(unescape(point)))
        .filter(|point| point.starts_with(folder) && point != folder)
        .collect()
}

/// The kernel writes blank, tab, newline and backslash as octal.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 22 0:30 / /cache/lab/root/dev rw - tmpfs dev rw
41 40 0:31 / /cache/lab/root/dev/a\\040b rw - devpts devpts rw
42 22 254:0 /cache/lab/shared /mnt rw - ext4 /dev/vda rw
43 22 0:33 / /cache/laboratory rw - overlay o rw,upperdir=/cache/other/upper,workdir=/w
";

    #[test]
    fn mount_points_below_a_folder_only() {
        assert_eq!(
            mount_points(TABLE, Path::new("/cache/lab")),
            [PathBuf::from("/cache/lab/root/dev"), PathBuf::from("/cache/lab/root/dev/a b")]
        );
    }

    #[test]
    fn a_namespace_is_known_by_its_overlay() {
        assert!(has_overlay_of(TABLE, Path::new("/cache/other")));
        assert!(!has_overlay_of(TABLE, Path::new("/cache/oth")));
        assert!(!has_overlay_of(TABLE, Path::new("/cache/lab")));
    }

    #[test]
    fn a_process_is_found_by_its_root() {
        let nowhere = Path::new("/nowhere");
        let here = processes_inside(nowhere, &[PathBuf::from("/")]);
        assert!(here.contains(&std::process::id()));
        assert!(processes_inside(nowhere, &[PathBuf::from("/proc")]).is_empty());
    }
}
