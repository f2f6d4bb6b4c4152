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
        "folder=/etc/skel text=\n\
         [ ! -r /etc/default/useradd ] || IFS= read -r -d '' text </etc/default/useradd\n\
         setting=$'(^|\\n)SKEL=\"?([^\"\\n]+)'\n\
         [[ $text =~ $setting ]] && folder=${BASH_REMATCH[2]}\n\
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
        // The file is long, and bash makes two system calls for each line that it reads of one.
        "mode= mask=022 text=\n\
         [ ! -r /etc/login.defs ] || IFS= read -r -d '' text </etc/login.defs\n\
         setting=$'(^|\\n)[ \\t]*NAME[ \\t]+([0-7]+)'\n\
         [[ $text =~ ${setting/NAME/HOME_MODE} ]] && mode=${BASH_REMATCH[2]}\n\
         [[ $text =~ ${setting/NAME/UMASK} ]] && mask=${BASH_REMATCH[2]}\n\
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
