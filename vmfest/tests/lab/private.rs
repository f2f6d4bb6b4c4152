//! A VirtualBox that no other test uses, started beside the lab's.

use std::path::PathBuf;
use std::time::Duration;

use vmfest::{Location, Manager, Server};
use xtask::lab::Vbox;

use crate::support::{Stage, text};

/// A VirtualBox with settings and web service of its own.
pub struct Private<'a> {
    vbox: &'a Vbox,
    folder: PathBuf,
    port: u16,
}

const PROGRAMS: &str = "/usr/lib/virtualbox";
/// What lets VirtualBox run VMs on a host without its kernel module.
pub const WITHOUT_DRIVER: &str = "VBoxInternal/HM/FallbackToIEM";

impl<'a> Private<'a> {
    pub fn new(stage: &'a Stage) -> Self {
        Self { vbox: stage.vbox(), folder: stage.folder.clone(), port: free_port() }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn mark(&self) -> String {
        format!("vmfest-test-{}", self.port)
    }

    pub fn start(&self) {
        let home = text(&self.folder.join("home"));
        let log = text(&self.folder.join("vboxwebsrv.log"));
        let (mark, port) = (self.mark(), self.port);
        let script = format!(
            "export VBOX_USER_HOME={home} VBOX_IPC_SOCKETID={mark}\n\
             {PROGRAMS}/VBoxManage setproperty websrvauthlibrary null >/dev/null 2>&1 </dev/null\n\
             {PROGRAMS}/VBoxManage setextradata global {WITHOUT_DRIVER} 1 >/dev/null 2>&1 </dev/null\n\
             setsid {PROGRAMS}/vboxwebsrv -H 127.0.0.1 -p {port} -t 0 >{log} 2>&1 </dev/null &"
        );
        self.vbox.run(&["sh", "-c", &script]).expect("starts");
    }

    /// Ends all processes of this VirtualBox, and no other's.
    pub fn stop(&self) {
        let mark = self.mark();
        let script = format!(
            "for signal in TERM KILL; do\n\
               pids=$(grep -lzs '^VBOX_IPC_SOCKETID={mark}$' /proc/[0-9]*/environ | cut -d/ -f3)\n\
               [ -z \"$pids\" ] || kill -$signal $pids || :\n\
               sleep 0.5\n\
             done"
        );
        self.vbox.run(&["sh", "-c", &script]).expect("ends");
    }

    pub async fn connect(&self) -> Manager {
        let url = self.url();
        for _ in 0..200 {
            let location = Location::new(self.folder.join("models"), self.folder.join("nodes"));
            match Manager::connect(&Server::new(&url), location).await {
                Ok(manager) => return manager,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        panic!("the private VirtualBox does not answer");
    }
}

impl Drop for Private<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
