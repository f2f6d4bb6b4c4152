//! Makes VirtualBox forget an image model: its holder and its registration go, the file stays.
//!
//!     cargo run -p vmfest --example remove-model -- URL MODEL-PATH NODE-PATH MODEL

use vmfest::{ImageFile, Location, Manager, Server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, model_path, node_path, model] = arguments.as_slice() else {
        return Err("usage: remove-model URL MODEL-PATH NODE-PATH MODEL".into());
    };
    let location = Location::new(model_path, node_path);
    let manager = Manager::connect(&Server::new(url), location).await?;
    let images = manager.images()?;
    let image = images.get(model).ok_or_else(|| format!("there is no image model {model}"))?;
    manager.remove_model(image, ImageFile::Keep).await?;
    Ok(())
}
