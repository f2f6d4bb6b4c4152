//! Keeping what programs write to a readable size.

use crate::secret::redact;

const HEAD: usize = 8 * 1024;
const TAIL: usize = 24 * 1024;

/// The text of a program's output, without secrets. Of a long one the beginning and the end are kept, since the
/// reason of a failure is nearly always in one of them.
pub(super) fn shorten(output: &[u8]) -> String {
    let output = String::from_utf8_lossy(output);
    // Before anything is cut off: half a secret is not found any more.
    let output = redact(&output);
    let output = output.as_bytes();
    let (Some(head), Some(tail)) =
        (output.get(..HEAD), output.len().checked_sub(TAIL).and_then(|from| output.get(from..)))
    else {
        return String::from_utf8_lossy(output).trim_end().to_owned();
    };
    if output.len() <= HEAD + TAIL {
        return String::from_utf8_lossy(output).trim_end().to_owned();
    }
    format!(
        "{}\n… {} bytes left out …\n{}",
        String::from_utf8_lossy(head),
        output.len() - HEAD - TAIL,
        String::from_utf8_lossy(tail).trim_end()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_output_keeps_both_ends() {
        assert_eq!(shorten(b"short\n"), "short");
        let long = [b"begin".as_slice(), &vec![b'x'; 100_000], b"end\n"].concat();
        let text = shorten(&long);
        assert!(text.starts_with("begin") && text.ends_with("end"));
        assert!(text.contains("67241 bytes left out"), "{}", text.len());
        assert_eq!(shorten(&vec![b'y'; HEAD + TAIL]).len(), HEAD + TAIL);
    }
}
