//! A VirtualBox of one test's own, beside the lab's: with a HOME, a web service and a port of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    dead_code,
    reason = "test support: a failure here is a failed test, and not every user needs everything"
)]

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use xtask::lab::{State, Vbox};

const PROGRAMS: &str = "/usr/lib/virtualbox";

/// The server; it and its VirtualBox end with this value.
pub struct OwnServer {
    pub url: String,
    vbox: Vbox,
    folder: PathBuf,
    port: u16,
    /// Further arguments of vboxwebsrv.
    arguments: String,
}

impl OwnServer {
    pub fn start(name: &str, arguments: &str) -> Self {
        let vbox = State::load().unwrap().vbox().unwrap().clone();
        let folder = vbox.scratch_dir(&format!("own-{name}")).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}/");
        let server = Self { url, vbox, folder, port, arguments: arguments.to_owned() };
        let machines = server.folder.join("machines");
        server.vboxmanage(&["setproperty", "websrvauthlibrary", "null"]);
        server.vboxmanage(&["setproperty", "machinefolder", machines.to_str().unwrap()]);
        server.launch();
        server
    }

    /// Starts the web service.
    pub fn launch(&self) {
        self.shell(&format!(
            "setsid {PROGRAMS}/vboxwebsrv -H 127.0.0.1 -p {port} {arguments} >{folder}/log 2>&1 </dev/null &\n\
             echo $! >{folder}/pid",
            port = self.port,
            arguments = self.arguments,
            folder = self.folder.display()
        ));
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "vboxwebsrv does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the web service, without a chance to say goodbye.
    pub fn kill(&self) {
        self.shell(&format!("kill -9 $(cat {}/pid)", self.folder.display()));
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            assert!(Instant::now() < deadline, "vboxwebsrv does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn vboxmanage(&self, arguments: &[&str]) -> String {
        self.shell(&format!("{PROGRAMS}/VBoxManage {}", arguments.join(" ")))
    }

    /// The web service's resident memory.
    pub fn resident_kilobytes(&self) -> u64 {
        let text =
            self.shell(&format!("grep VmRSS /proc/$(cat {}/pid)/status", self.folder.display()));
        text.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Runs a script where this VirtualBox is.
    pub fn shell(&self, script: &str) -> String {
        let script = format!(
            "cd /; export VBOX_USER_HOME={0}/home VBOX_IPC_SOCKETID={1}\n{script}",
            self.folder.display(),
            self.socket()
        );
        self.vbox.run(&["sh", "-c", &script]).unwrap()
    }

    /// Names the sockets between VirtualBox's processes, and with them the processes.
    fn socket(&self) -> String {
        format!("own{}", self.port)
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // Every process of this VirtualBox has the name of its sockets in its environment.
        let script = format!(
            "for process in $(pgrep 'vboxwebsrv|VBoxSVC|VBoxXPCOMIPCD'); do\n\
             if tr '\\0' '\\n' </proc/$process/environ | grep -qx VBOX_IPC_SOCKETID={}; then\n\
             kill -9 $process; fi; done; :",
            self.socket()
        );
        if let Err(error) = self.vbox.run(&["sh", "-c", &script]) {
            eprintln!("{}: {error}", self.url);
        }
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
