//! Settings of the kernel.

use pallet_core::action::{Key, ProbeKind};
use pallet_core::shell;

use crate::values::RemotePath;

/// Asks for a kernel setting by its path below `/proc/sys`. `None`: the kernel has none such, or
/// it cannot be read.
#[derive(Debug)]
pub struct Sysctl;

impl ProbeKind for Sysctl {
    const NAME: &'static str = "sysctl";
    const SHARES_SHELL: bool = true;
    type Request = RemotePath;
    type Answer = Option<String>;

    fn key(path: &RemotePath) -> Key {
        path.key()
    }

    fn script(paths: &[RemotePath]) -> String {
        let mut script = String::from("for file in");
        for path in paths {
            script.push(' ');
            script.push_str(&shell::quote(path.as_str()));
        }
        // bash alone, without a process.
        script.push_str(
            "; do\n\
             if [ -f \"$file\" ] && { IFS= read -r -d '' value <\"$file\" || [ -n \"$value\" ]; } 2>/dev/null\n\
             then printf 'V%s\\0' \"$value\"; else printf 'N\\0'; fi\n\
             done\n",
        );
        script
    }

    fn parse(_: &[RemotePath], output: &[u8]) -> Result<Vec<Option<String>>, String> {
        let output = String::from_utf8_lossy(output);
        let read = |record: &str| match record.strip_prefix('V') {
            Some(value) => Ok(Some(value.trim().to_owned())),
            None if record == "N" => Ok(None),
            None => Err(format!("`{record}` is no setting")),
        };
        output.split_terminator('\0').map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ask;
    use super::*;

    #[test]
    fn reads_settings_of_this_kernel() {
        let paths = ["/proc/sys/kernel/ostype", "/proc/sys/no/such", "/proc/sys/kernel"];
        let paths = paths.map(|path| path.parse().unwrap());
        assert_eq!(ask::<Sysctl>(&paths), [Some("Linux".to_owned()), None, None]);
        assert!(Sysctl::parse(&paths, b"what\0").is_err());
    }
}
