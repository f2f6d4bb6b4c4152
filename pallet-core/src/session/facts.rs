//! Reading what the runtime says of the node.

use std::collections::HashMap;

use crate::facts::{Facts, Init, PackageManager};

/// Reads the `NAME=value` lines of os-release and of the runtime. What is missing or odd is left
/// at its default: facts describe, they do not judge.
pub(super) fn parse(listing: &str) -> Facts {
    let values: HashMap<&str, String> = listing
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim(), unquote(value.trim())))
        .collect();
    let text = |name: &str| values.get(name).cloned().unwrap_or_default();
    let number = |name: &str| values.get(name).and_then(|value| value.parse::<u64>().ok());

    let os = text("ID");
    let mut os_families = vec![os.clone()];
    os_families.extend(text("ID_LIKE").split_whitespace().map(str::to_owned));
    os_families.retain(|family| !family.is_empty());
    Facts {
        hostname: text("PALLET_HOSTNAME"),
        os,
        os_families,
        os_version: text("VERSION_ID"),
        os_codename: text("VERSION_CODENAME"),
        arch: text("PALLET_ARCH"),
        kernel: text("PALLET_KERNEL"),
        package_manager: package_manager(&text("PALLET_PACKAGER")),
        init: if text("PALLET_INIT") == "systemd" { Init::Systemd } else { Init::Other },
        cpus: number("PALLET_CPUS").and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(1),
        memory_mib: number("PALLET_MEMORY_KIB").unwrap_or(0) / 1024,
    }
}

fn package_manager(command: &str) -> Option<PackageManager> {
    Some(match command {
        "apt-get" => PackageManager::Apt,
        "dnf" => PackageManager::Dnf,
        "yum" => PackageManager::Yum,
        "zypper" => PackageManager::Zypper,
        "pacman" => PackageManager::Pacman,
        "apk" => PackageManager::Apk,
        "brew" => PackageManager::Brew,
        _ => return None,
    })
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

    #[test]
    fn a_debian_node() {
        let facts = parse(
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\n\
             VERSION_CODENAME=bookworm\nID=debian\nPALLET_HOSTNAME=web-1\nPALLET_ARCH=x86_64\n\
             PALLET_KERNEL=6.1.0\nPALLET_PACKAGER=apt-get\nPALLET_INIT=systemd\nPALLET_CPUS=2\n\
             PALLET_MEMORY_KIB=2048000\n",
        );
        assert_eq!(facts.os_families, ["debian"]);
        assert_eq!((facts.os_version.as_str(), facts.os_codename.as_str()), ("12", "bookworm"));
        assert_eq!(facts.package_manager, Some(PackageManager::Apt));
        assert_eq!((facts.init, facts.cpus, facts.memory_mib), (Init::Systemd, 2, 2000));
    }

    #[test]
    fn a_derived_system_and_no_system_at_all() {
        let facts = parse("ID='ubuntu'\nID_LIKE=\"debian gnu\"\nNAME=\"a \\\"b\\\"\"");
        assert_eq!(facts.os_families, ["ubuntu", "debian", "gnu"]);
        assert_eq!(parse("garbage").os_families, Vec::<String>::new());
    }
}
