//! What `useradd` makes a new home directory of.

use pallet_core::action::{Key, ProbeKind};

use crate::values::FileMode;

/// Asks what is copied into a new user's home directory: everything, at whatever depth, relative
/// to it.
#[derive(Debug)]
pub struct Skeleton;

/// Asks which mode a new user's home directory gets.
#[derive(Debug)]
pub struct HomeMode;

impl ProbeKind for Skeleton {
    const NAME: &'static str = "skeleton";
    type Request = ();
    type Answer = Vec<String>;

    /// Where it is can be set, but who does that in the same phase in which they change it?
    fn key((): &()) -> Key {
        Key::tree("/etc/skel")
    }

    fn script(_: &[()]) -> String {
        // bash alone, without a process.
        "folder=/etc/skel\n\
         if [ -r /etc/default/useradd ]; then\n\
         while IFS='=' read -r name value; do case $name in\n\
         SKEL) value=${value%\\\"}; folder=${value#\\\"} ;;\n\
         esac; done </etc/default/useradd\n\
         fi\n\
         shopt -s nullglob dotglob\n\
         list() { local entry; for entry in \"$1\"/*; do\n\
         case $entry in */.|*/..) continue ;; esac\n\
         printf '%s\\0' \"${entry#\"$folder\"/}\"\n\
         if [ -d \"$entry\" ] && [ ! -L \"$entry\" ]; then list \"$entry\"; fi\n\
         done; }\n\
         list \"$folder\"\n"
            .to_owned()
    }

    fn parse(_: &[()], output: &[u8]) -> Result<Vec<Vec<String>>, String> {
        let output = String::from_utf8_lossy(output);
        Ok(vec![output.split_terminator('\0').map(str::to_owned).collect()])
    }
}

impl ProbeKind for HomeMode {
    const NAME: &'static str = "home-mode";
    type Request = ();
    type Answer = FileMode;

    fn key((): &()) -> Key {
        Key::path("/etc/login.defs")
    }

    fn script(_: &[()]) -> String {
        "mode= mask=022\n\
         if [ -r /etc/login.defs ]; then\n\
         while read -r name value _; do case $name in\n\
         HOME_MODE) mode=$value ;; UMASK) mask=$value ;;\n\
         esac; done </etc/login.defs\n\
         fi\n\
         [ -n \"$mode\" ] || printf -v mode %o $((0777 & ~0$mask))\n\
         printf '%s\\n' \"$mode\"\n"
            .to_owned()
    }

    fn parse(_: &[()], output: &[u8]) -> Result<Vec<FileMode>, String> {
        let output = String::from_utf8_lossy(output);
        let mode = output.trim_end();
        let bits = u32::from_str_radix(mode, 8).map_err(|_| format!("`{mode}` is no mode"))?;
        Ok(vec![FileMode::from_bits(bits)])
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::testing::ask;
    use super::*;

    #[test]
    fn lists_the_skeleton_of_this_machine() {
        let mut entries = ask::<Skeleton>(&[()]).remove(0);
        let find = ["/etc/skel", "-mindepth", "1", "-printf", "%P\\0"];
        let output = Command::new("find").args(find).output().unwrap();
        let listing = String::from_utf8(output.stdout).unwrap();
        let mut expected: Vec<&str> = listing.split_terminator('\0').collect();
        expected.sort_unstable();
        entries.sort_unstable();
        assert_eq!(entries, expected);
    }

    #[test]
    fn modes_and_nonsense() {
        let here = ask::<HomeMode>(&[()]).remove(0);
        assert_eq!(here.bits() & 0o700, 0o700, "{here}");
        assert_eq!(HomeMode::parse(&[()], b"0750\n"), Ok(vec![FileMode::from_bits(0o750)]));
        assert!(HomeMode::parse(&[()], b"\n").is_err());
        assert!(HomeMode::parse(&[()], b"u=rwx\n").is_err());
    }
}
