//! What to do about failures that everybody meets sooner or later.

/// Words of programs, in lower case, and what to do when a failing action has written them. The
/// first that fits is told: what is more particular stands first.
const KNOWN: &[(&[&str], &str)] = &[
    (
        &[
            "could not get lock /var/lib/dpkg",
            "could not get lock /var/lib/apt",
            "could not get lock /var/cache/apt",
            "unable to acquire the dpkg frontend lock",
            "dpkg frontend lock is locked",
            "waiting for cache lock",
            "another app is currently holding the yum lock",
        ],
        "another program installs packages on the node, as new machines do by themselves: run \
         again once it is done",
    ),
    (
        &["dpkg was interrupted"],
        "an earlier installation broke off: run `dpkg --configure -a` on the node, then run again",
    ),
    (
        &["no_pubkey", "is not signed", "couldn't be verified because the public key"],
        "the key of a package source is not known to the node: give it with `package-source`",
    ),
    (
        &[
            "unable to locate package",
            "has no installation candidate",
            "no match for argument",
            "unable to find a match",
            "not found in package names",
            "error: target not found",
            "unable to select packages",
        ],
        "check the package's name; if the node has never fetched its lists, put \
         { package-manager = \"update\" } before",
    ),
    (
        &[
            "temporary failure in name resolution",
            "temporary failure resolving",
            "could not resolve host",
            "name or service not known",
            "unable to resolve host address",
        ],
        "the node cannot look up names: check its /etc/resolv.conf and its network",
    ),
    (
        &["no space left on device", "disk quota exceeded", "you don't have enough free space"],
        "make room on the node: `df -h` shows which file system is full, and `df -i` whether it \
         has run out of inodes",
    ),
    (
        &["read-only file system"],
        "the file system cannot be written to: `mount` shows how it is mounted, and `dmesg` why, if \
         that was not meant",
    ),
    (
        &["address already in use", "port is already allocated"],
        "another program listens there: `ss -ltnp` on the node shows which",
    ),
    (
        &[
            "sudo: a password is required",
            "sudo: a terminal is required",
            "is not in the sudoers file",
            "sudo: no tty present",
        ],
        "steps run as root already; for another user give the step `as-user` in place of sudo",
    ),
    (
        &["cannot allocate memory", "out of memory", "virtual memory exhausted"],
        "the node has run out of memory: give it more, or do less at the same time",
    ),
    (
        &["host key verification failed"],
        "the node does not know the other host: put its key into the node's known_hosts first",
    ),
    (
        &["certificate is not yet valid", "certificate has expired", "certificate verify failed"],
        "the node does not trust the other side: check its clock, and that ca-certificates is \
         installed",
    ),
];

/// The exit status of a shell that finds no such command.
const NO_COMMAND: u32 = 127;

/// What to do about an action that has ended with `status` and has written `output`, if it is a
/// common case.
pub(super) fn hint(status: u32, output: &str) -> Option<String> {
    let output = output.to_lowercase();
    let fits = |(words, _): &&(&[&str], &str)| words.iter().any(|word| output.contains(word));
    let known = KNOWN.iter().find(fits).map(|(_, hint)| (*hint).to_owned());
    known.or_else(|| {
        (status == NO_COMMAND && output.contains("command not found")).then(|| {
            "the node has no such program: install the package that brings it in an earlier step"
                .to_owned()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the programs write it.
    #[test]
    fn common_failures_have_a_hint() {
        let cases = [
            (
                100,
                "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 712 \
                 (unattended-upgr)\nE: Unable to acquire the dpkg frontend lock",
                "another program installs",
            ),
            (100, "E: Unable to locate package ngnix", "package-manager = \"update\""),
            (1, "Error: Unable to find a match: ngnix", "package-manager = \"update\""),
            (1, "bash: line 1: echo: write error: No space left on device", "df -h"),
            (1, "touch: cannot touch '/usr/x': Read-only file system", "mount"),
            (6, "curl: (6) Could not resolve host: example.org", "look up names"),
            (
                100,
                "Err:1 http://deb.debian.org/debian bookworm InRelease\n  Temporary failure \
                 resolving 'deb.debian.org'",
                "look up names",
            ),
            (
                1,
                "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
                "ss -ltnp",
            ),
            (1, "sudo: a password is required", "as-user"),
            (127, "script: line 1: frobnicate: command not found", "no such program"),
        ];
        for (status, output, expected) in cases {
            let hint = hint(status, output).unwrap_or_default();
            assert!(hint.contains(expected), "{output}: {hint}");
        }
        assert_eq!(hint(1, "it is broken"), None);
        assert_eq!(hint(1, "x: command not found"), None);
    }
}
