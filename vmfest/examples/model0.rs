//! An instance of two models, given by name. The image model stands in a file in the model path,
//! beside its disk; the hardware model is a built-in one.
//!
//!     cp vmfest/examples/models/debian.meta ~/.vmfest/models/     # and the disk that it names
//!     cargo run -p vmfest --example model0 -- my-vm debian-12 micro
//!
//! Asks for the web service of this machine (or of `VMFEST_URL`), and looks where
//! `VMFEST_MODEL_PATH` and `VMFEST_NODE_PATH` say, else in `~/.vmfest`. The instance is created,
//! started, looked at and destroyed again; the image stays as it is.

// A program may print.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use vmfest::{Error, Location, Manager, Server};

/// Creates, starts, looks at and destroys one instance.
async fn run(manager: &Manager, name: &str, image: &str, hardware: &str) -> Result<(), Error> {
    let models = manager.models()?;
    let images: Vec<_> = models.images().keys().map(String::as_str).collect();
    println!("images: {}", images.join(", "));
    let hardware_models: Vec<_> = models.hardware().keys().map(String::as_str).collect();
    println!("hardware: {}", hardware_models.join(", "));

    let instance = manager.instance_of(name, image, hardware).await?;
    let started = instance.start().await;
    let state = instance.state().await;
    // Also if something went wrong: nothing shall be left.
    instance.destroy().await?;
    started?;
    println!("{name} was {}, and is gone", state?);
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
    let [name, image, hardware] = arguments.as_slice() else {
        return Err("usage: model0 NAME IMAGE-MODEL HARDWARE-MODEL".into());
    };
    let server = std::env::var("VMFEST_URL").map_or_else(|_| Server::default(), Server::new);
    let manager = Manager::connect(&server, Location::default()).await?;
    let done = run(&manager, name, image, hardware).await;
    manager.close().await?;
    Ok(done?)
}
