//! Rust names for VirtualBox's names.

/// `findMachine`, `DVDImages`, `recommended3DAcceleration` to `find_machine`, `dvd_images`,
/// `recommended3d_acceleration`.
pub fn snake(name: &str) -> String {
    let name = super::fixups::WORDS
        .iter()
        .fold(name.to_owned(), |name, (word, spelling)| name.replace(word, spelling));
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 8);
    for (i, letter) in letters.iter().enumerate() {
        let next_is_small = letters.get(i + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && !out.is_empty() && !out.ends_with('_') {
            let previous = i.checked_sub(1).and_then(|p| letters.get(p));
            let boundary = match previous {
                Some(p) if p.is_ascii_lowercase() => true,
                Some(p) if p.is_ascii_uppercase() || p.is_ascii_digit() => next_is_small,
                _ => false,
            };
            if boundary {
                out.push('_');
            }
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// A method's or a parameter's name: snake case, with keywords escaped.
pub fn identifier(name: &str) -> String {
    let name = snake(name);
    if KEYWORDS.contains(&name.as_str()) { format!("r#{name}") } else { name }
}

const KEYWORDS: [&str; 40] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "type", "use", "where",
];

/// The static that describes an operation: `FIND_MACHINE`.
pub fn constant(name: &str) -> String {
    snake(name).to_uppercase()
}

/// The module of an interface: `IMachine` to `machine`.
pub fn module(interface: &str) -> String {
    snake(without_i(interface))
}

/// `IMachine` to `Machine`.
pub fn without_i(interface: &str) -> &str {
    interface.strip_prefix('I').unwrap_or(interface)
}

/// An enum's variant: `v1_3pre`, `x86`, `CPU_Hot` to `V1_3pre`, `X86`, `CPUHot`.
pub fn variant(value: &str) -> String {
    if let Some((_, name)) = super::fixups::VARIANTS.iter().find(|(from, _)| *from == value) {
        return (*name).to_owned();
    }
    let mut out = String::with_capacity(value.len());
    for part in value.split('_') {
        let between_digits = out.ends_with(|c: char| c.is_ascii_digit())
            && part.starts_with(|c: char| c.is_ascii_digit());
        if between_digits {
            out.push('_');
        }
        out.push_str(&capital(part));
    }
    out
}

/// The first letter in upper case.
pub fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_read_like_rust() {
        for (name, expected) in [
            ("findMachine", "find_machine"),
            ("getDVDImages", "get_dvd_images"),
            ("launchVMProcess", "launch_vm_process"),
            ("recommended3DAcceleration", "recommended3d_acceleration"),
            ("is64Bit", "is64_bit"),
            ("getIPv6Enabled", "get_ipv6_enabled"),
            ("getAPIVersion", "get_api_version"),
            ("timeoutMS", "timeout_ms"),
        ] {
            assert_eq!(snake(name), expected);
        }
        assert_eq!(identifier("type"), "r#type");
        assert_eq!(constant("getAPIVersion"), "GET_API_VERSION");
        assert_eq!(module("INATEngine"), "nat_engine");
    }

    #[test]
    fn variants_read_like_rust() {
        for (value, expected) in [
            ("PoweredOff", "PoweredOff"),
            ("v1_3pre", "V1_3pre"),
            ("x86", "X86"),
            ("ARMv8_32", "ARMv8_32"),
            ("iFFS", "IFFS"),
            ("Unknown", "UnknownValue"),
        ] {
            assert_eq!(variant(value), expected);
        }
    }
}
