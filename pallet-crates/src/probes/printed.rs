//! What scripts print.

use pallet_core::action::{Key, ProbeKind};
use pallet_core::shell;

/// Asks what a script prints to its standard output.
#[derive(Debug)]
pub struct Printed;

/// A script, and what its output depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading {
    /// The script; it changes nothing.
    pub script: String,
    /// The file that it looks at, if it looks at nothing else.
    pub file: Option<String>,
}

/// How a script ended, and what it has printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Print {
    /// Exit status.
    pub status: u8,
    /// Standard output as it is.
    pub output: Vec<u8>,
}

impl ProbeKind for Printed {
    const NAME: &'static str = "printed";
    type Request = Reading;
    type Answer = Print;

    fn key(reading: &Reading) -> Key {
        reading.file.as_ref().map_or(Key::Everything, Key::path)
    }

    fn script(readings: &[Reading]) -> String {
        // `eval` keeps the text off every command line, where other users could read it. In
        // hexadecimal, whatever is printed cannot be taken for anything of ours.
        let run = |reading: &Reading| {
            format!(
                "{{ ( set +e +u; eval {} ) </dev/null; printf ' %s' $?; }} | \
                 od -An -v -tx1 | tr -d ' \\n'\necho\n",
                shell::quote(&reading.script)
            )
        };
        // The scripts' failures are answers: they must not end the program, nor need bash tell that
        // one was killed.
        let start = "set +e\nexec 2>/dev/null\n".to_owned();
        std::iter::once(start).chain(readings.iter().map(run)).collect()
    }

    fn parse(readings: &[Reading], output: &[u8]) -> Result<Vec<Print>, String> {
        let output = std::str::from_utf8(output).map_err(|_| "this is no hexadecimal")?;
        let prints = output.lines().map(print).collect::<Result<Vec<_>, _>>()?;
        if prints.len() == readings.len() {
            Ok(prints)
        } else {
            Err(format!("{} scripts ran, {} ended", readings.len(), prints.len()))
        }
    }
}

/// A line of hexadecimal: what was printed, a space and the status.
fn print(line: &str) -> Result<Print, String> {
    let digits: Vec<u8> = line.bytes().collect();
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    let bytes = bytes.ok_or_else(|| format!("`{line}` is no hexadecimal"))?;
    let space = bytes.iter().rposition(|byte| *byte == b' ').ok_or("the exit status is missing")?;
    let (output, status) = bytes.split_at(space);
    let status = String::from_utf8_lossy(status);
    let status = status.trim().parse().map_err(|_| format!("`{status}` is no exit status"))?;
    Ok(Print { status, output: output.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::super::testing::ask;
    use super::*;

    #[test]
    fn everything_that_is_printed_comes_back_as_it_is() {
        let cases: [(&str, u8, &[u8]); 8] = [
            ("echo hi", 0, b"hi\n"),
            ("printf 'a b'; exit 3", 3, b"a b"),
            ("true", 0, b""),
            ("printf '\\0\\377 0\\n\\n'", 0, b"\0\xff 0\n\n"),
            ("echo no >&2; false", 1, b""),
            ("if then", 2, b""),
            ("cat; echo \"it's\" $$x", 0, b""),
            ("kill -9 $BASHPID", 137, b""),
        ];
        let readings: Vec<Reading> = cases
            .iter()
            .map(|(script, ..)| Reading { script: (*script).to_owned(), file: None })
            .collect();
        for ((script, status, output), print) in cases.iter().zip(ask::<Printed>(&readings)) {
            if script.starts_with("cat") {
                assert!(print.output.starts_with(b"it's "), "{print:?}");
                continue;
            }
            assert_eq!((print.status, print.output.as_slice()), (*status, *output), "{script}");
        }
    }

    #[test]
    fn a_lost_answer_is_noticed() {
        let reading = Reading { script: "true".to_owned(), file: None };
        let readings = [reading.clone(), reading];
        assert!(Printed::parse(&readings, b"2030\n").is_err());
        assert!(Printed::parse(&readings, b"2030\nzz\n").is_err());
        assert!(Printed::parse(&readings, b"2030\n30\n").is_err());
    }
}
