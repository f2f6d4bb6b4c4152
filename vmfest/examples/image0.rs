//! An instance of two maps, written out in the program: what the image is, and what the machine is.
//!
//!     cargo run -p vmfest --example image0 -- my-vm /images/debian-12.vdi
//!
//! Asks for the web service of this machine (or of `VMFEST_URL`) and puts the machine where
//! `VMFEST_NODE_PATH` says, else into `~/.vmfest/nodes`. The instance is created, started, looked at
//! and destroyed again; the image stays as it is.

// A program may print.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::Path;
use std::process::ExitCode;

use vmfest::models::{
    Adapter, AttachmentType, BootDevice, BootMountPoint, Bus, Device, DeviceType, HardwareModel,
    ImageModel, StorageController,
};
use vmfest::{Error, Instance, Location, Manager, Server};

/// The image: a disk that has an operating system on it.
fn image(file: &Path) -> ImageModel {
    ImageModel {
        os_family: Some("debian".to_owned()),
        os_64_bit: Some(true),
        ..ImageModel::new(file, "Debian_64")
    }
}

/// The machine: everything that VirtualBox is to be told. What is left out, VirtualBox decides.
fn machine() -> HardwareModel {
    let nat = Adapter { attachment_type: Some(AttachmentType::Nat), ..Adapter::default() };
    HardwareModel {
        memory_size: Some(512),
        cpu_count: Some(1),
        vram_size: Some(16),
        utc_time: Some(true),
        boot_order: Some([BootDevice::HardDisk, BootDevice::Dvd].into_iter().collect()),
        network: Some(vec![Some(nat)]),
        storage: Some(vec![StorageController {
            devices: vec![None, Some(Device::new(DeviceType::Dvd, None))],
            ..StorageController::new("SATA Controller", Bus::Sata)
        }]),
        boot_mount_point: Some(BootMountPoint {
            controller: "SATA Controller".to_owned(),
            position: 0,
        }),
        ..HardwareModel::default()
    }
}

/// Creates, starts, looks at and destroys one instance.
async fn run(manager: &Manager, name: &str, file: &Path) -> Result<(), Error> {
    let instance = manager.instance(name, &image(file), &machine()).await?;
    println!("{name} is made: {}", instance.folder().display());
    let used = use_it(&instance).await;
    // Also if something went wrong: nothing shall be left.
    instance.destroy().await?;
    println!("{name} is gone");
    used
}

async fn use_it(instance: &Instance) -> Result<(), Error> {
    instance.start().await?;
    println!("{} is {}", instance.name(), instance.state().await?);
    instance.power_down().await?;
    println!("{} is {}", instance.name(), instance.state().await?);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match example().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn example() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, file] = arguments.as_slice() else {
        return Err("usage: image0 NAME IMAGE-FILE".into());
    };
    let server = std::env::var("VMFEST_URL").map_or_else(|_| Server::default(), Server::new);
    let manager = Manager::connect(&server, Location::default()).await?;
    let done = run(&manager, name, Path::new(file)).await;
    manager.close().await?;
    Ok(done?)
}
