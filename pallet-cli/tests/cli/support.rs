//! A folder with a pallet.toml, and `pallet` in it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder that is gone after the test.
pub struct Folder(TempDir);

/// What `pallet` did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Folder {
    /// An empty folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with a pallet.toml, in which `@` is the folder itself.
    pub fn with(document: &str) -> Self {
        let folder = Self::new();
        folder.write("pallet.toml", &document.replace('@', &folder.path("").to_string_lossy()));
        folder
    }

    /// A folder with one local node `web-1` of group `web`, which `configure` steps run on.
    ///
    /// Tests may run as any user: then they work as that user, and need no sudo.
    pub fn with_local_node(configure: &str) -> Self {
        Self::with(&format!(
            "{}\n[service.here]\nprovider = \"node-list\"\n\
             nodes = [{{ name = \"web-1\", group = \"web\" }}]\n\
             [group-spec.web.phases]\nconfigure = [{configure}]\n",
            admin_user()
        ))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// `pallet` in this folder, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pallet"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        // Nothing of the user's, and nothing that tests share.
        command.env("PALLET_HOME", self.path(".pallet")).env_remove("PALLET_SERVICE");
        command.env("PALLET_STATE_DIR", self.path("state"));
        command
    }

    /// Runs `pallet` in this folder, on pipes.
    pub fn pallet(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs `pallet` on a terminal that says how large it is, where nobody types anything.
    #[cfg(target_os = "linux")]
    pub fn pallet_on_sized_terminal(&self, arguments: &[&str], rows: u16, columns: u16) -> Ran {
        let pallet = env!("CARGO_BIN_EXE_pallet");
        let line =
            format!("stty rows {rows} cols {columns}; exec '{pallet}' {}", arguments.join(" "));
        let output = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(self.0.path())
            .env("TERM", "xterm")
            .env("PALLET_HOME", self.path(".pallet"))
            .env("PALLET_STATE_DIR", self.path("state"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Ran::from(output)
    }

    /// Runs `pallet` on a terminal where somebody types `answer`, with `NO_COLOR` as given.
    /// Everything it writes is in `stdout`, and lines end as terminals want them.
    #[cfg(target_os = "linux")]
    pub fn pallet_on_terminal(&self, arguments: &[&str], answer: &str, no_color: &str) -> Ran {
        let line = format!("'{}' {}", env!("CARGO_BIN_EXE_pallet"), arguments.join(" "));
        let mut child = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(self.0.path())
            .env("TERM", "xterm")
            .env("PALLET_HOME", self.path(".pallet"))
            .env("PALLET_STATE_DIR", self.path("state"))
            .env("NO_COLOR", no_color)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.as_mut().unwrap().write_all(answer.as_bytes()).unwrap();
        Ran::from(child.wait_with_output().unwrap())
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Checks the exit code, and shows everything where it is another.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Checks that standard error has all of this in it.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not said: {self:#?}");
        }
        self
    }

    /// Checks that standard output has all of this in it.
    #[track_caller]
    pub fn prints(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stdout.contains(word), "`{word}` is not printed: {self:#?}");
        }
        self
    }

    /// Standard output, as exactly one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// The table that lets the current user work on local nodes.
pub fn admin_user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    let name = String::from_utf8(output.stdout).unwrap();
    format!("[admin-user]\nusername = \"{}\"\nno-sudo = true\n", name.trim())
}
