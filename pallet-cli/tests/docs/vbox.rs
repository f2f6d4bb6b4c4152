//! The lab's VirtualBox, under the address that a page has it at.

use std::path::{Path, PathBuf};

use xtask::lab::{Guest, State};

/// A home that VirtualBox can read, with the disk of a prepared guest in it.
pub struct Desk {
    home: PathBuf,
    shown: String,
    url: String,
}

impl Desk {
    /// `shown` is the web service's address on the page.
    pub fn new(shown: &str) -> Self {
        let lab = State::load().unwrap();
        let (vbox, guest) = (lab.vbox().unwrap(), lab.guest().unwrap());
        let home = vbox.scratch_dir("page").unwrap();
        lay_out(guest, &home);
        // Copies of one disk have one UUID, which VirtualBox takes once only.
        let disk = home.join("debian.vdi");
        vbox.vboxmanage(&["internalcommands", "sethduuid", disk.to_str().unwrap()]).unwrap();
        Self { home, shown: shown.to_owned(), url: vbox.url.clone() }
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A text of the page with the address that the web service has here.
    pub fn here(&self, text: &str) -> String {
        text.replace(&self.shown, &self.url)
    }
}

fn lay_out(guest: &Guest, home: &Path) {
    std::fs::copy(&guest.disk, home.join("debian.vdi")).unwrap();
    let ssh = home.join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    std::fs::copy(&guest.key, ssh.join("id_ed25519")).unwrap();
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.home);
    }
}
