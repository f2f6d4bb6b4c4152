//! Saves what a running machine's first screen shows, as PNG:
//! `cargo run -p vbox-soap --example screenshot -- http://localhost:18083/ MACHINE FILE.png`.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use std::error::Error;

use vbox_soap::Client;
use vbox_soap::api::{BitmapFormat, LockType};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, name, file] = arguments.as_slice() else {
        return Err("give the server's address, the machine's name and the file to write".into());
    };
    let session = Client::new(url)?.logon("", "").await?;
    let machine = session.virtual_box().find_machine(name).await?;
    let picture = session
        .with_lock(&machine, LockType::Shared, async |locked| {
            let Some(console) = locked.console().await? else {
                return Err::<_, Box<dyn Error>>("the machine does not run".into());
            };
            let display = console.get_display().await?;
            let screen = display.get_screen_resolution(0).await?;
            let (width, height) = (screen.width.max(1), screen.height.max(1));
            Ok(display.take_screen_shot_to_array(0, width, height, BitmapFormat::PNG).await?)
        })
        .await?;
    std::fs::write(file, &picture)?;
    println!("{file}: {} bytes", picture.len());
    session.logoff().await?;
    Ok(())
}
