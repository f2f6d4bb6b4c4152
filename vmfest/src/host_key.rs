//! SSH host keys, as guests print them on their console.

use std::fmt;

/// The public host key of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    algorithm: String,
    base64: String,
}

const ALGORITHMS: [&str; 5] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

/// An RSA key of 16384 bits has some 2800 characters.
const MAX_BASE64: usize = 4096;

impl HostKey {
    /// Reads a key as it stands in a `.pub` file: algorithm, key, perhaps a comment. What is not
    /// plainly a public key of a known kind is refused: a guest's console can print anything.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (algorithm, base64) = (words.next()?, words.next()?);
        if !ALGORITHMS.contains(&algorithm) || base64.len() > MAX_BASE64 {
            return None;
        }
        let blob = decode_base64(base64)?;
        // The key itself begins with its algorithm's name again, with a length before it.
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let name = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        let key_length = rest.len() - name.len();
        (name == algorithm.as_bytes() && key_length >= 32)
            .then(|| Self { algorithm: algorithm.to_owned(), base64: base64.to_owned() })
    }

    /// The algorithm's name, such as `ssh-ed25519`.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }
}

impl fmt::Display for HostKey {
    /// As in a `.pub` file, without a comment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.base64)
    }
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut bits) = (0_u32, 0);
    for c in digits.bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = (buffer << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

    #[test]
    fn keys() {
        let key = HostKey::parse(ED25519).expect("a key");
        assert_eq!(key.algorithm(), "ssh-ed25519");
        assert_eq!(key.to_string(), ED25519);
        assert_eq!(HostKey::parse(&format!("{ED25519} root@node\r")), Some(key));
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!("ssh-rsa {}", "AAAA".repeat(2000));
        for text in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 ",
            "ssh-ed25519 AAAA",
            "ssh-ed25519 !!!!",
            // The name inside is another.
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
            "ssh-dss AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
            // The length inside is larger than the key.
            "ssh-ed25519 /////3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
            // Cut off.
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgME",
            &long,
        ] {
            assert_eq!(HostKey::parse(text), None, "{text:.60}");
        }
    }
}
