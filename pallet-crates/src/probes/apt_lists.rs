//! apt's lists of packages.

use pallet_core::action::{Key, ProbeKind};

/// Asks how old apt's lists of packages are.
#[derive(Debug)]
pub struct AptLists;

/// Asks how many packages an upgrade would install, and how many it would remove. The request
/// says whether it may remove any.
#[derive(Debug)]
pub struct AptUpgrade;

/// What is known of apt's lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListsState {
    /// Seconds since they were last updated. `None`: never, as far as can be told.
    pub age: Option<u64>,
    /// Whether apt's sources have changed since.
    pub sources_are_newer: bool,
}

/// The file that says when [`package-manager`](crate::PackageManager) has updated the lists.
pub(crate) const STAMP: &str = "/var/lib/pallet/apt-updated";

impl ProbeKind for AptLists {
    const NAME: &'static str = "apt-lists";
    const DRIFTS: bool = true;
    type Request = ();
    type Answer = ListsState;

    fn key((): &()) -> Key {
        Key::tree("/etc/apt")
    }

    fn script(_: &[()]) -> String {
        // The other stamp is that of Debian's daily update.
        format!(
            "newest=\n\
             compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null &&\n\
             for file in {STAMP} /var/lib/apt/periodic/update-success-stamp; do\n\
             [ ! -f \"$file\" ] || [ \"$newest\" -nt \"$file\" ] || newest=$file\n\
             done\n\
             if [ -z \"$newest\" ]; then echo never; exit 0; fi\n\
             newer=no\n\
             for file in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/sources.list.d/*; do\n\
             [ ! \"$file\" -nt \"$newest\" ] || newer=yes\n\
             done\n\
             echo \"$(($(date +%s) - $(stat -c %Y \"$newest\"))) $newer\"\n"
        )
    }

    fn parse(_: &[()], output: &[u8]) -> Result<Vec<ListsState>, String> {
        let output = String::from_utf8_lossy(output);
        if output == "never\n" {
            return Ok(vec![ListsState::default()]);
        }
        let (age, newer) = output.trim_end().split_once(' ').unwrap_or_default();
        let age: i64 = age.parse().map_err(|_| format!("`{output}` is no age"))?;
        // A stamp from the future is as good as none.
        let age = u64::try_from(age).ok();
        Ok(vec![ListsState { age, sources_are_newer: newer == "yes" }])
    }
}

impl ProbeKind for AptUpgrade {
    const NAME: &'static str = "apt-upgrade";
    type Request = bool;
    type Answer = (usize, usize);

    /// Whatever is installed, and whatever the lists know.
    fn key(_: &bool) -> Key {
        Key::Everything
    }

    fn script(requests: &[bool]) -> String {
        let simulate = |full: &bool| {
            let verb = if *full { "dist-upgrade" } else { "upgrade" };
            format!(
                "apt-get -s -q -o Debug::NoLocking=true {verb} </dev/null || exit 1\necho end\n"
            )
        };
        requests.iter().map(simulate).collect()
    }

    fn parse(_: &[bool], output: &[u8]) -> Result<Vec<(usize, usize)>, String> {
        let output = String::from_utf8_lossy(output);
        let mut answers = Vec::new();
        let mut counts = (0, 0);
        for line in output.lines() {
            match line.split(' ').next() {
                Some("Inst") => counts.0 += 1,
                Some("Remv") => counts.1 += 1,
                Some("end") => answers.push(std::mem::take(&mut counts)),
                _ => {}
            }
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        let read = |text: &[u8]| AptLists::parse(&[()], text);
        let state = |age, sources_are_newer| Ok(vec![ListsState { age, sources_are_newer }]);
        assert_eq!(read(b"never\n"), state(None, false));
        assert_eq!(read(b"90 no\n"), state(Some(90), false));
        assert_eq!(read(b"90 yes\n"), state(Some(90), true));
        assert_eq!(read(b"-5 no\n"), state(None, false));
        assert!(read(b"").is_err());
    }

    #[test]
    fn simulated_upgrades() {
        let output =
            b"Reading package lists...\nInst a [1] (2)\nRemv b [1]\nConf a (2)\nend\nend\n";
        assert_eq!(AptUpgrade::parse(&[false, true], output), Ok(vec![(1, 1), (0, 0)]));
    }
}
