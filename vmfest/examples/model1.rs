//! Hardware models of one's own, in files: in EDN under the reserved key `:hardware-models`, in
//! TOML under `[hardware-models.NAME]`. Nothing else changes in the program: it names another
//! model. A model of one's own takes the place of a built-in one of the same name.
//!
//!     cp vmfest/examples/models/* ~/.vmfest/models/     # and the disk that debian.meta names
//!     cargo run -p vmfest --example model1 -- my-vm debian-12 medium data-server
//!
//! Asks for the web service of this machine (or of `VMFEST_URL`), and looks where
//! `VMFEST_MODEL_PATH` and `VMFEST_NODE_PATH` say, else in `~/.vmfest`. One instance of each
//! hardware model is made, all at the same time, and destroyed again.

// A program may print.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use tokio::task::JoinSet;
use vmfest::{Error, Location, Manager, Server};

/// Makes and destroys one instance for each hardware model.
async fn run(manager: &Manager, name: &str, image: &str, hardware: &[String]) -> Result<(), Error> {
    // First look at all of them: what is wrong in a file is said with line and column, before
    // anything is created.
    for model in hardware {
        manager.check_of(image, model).await?;
    }
    let mut making = JoinSet::new();
    for model in hardware {
        let (manager, image, model) = (manager.clone(), image.to_owned(), model.clone());
        let name = format!("{name}-{model}");
        making.spawn(async move {
            let instance = manager.instance_of(&name, &image, &model).await?;
            let state = instance.state().await;
            instance.destroy().await?;
            println!("{name} was {}, and is gone", state?);
            Ok(())
        });
    }
    making.join_all().await.into_iter().collect()
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
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(image)) = (arguments.next(), arguments.next()) else {
        return Err("usage: model1 NAME IMAGE-MODEL HARDWARE-MODEL…".into());
    };
    let hardware: Vec<String> = arguments.collect();
    let server = std::env::var("VMFEST_URL").map_or_else(|_| Server::default(), Server::new);
    let manager = Manager::connect(&server, Location::default()).await?;
    let done = run(&manager, &name, &image, &hardware).await;
    manager.close().await?;
    Ok(done?)
}
