//! Reading what the runtime says of the node.

use std::collections::HashMap;

use crate::facts::{Facts, Init, InterfaceAddress, Mount, PackageManager};

/// Reads os-release, the `PALLET_NAME=value` lines of the runtime, and what follows in sections.
/// What is missing or odd is left at its default: facts describe, they do not judge.
pub(super) fn parse(listing: &str) -> Facts {
    let mut sections = listing.split("PALLET_SECTION=");
    let values: HashMap<&str, String> = sections
        .next()
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim(), unquote(value.trim())))
        .collect();
    let text = |name: &str| values.get(name).cloned().unwrap_or_default();
    let number = |name: &str| values.get(name).and_then(|value| value.parse::<u64>().ok());

    let system = System::of(&text);
    let packagers = PACKAGERS
        .into_iter()
        .filter(|(command, _)| values.contains_key(format!("PALLET_PACKAGER_{command}").as_str()));
    let found: Vec<PackageManager> = packagers.map(|(_, manager)| manager).collect();
    let usual = usual_packagers(&system.families);
    let mut facts = Facts {
        hostname: text("PALLET_HOSTNAME"),
        os: system.id,
        os_families: system.families,
        os_version: system.version,
        os_codename: text("VERSION_CODENAME"),
        arch: text("PALLET_ARCH"),
        kernel: text("PALLET_KERNEL"),
        package_manager: usual
            .iter()
            .find(|usual| found.contains(usual))
            .or_else(|| found.first())
            .copied(),
        init: if text("PALLET_INIT") == "systemd" { Init::Systemd } else { Init::Other },
        cpus: number("PALLET_CPUS").and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(1),
        memory_mib: number("PALLET_MEMORY_KIB").unwrap_or(0) / 1024,
        ..Facts::default()
    };
    for section in sections {
        let (name, lines) = section.split_once('\n').unwrap_or((section, ""));
        match name {
            "addresses" => facts.addresses = lines.lines().flat_map(addresses).collect(),
            "mounts" => facts.mounts = lines.lines().filter_map(mount).collect(),
            _ => {}
        }
    }
    facts
}

/// Which system it is.
struct System {
    id: String,
    families: Vec<String>,
    version: String,
}

impl System {
    fn of(text: &impl Fn(&str) -> String) -> Self {
        let (mut id, mut version) = (text("ID"), text("VERSION_ID"));
        let mut like = text("ID_LIKE");
        // Systems from before os-release: `CentOS release 6.10 (Final)`.
        let release = text("PALLET_REDHAT_RELEASE");
        if id.is_empty() && !release.is_empty() {
            id = match release.split(' ').next().unwrap_or_default() {
                "Red" => "rhel".to_owned(),
                name => name.to_lowercase(),
            };
            let is_number = |word: &&str| word.starts_with(|it: char| it.is_ascii_digit());
            version = release.split(' ').find(is_number).unwrap_or_default().to_owned();
            like = "rhel fedora".to_owned();
        }
        if id.is_empty() && text("PALLET_OSTYPE").starts_with("darwin") {
            id = "macos".to_owned();
        }
        let mut families: Vec<String> = Vec::new();
        for family in std::iter::once(id.as_str()).chain(like.split_whitespace()) {
            if !family.is_empty() && !families.iter().any(|known| known == family) {
                families.push(family.to_owned());
            }
        }
        Self { id, families, version }
    }
}

/// The commands of package managers, those first that are no guests on a system.
const PACKAGERS: [(&str, PackageManager); 7] = [
    ("apt-get", PackageManager::Apt),
    ("dnf", PackageManager::Dnf),
    ("yum", PackageManager::Yum),
    ("zypper", PackageManager::Zypper),
    ("pacman", PackageManager::Pacman),
    ("apk", PackageManager::Apk),
    ("brew", PackageManager::Brew),
];

/// The package managers that manage a system of these families; others may be installed there,
/// to make images of other systems for example.
fn usual_packagers(families: &[String]) -> &'static [PackageManager] {
    let usual = families.iter().find_map(|family| {
        Some::<&'static [PackageManager]>(match family.as_str() {
            "debian" | "ubuntu" => &[PackageManager::Apt],
            "rhel" | "fedora" | "centos" => &[PackageManager::Dnf, PackageManager::Yum],
            "suse" | "opensuse" | "sles" => &[PackageManager::Zypper],
            "arch" => &[PackageManager::Pacman],
            "alpine" => &[PackageManager::Apk],
            "macos" => &[PackageManager::Brew],
            _ => return None,
        })
    });
    usual.unwrap_or_default()
}

/// The addresses in a line of `ip -o addr`, or of `hostname -I`.
fn addresses(line: &str) -> Vec<InterfaceAddress> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_useful = |it: &InterfaceAddress| !it.address.is_loopback() && !is_link_local(it);
    let found = match words.as_slice() {
        [number, interface, "inet" | "inet6", address, ..] if number.ends_with(':') => {
            let (address, prefix) = address.split_once('/').unwrap_or((address, ""));
            // `eth0@if7` is `eth0`.
            let interface = interface.split('@').next().unwrap_or_default().to_owned();
            let prefix = prefix.parse().ok();
            let address = address.parse().ok();
            address
                .map(|address| InterfaceAddress { interface, address, prefix })
                .into_iter()
                .collect()
        }
        [number, ..] if number.ends_with(':') => Vec::new(),
        words => words
            .iter()
            .filter_map(|word| word.parse().ok())
            .map(|address| InterfaceAddress { interface: String::new(), address, prefix: None })
            .collect::<Vec<_>>(),
    };
    found.into_iter().filter(is_useful).collect()
}

