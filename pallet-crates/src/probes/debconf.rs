//! Answers to the questions that Debian's packages ask when they are installed.

use pallet_core::action::{Key, ProbeKind};
use pallet_core::shell;

use super::Digest;

/// Asks for the answer to a question, such as `tzdata/Areas`, by its digest: some answers are
/// passwords, which need not travel. `None`: there is none, or it cannot be read.
#[derive(Debug)]
pub struct DebconfAnswer;

impl ProbeKind for DebconfAnswer {
    const NAME: &'static str = "debconf";
    type Request = String;
    type Answer = Option<Digest>;

    fn key(_: &String) -> Key {
        Key::tree("/var/cache/debconf")
    }

    fn script(questions: &[String]) -> String {
        // A record is a paragraph; its first line is the question's name.
        let mut script = "answer() {\n\
             local found\n\
             found=$(cat /var/cache/debconf/config.dat /var/cache/debconf/passwords.dat 2>/dev/null |\n\
             sed -n -e \"\\\\|^Name: $1\\$|,/^\\$/{ s/^Value: /=/p; }\")\n\
             case $found in\n\
             =*) printf %s \"${found#=}\" | sha256sum ;;\n\
             *) echo none ;;\n\
             esac\n\
             }\n"
            .to_owned();
        for question in questions {
            // In the pattern a dot is only a dot.
            let pattern = question.replace('.', "\\.");
            script.push_str(&format!("answer {}\n", shell::quote(&pattern)));
        }
        script
    }

    fn parse(_: &[String], output: &[u8]) -> Result<Vec<Option<Digest>>, String> {
        let output = String::from_utf8_lossy(output);
        let read = |line: &str| match line.split(' ').next() {
            Some("none") => Ok(None),
            Some(digest) => digest.parse().map(Some),
            None => Err("an answer is missing".to_owned()),
        };
        output.lines().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ask;
    use super::*;

    #[test]
    fn questions_of_this_machine_and_no_others() {
        let questions = ["no/such.question".to_owned(), "also/none".to_owned()];
        assert_eq!(ask::<DebconfAnswer>(&questions), [None, None]);
        let digest = Digest::of(b"Europe");
        let output = format!("{digest}  -\nnone\n");
        let read = DebconfAnswer::parse(&questions, output.as_bytes());
        assert_eq!(read, Ok(vec![Some(digest), None]));
        assert!(DebconfAnswer::parse(&questions, b"what\n").is_err());
    }
}
