//! Pictures of screens, as PNG files.

use vbox_soap::Error;
use vbox_soap::api::{BitmapFormat, IDisplay, IMachine};

use super::since;

/// Width and height of the first screen.
pub(crate) async fn screen_size(display: &IDisplay) -> Result<(u32, u32), Error> {
    if since(display, 5, 0) {
        display.get_screen_resolution(0).await.map(|size| (size.width, size.height))
    } else if since(display, 4, 3) {
        display.get_screen_resolution_v4_3(0).await.map(|size| (size.width, size.height))
    } else {
        display.get_screen_resolution_v4_1(0).await.map(|size| (size.width, size.height))
    }
}

/// A picture of the first screen, in this size.
pub(crate) async fn take_picture(
    display: &IDisplay,
    width: u32,
    height: u32,
) -> Result<Vec<u8>, Error> {
    if since(display, 5, 0) {
        display.take_screen_shot_to_array(0, width, height, BitmapFormat::PNG).await
    } else {
        display.take_screen_shot_png_to_array(0, width, height).await
    }
}

/// The picture that was taken when the machine was saved.
pub(crate) async fn saved_picture(machine: &IMachine) -> Result<Vec<u8>, Error> {
    if since(machine, 5, 0) {
        let saved = machine.read_saved_screenshot_to_array(0, BitmapFormat::PNG).await?;
        Ok(saved.result)
    } else {
        Ok(machine.read_saved_screenshot_png_to_array(0).await?.result)
    }
}
