//! Which keys are followed, and what becomes of the others.

/// The keys that are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    CertificateFile,
    GlobalKnownHostsFile,
    HostKeyAlias,
    HostName,
    IdentitiesOnly,
    IdentityAgent,
    IdentityFile,
    Port,
    ProxyJump,
    StrictHostKeyChecking,
    User,
    UserKnownHostsFile,
}

/// Why a key is not followed.
pub(super) enum Refused {
    /// It means nothing to a program that only runs commands, or only lowers the safety that is
    /// kept here in any case.
    NoMatter,
    /// It would change the connection a little; the user is told.
    NotFollowed,
    /// OpenSSH does not know it either, or it is newer than this list.
    Unknown,
    /// Without it another host may be reached than the one that is meant, or a check is missing.
    CannotReach(&'static str),
}

/// Finds a key by its lower-case name.
pub(super) fn find(name: &str, words: &[String]) -> Result<Key, Refused> {
    let is = |value: &str| words.iter().all(|word| word.eq_ignore_ascii_case(value));
    Ok(match name {
        "certificatefile" => Key::CertificateFile,
        "globalknownhostsfile" => Key::GlobalKnownHostsFile,
        "hostkeyalias" => Key::HostKeyAlias,
        "hostname" => Key::HostName,
        "identitiesonly" => Key::IdentitiesOnly,
        "identityagent" => Key::IdentityAgent,
        "identityfile" => Key::IdentityFile,
        "port" => Key::Port,
        "proxyjump" => Key::ProxyJump,
        "stricthostkeychecking" => Key::StrictHostKeyChecking,
        "user" => Key::User,
        "userknownhostsfile" => Key::UserKnownHostsFile,

        "proxycommand" | "revokedhostkeys" | "knownhostscommand" if is("none") => {
            return Err(Refused::NoMatter);
        }
        "proxycommand" => return Err(Refused::CannotReach("use ProxyJump")),
        "canonicalizehostname" if is("no") => return Err(Refused::NoMatter),
        "canonicalizehostname" => return Err(Refused::CannotReach("write the host's full name")),
        "revokedhostkeys" => {
            return Err(Refused::CannotReach("mark the keys with @revoked in known_hosts"));
        }
        "knownhostscommand" => return Err(Refused::CannotReach("use a known_hosts file")),
        "bindaddress" | "bindinterface" => {
            return Err(Refused::CannotReach("let the routing table choose the address"));
        }
        name if NO_MATTER.contains(&name) || name.starts_with("gssapi") => {
            return Err(Refused::NoMatter);
        }
        name if NOT_FOLLOWED.contains(&name) => return Err(Refused::NotFollowed),
        _ => return Err(Refused::Unknown),
    })
}

const NO_MATTER: [&str; 46] = [
    "addkeystoagent",
    "batchmode",
    "canonicaldomains",
    "canonicalizefallbacklocal",
    "canonicalizemaxdots",
    "canonicalizepermittedcnames",
    "checkhostip",
    "clearallforwardings",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "dynamicforward",
    "enableescapecommandline",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "forkafterauthentication",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gatewayports",
    "hashknownhosts",
    "ipqos",
    "localcommand",
    "localforward",
    "loglevel",
    "logverbose",
    "nohostauthenticationforlocalhost",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "permitlocalcommand",
    "remoteforward",
    "requesttty",
    "serveralivecountmax",
    "serveraliveinterval",
    "stdinnull",
    "syslogfacility",
    "tcpkeepalive",
    "updatehostkeys",
    "verifyhostkeydns",
    "visualhostkey",
    "xauthlocation",
];

const NOT_FOLLOWED: [&str; 24] = [
    "addressfamily",
    "casignaturealgorithms",
    "ciphers",
    "hostbasedacceptedalgorithms",
    "hostbasedauthentication",
    "hostkeyalgorithms",
    "kbdinteractiveauthentication",
    "kbdinteractivedevices",
    "kexalgorithms",
    "macs",
    "passwordauthentication",
    "permitremoteopen",
    "pkcs11provider",
    "preferredauthentications",
    "proxyusefdpass",
    "pubkeyacceptedalgorithms",
    "pubkeyauthentication",
    "rekeylimit",
    "remotecommand",
    "requiredrsasize",
    "securitykeyprovider",
    "sendenv",
    "sessiontype",
    "setenv",
];
