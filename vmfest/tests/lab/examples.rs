//! The examples, as the programs that they are, with the files that come with them, against a real
//! VirtualBox.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Stage, digest, text};

/// Runs an example. Cargo builds examples with the tests, beside them.
fn run(stage: &Stage, example: &str, arguments: &[&str]) -> Output {
    let test = std::env::current_exe().expect("this program has a file");
    let folder = test.parent().and_then(Path::parent).expect("in target/debug/deps");
    let program = folder.join("examples").join(example);
    Command::new(&program)
        .args(arguments)
        .env("VMFEST_URL", &stage.vbox().url)
        .env("VMFEST_MODEL_PATH", &stage.manager.location().model_path)
        .env("VMFEST_NODE_PATH", &stage.manager.location().node_path)
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}; cargo build --examples makes it", program.display()))
}

fn printed(output: &Output) -> Vec<String> {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The examples' models, in the stage's model path, with a disk for the image.
async fn with_models(stage: &Stage) -> vmfest::models::ImageModel {
    let image = stage.image("models/debian-12.vdi").await;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models");
    for entry in std::fs::read_dir(source).expect("reads") {
        let file = entry.expect("reads");
        let to = stage.manager.location().model_path.join(file.file_name());
        std::fs::copy(file.path(), to).expect("copied");
    }
    image
}

#[tokio::test(flavor = "multi_thread")]
async fn explicit_maps() {
    let stage = Stage::new("image0").await;
    let image = stage.image("model.vdi").await;
    let before = digest(&image.path);
    let name = stage.name("1");
    let said = printed(&run(&stage, "image0", &[&name, &text(&image.path)]));
    let expected = ["running", "powered off"].map(|state| format!("{name} is {state}"));
    assert_eq!(said[1..3], expected);
    assert_eq!(said[3], format!("{name} is gone"));
    assert_eq!(digest(&image.path), before);
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn models_by_name() {
    let stage = Stage::new("model0").await;
    let image = with_models(&stage).await;
    let name = stage.name("1");
    let said = printed(&run(&stage, "model0", &[&name, "debian-12", "micro"]));
    assert_eq!(
        said,
        [
            "images: debian-12".to_owned(),
            "hardware: data-server, large, medium, micro, small".to_owned(),
            format!("{name} was running, and is gone"),
        ]
    );
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hardware_models_of_ones_own() {
    let stage = Stage::new("model1").await;
    let image = with_models(&stage).await;
    let name = stage.name("1");
    let output = run(&stage, "model1", &[&name, "debian-12", "medium", "data-server"]);
    let mut said = printed(&output);
    said.sort();
    let expected = ["data-server", "medium"]
        .map(|model| format!("{name}-{model} was powered off, and is gone"));
    assert_eq!(said, expected);
    let output = run(&stage, "model1", &[&name, "debian-12", "midium"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("did you mean medium?"), "{error}");
    stage.end(&[&image]).await;
}