fn is_link_local(address: &InterfaceAddress) -> bool {
    match address.address {
        std::net::IpAddr::V4(address) => address.is_link_local(),
        std::net::IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// A line of `/proc/mounts`.
fn mount(line: &str) -> Option<Mount> {
    let words: Vec<&str> = line.split(' ').collect();
    let [source, path, filesystem, options, ..] = words.as_slice() else { return None };
    Some(Mount {
        source: unescape(source),
        path: unescape(path),
        filesystem: (*filesystem).to_owned(),
        read_only: options.split(',').any(|option| option == "ro"),
    })
}

/// Undoes the kernel's `\040` for spaces and the like.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Undoes the shell quoting that os-release allows.
fn unquote(value: &str) -> String {
    let stripped = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value);
    let mut plain = String::with_capacity(stripped.len());
    let mut characters = stripped.chars();
    while let Some(character) = characters.next() {
        plain.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nodes of these systems sent.
    fn recorded(system: &str, packagers: &[&str]) -> Facts {
        let os_release = match system {
            "debian" => include_str!("facts_data/debian"),
            "ubuntu" => include_str!("facts_data/ubuntu"),
            "almalinux" => include_str!("facts_data/almalinux"),
            "opensuse" => include_str!("facts_data/opensuse"),
            "arch" => include_str!("facts_data/arch"),
            "alpine" => include_str!("facts_data/alpine"),
            _ => "",
        };
        let found: String =
            packagers.iter().map(|name| format!("PALLET_PACKAGER_{name}=yes\n")).collect();
        parse(&format!("{os_release}{found}PALLET_HOSTNAME=web-1\n"))
    }

    #[test]
    fn the_systems_that_people_use() {
        use PackageManager::{Apk, Apt, Dnf, Pacman, Zypper};
        let table = [
            ("debian", &["apt-get"][..], &["debian"][..], "12", "bookworm", Apt),
            ("ubuntu", &["apt-get", "dnf"], &["ubuntu", "debian"], "24.04", "noble", Apt),
            (
                "almalinux",
                &["apt-get", "dnf", "yum"],
                &["almalinux", "rhel", "centos", "fedora"],
                "9.4",
                "",
                Dnf,
            ),
            (
                "opensuse",
                &["zypper", "apt-get"],
                &["opensuse-leap", "suse", "opensuse"],
                "15.6",
                "",
                Zypper,
            ),
            ("arch", &["pacman"], &["arch"], "", "", Pacman),
            ("alpine", &["apk"], &["alpine"], "3.20.3", "", Apk),
        ];
        for (system, packagers, families, version, codename, manager) in table {
            let facts = recorded(system, packagers);
            assert_eq!(facts.os_families, families, "{system}");
            assert_eq!(facts.os, families[0]);
            assert_eq!(
                (facts.os_version.as_str(), facts.os_codename.as_str()),
                (version, codename)
            );
            assert_eq!(facts.package_manager, Some(manager), "{system}");
            assert!(facts.is_of_family(families[families.len() - 1]));
        }
    }

    #[test]
    fn systems_without_os_release() {
        let facts =
            parse("PALLET_REDHAT_RELEASE=CentOS release 6.10 (Final)\nPALLET_PACKAGER_yum=yes\n");
        assert_eq!((facts.os.as_str(), facts.os_version.as_str()), ("centos", "6.10"));
        assert!(facts.is_of_family("rhel"));
        assert_eq!(facts.package_manager, Some(PackageManager::Yum));
        let facts = parse("PALLET_OSTYPE=darwin23\nPALLET_PACKAGER_brew=yes\n");
        assert_eq!(
            (facts.os.as_str(), facts.package_manager),
            ("macos", Some(PackageManager::Brew))
        );
        assert_eq!(parse("garbage"), Facts { cpus: 1, ..Facts::default() });
    }

    #[test]
    fn hardware_addresses_and_mounts() {
        let facts = parse(include_str!("facts_data/node"));
        assert_eq!((facts.init, facts.cpus, facts.memory_mib), (Init::Systemd, 2, 2000));
        assert_eq!((facts.arch.as_str(), facts.kernel.as_str()), ("x86_64", "6.1.0-26-amd64"));
        let shown: Vec<String> = facts
            .addresses
            .iter()
            .map(|it| format!("{} {} {:?}", it.interface, it.address, it.prefix))
            .collect();
        let expected =
            ["eth0 10.0.2.15 Some(24)", "eth0 fd00::15 Some(64)", "eth1 192.168.56.10 Some(24)"];
        assert_eq!(shown, expected);
        assert_eq!(facts.primary_address(), Some("10.0.2.15".parse().unwrap()));
        let mounts: Vec<_> =
            facts.mounts.iter().map(|it| (it.path.as_str(), it.read_only)).collect();
        assert_eq!(mounts, [("/", false), ("/mnt/with space", true), ("/home", false)]);
        assert_eq!(facts.mounts[2].source, "nas:/home");
        assert_eq!(facts.mounts[2].filesystem, "nfs4");
    }

    #[test]
    fn addresses_where_there_is_no_ip_command() {
        let facts = parse("PALLET_SECTION=addresses\n10.0.2.15 fd00::15 169.254.3.4 \n");
        let found: Vec<String> = facts.addresses.iter().map(|it| it.address.to_string()).collect();
        assert_eq!(found, ["10.0.2.15", "fd00::15"]);
    }

    #[test]
    fn quoting_of_os_release() {
        let facts = parse("ID='ubuntu'\nID_LIKE=\"debian gnu\"\nNAME=\"a \\\"b\\\"\"");
        assert_eq!(facts.os_families, ["ubuntu", "debian", "gnu"]);
        assert_eq!(unquote("\"a \\\"b\\\"\""), "a \"b\"");
    }
}
