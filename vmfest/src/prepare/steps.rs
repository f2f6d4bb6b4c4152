//! What makes a guest fit to be an image.

/// One thing that an image needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Its name, such as `host-keys`.
    pub name: &'static str,
    /// What the guest then is or has.
    pub title: &'static str,
    /// What goes wrong without it.
    pub why: &'static str,
    /// Who can do it, and when.
    pub kind: Kind,
}

/// Who can do a step, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A person, if it is not so: the others cannot be done without it.
    Need,
    /// The script.
    Fix,
    /// A person, who may also leave it.
    Advice,
    /// The script, when all else is done: afterwards nobody knows the guest any more, and it is to
    /// be shut down.
    Seal,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Need => "need",
            Self::Fix => "fix",
            Self::Advice => "advice",
            Self::Seal => "seal",
        }
    }
}

impl Step {
    /// The part of its functions' names that is its own, in `steps.sh`.
    pub(super) fn function(&self) -> String {
        self.name.replace('-', "_")
    }
}

const fn step(name: &'static str, kind: Kind, title: &'static str, why: &'static str) -> Step {
    Step { name, title, why, kind }
}

/// All steps, in the order in which they are done.
#[rustfmt::skip]
pub(super) const STEPS: [Step; 17] = [
    step("root", Kind::Need, "the script runs as root",
        "it changes accounts and services; run it with sudo"),
    step("sudo", Kind::Fix, "sudo is installed",
        "the administrator becomes root with it"),
    step("sshd", Kind::Fix, "sshd is installed and starts at boot",
        "instances are reached by SSH only"),
    step("user", Kind::Fix, "the administrator has an account",
        "somebody has to log in the first time"),
    step("key", Kind::Fix, "the administrator's key is accepted",
        "nobody types a password into a new instance"),
    step("sudoers", Kind::Fix, "the administrator may use sudo without a password",
        "nobody types a password into a new instance"),
    step("login", Kind::Need, "sshd lets the administrator in with a key",
        "its configuration forbids keys, or this user: see PubkeyAuthentication, AllowUsers and DenyUsers"),
    step("card-names", Kind::Fix, "no file names the network card of this machine",
        "an instance has another card, which would be called eth1 then and have no network"),
    step("host-key-lines", Kind::Fix, "host keys are made where they are missing, and printed on the serial port",
        "an instance's host key is read there; without the lines nobody knows whom they log in to"),
    step("interfaces", Kind::Advice, "all network cards ask for an address by DHCP",
        "on the network `local` an instance has two; the second one would stay silent"),
    step("serial-console", Kind::Advice, "the kernel writes to the serial port (console=ttyS0)",
        "what goes wrong at boot can be read there"),
    step("additions", Kind::Advice, "the Guest Additions' service is installed",
        "on a bridged network, nobody else tells the instance's address"),
    step("logs", Kind::Seal, "logs and histories are empty",
        "they are about another machine"),
    step("cloud-init", Kind::Seal, "cloud-init, if it is there, begins anew",
        "it takes an instance for the machine that it has seen before"),
    step("leases", Kind::Seal, "no DHCP lease is remembered",
        "two instances would ask for the same address"),
    step("identity", Kind::Seal, "the machine's id and its random seed are made anew",
        "two instances would be the same machine to DHCP servers and to systemd"),
    step("host-keys", Kind::Seal, "the host keys are gone",
        "every instance has to have its own"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::FUNCTIONS;

    #[test]
    fn every_step_has_its_functions_and_every_function_its_step() {
        let has = |function: String| FUNCTIONS.lines().any(|line| line.starts_with(&function));
        for step in &STEPS {
            let is = has(format!("is_{}()", step.function()));
            let does = has(format!("do_{}()", step.function()));
            let expected = match step.kind {
                Kind::Need | Kind::Advice => (true, false),
                Kind::Fix => (true, true),
                Kind::Seal => (false, true),
            };
            assert_eq!((is, does), expected, "{}", step.name);
        }
        for line in FUNCTIONS.lines().filter(|line| line.starts_with("do_")) {
            let known =
                STEPS.iter().any(|step| line.starts_with(&format!("do_{}()", step.function())));
            assert!(known, "{line}");
        }
    }

    #[test]
    fn what_seals_comes_last() {
        let first = STEPS.iter().position(|step| step.kind == Kind::Seal).expect("there are some");
        assert!(STEPS[first..].iter().all(|step| step.kind == Kind::Seal));
        assert_eq!(STEPS[0].name, "root");
        assert_eq!(STEPS[STEPS.len() - 1].name, "host-keys", "with them goes the way back");
    }
}
