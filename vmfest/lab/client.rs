//! A client to be killed: brings one instance up, or down, and ends. For the lab tests, which kill
//! it at random moments and run it again.
//!
//!     vmfest-lab-client URL NODE-PATH IMAGE NAME up|down

use std::error::Error;
use std::path::Path;

use vmfest::models::{HardwareModel, ImageModel};
use vmfest::{Location, Manager, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&arguments))
}

async fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [url, node_path, image, name, command] = arguments else {
        return Err("usage: vmfest-lab-client URL NODE-PATH IMAGE NAME up|down".into());
    };
    let location = Location::new(Path::new(node_path).with_file_name("models"), node_path);
    let manager = Manager::connect(&Server::new(url), location).await?;
    match command.as_str() {
        "up" => {
            let instance = match manager.find(name).await? {
                Some(instance) => instance,
                None => {
                    let image = ImageModel::new(image, "Debian_64");
                    let hardware =
                        HardwareModel { memory_size: Some(16), ..HardwareModel::default() };
                    manager.instance(name, &image, &hardware).await?
                }
            };
            instance.start().await?;
        }
        "down" => manager.destroy(name).await?,
        other => return Err(format!("{other:?} is neither up nor down").into()),
    }
    manager.close().await?;
    Ok(())
}
