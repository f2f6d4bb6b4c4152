//! A stage for each test: folders of its own, an image, and a look at what VirtualBox holds there.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use vbox_soap::api::{
    AccessMode, DeviceType, IMedium, ISession, IVirtualBox, LockType, MediumVariant,
};
use vmfest::models::{HardwareModel, ImageModel};
use vmfest::{Instance, Location, Manager, Server};
use xtask::lab::{State, Vbox};

pub const MIB: i64 = 1024 * 1024;

pub struct Stage {
    pub lab: State,
    pub folder: PathBuf,
    pub manager: Manager,
    /// A second way in, past the manager.
    pub soap: vbox_soap::Session,
    pub prefix: String,
}

impl Stage {
    pub async fn new(test: &str) -> Self {
        let lab = State::load().expect("the lab is up");
        let vbox = lab.vbox().expect("with VirtualBox");
        let folder = vbox.scratch_dir(&format!("vmfest-{test}")).expect("a folder");
        let prefix = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let manager = connect(vbox, &folder).await;
        let client = vbox_soap::Client::new(&vbox.url).expect("an address");
        let soap = client.logon("", "").await.expect("logs on");
        Self { folder, manager, soap, prefix, lab }
    }

    pub fn vbox(&self) -> &Vbox {
        self.lab.vbox().expect("with VirtualBox")
    }

    pub fn vb(&self) -> &IVirtualBox {
        self.soap.virtual_box()
    }

    /// Another connection, as another process would have it.
    pub async fn another_manager(&self) -> Manager {
        connect(self.vbox(), &self.folder).await
    }

    pub fn name(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.prefix)
    }

    /// Makes a small disk and forgets it, so that it is a file that VirtualBox does not know.
    pub async fn image(&self, name: &str) -> ImageModel {
        let path = self.folder.join(name);
        let medium = self.new_disk(&path).await;
        medium.close().await.expect("closes");
        ImageModel::new(path, "Debian_64")
    }

    pub async fn new_disk(&self, path: &Path) -> IMedium {
        let medium = self
            .vb()
            .create_medium("VDI", &text(path), AccessMode::ReadWrite, DeviceType::HardDisk)
            .await
            .expect("a medium");
        let progress = medium
            .create_base_storage(8 * MIB, &[MediumVariant::Standard])
            .await
            .expect("is being made");
        progress.wait(std::time::Duration::from_secs(30)).await.expect("made");
        medium
    }

    pub async fn instance(&self, suffix: &str, image: &ImageModel) -> Instance {
        self.manager.instance(&self.name(suffix), image, &tiny()).await.expect("created")
    }

    /// Locks a machine as another client would.
    pub async fn lock(&self, instance: &Instance, kind: LockType) -> ISession {
        let machine = self.vb().find_machine(instance.id()).await.expect("known");
        let session = self.soap.session_object().await.expect("a session");
        machine.lock_machine(&session, kind).await.expect("locks");
        session
    }

    /// Machines and disks below this test's folder, as VirtualBox knows them.
    pub async fn contents(&self) -> Vec<String> {
        let mut found = Vec::new();
        for machine in self.vb().get_machines().await.expect("machines") {
            let file = machine.get_settings_file_path().await.unwrap_or_default();
            if Path::new(&file).starts_with(&self.folder) {
                found.push(format!("machine {file}"));
            }
        }
        let mut pending = self.vb().get_hard_disks().await.expect("disks");
        while let Some(medium) = pending.pop() {
            // Other tests remove their disks meanwhile.
            let location = medium.get_location().await.unwrap_or_default();
            if Path::new(&location).starts_with(&self.folder) {
                found.push(format!("disk {location}"));
            }
            pending.extend(medium.get_children().await.unwrap_or_default());
        }
        found.sort();
        found
    }

    /// Files below the node path, without those of holders.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut pending = vec![self.manager.location().node_path.clone()];
        while let Some(folder) = pending.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                if entry.path().is_dir() {
                    pending.push(entry.path());
                }
                found.push(entry.path());
            }
        }
        found.sort();
        found
    }

    /// The host ports that are claimed.
    pub fn claimed_ports(&self) -> usize {
        let folder = self.manager.location().node_path.join(".ports");
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }

    /// Destroys what a test has made and looks whether anything is left.
    pub async fn end(self, images: &[&ImageModel]) {
        for instance in self.manager.instances().await.expect("lists") {
            if instance.folder().starts_with(&self.folder) {
                instance.destroy().await.expect("destroyed");
            }
        }
        for image in images {
            self.manager.remove_model(image, vmfest::ImageFile::Keep).await.expect("removed");
        }
        assert_eq!(self.contents().await, Vec::<String>::new(), "VirtualBox knows nothing more");
        assert_eq!(self.files(), Vec::<PathBuf>::new(), "no files are left");
        assert_eq!(self.claimed_ports(), 0, "no ports are claimed");
        self.manager.close().await.expect("logs off");
        self.soap.logoff().await.expect("logs off");
        std::fs::remove_dir_all(&self.folder).expect("the folder goes");
    }
}

async fn connect(vbox: &Vbox, folder: &Path) -> Manager {
    let location = Location::new(folder.join("models"), folder.join("nodes"));
    Manager::connect(&Server::new(&vbox.url), location).await.expect("connects")
}

/// The least hardware that a VM without a guest needs.
pub fn tiny() -> HardwareModel {
    HardwareModel { memory_size: Some(16), ..HardwareModel::default() }
}

pub fn digest(path: &Path) -> Vec<u8> {
    Sha256::digest(std::fs::read(path).expect("reads")).to_vec()
}

pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
