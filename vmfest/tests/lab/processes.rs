//! Several processes at once, and processes that are killed.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vmfest::images::{Description, Import};
use vmfest::models::ImageModel;
use vmfest::{ImageFile, Location, Manager, Server};

use crate::disks::raw;
use crate::private::Private;
use crate::support::{Stage, digest, text, tiny};

const JOB: &str = "VMFEST_TEST_JOB";

fn debian() -> Description {
    Description::default().text("os-type-id", "Debian_64")
}

/// Starts this test program again, to do one thing.
fn child(stage: &Stage, url: &str, job: &str, what: &str, name: &str) -> Child {
    let location = stage.manager.location();
    let job =
        [job, url, &text(&location.model_path), &text(&location.node_path), what, name].join("\n");
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "processes::one_job", "--ignored"])
        .env(JOB, job)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process of the other tests, not a test"]
async fn one_job() {
    let job = std::env::var(JOB).expect("a job");
    let [job, url, models, nodes, what, name] = job.lines().collect::<Vec<_>>()[..] else {
        panic!("not a job: {job}");
    };
    let location = Location::new(models, nodes);
    let manager = Manager::connect(&Server::new(url), location).await.expect("connects");
    match job {
        "use" => {
            let image = ImageModel::new(what, "Debian_64");
            manager.instance(name, &image, &tiny()).await.expect("created");
        }
        "import" => {
            let import = Import::new(what).name(name).describe(debian());
            manager.import_model(import).await.expect("imported");
        }
        other => panic!("no such job: {other}"),
    }
    manager.close().await.expect("logs off");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_use_an_image_for_the_first_time() {
    let stage = Stage::new("two").await;
    for round in 0..3 {
        let image = stage.image(&format!("model-{round}.vdi")).await;
        let before = digest(&image.path);
        let names: Vec<_> = (0..2).map(|n| stage.name(&format!("{round}-{n}"))).collect();
        let children = names
            .iter()
            .map(|name| child(&stage, &stage.vbox().url, "use", &text(&image.path), name));
        for mut child in children.collect::<Vec<_>>() {
            assert!(child.wait().expect("ends").success());
        }
        let holders: Vec<_> = stage
            .contents()
            .await
            .into_iter()
            .filter(|line| line.contains("machine") && line.contains(".holders"))
            .collect();
        assert_eq!(holders.len(), 1, "{holders:?}");
        for name in &names {
            let instance = stage.manager.find(name).await.expect("looks").expect("made");
            instance.destroy().await.expect("destroyed");
        }
        assert_eq!(digest(&image.path), before);
        stage.manager.remove_model(&image, ImageFile::Delete).await.expect("removed");
        assert_eq!(stage.contents().await, Vec::<String>::new());
    }
    stage.end(&[]).await;
}

/// Whenever an import is killed, there is no model or a whole one, and the same command completes it.
///
/// There is one moment that VirtualBox itself does not get over, which is told: then it has to be
/// started again, and so this is a VirtualBox of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_can_be_repeated() {
    let stage = Stage::new("killed").await;
    let models = stage.manager.location().model_path.clone();
    let vmdk = crate::disks::converted(&stage, "m.vmdk", "VMDK", "Standard", 3);
    let image = raw(&stage, "m.img", 3);
    let private = Private::new(&stage);
    private.start();
    let mut manager = private.connect().await;
    let mut whole = 0;
    for round in 0..16_u64 {
        let source = text(if round % 2 == 0 { &vmdk } else { &image });
        let mut first = child(&stage, &private.url(), "import", &source, "m");
        std::thread::sleep(Duration::from_millis(10 + 14 * round));
        first.kill().expect("killed");
        first.wait().expect("ended");
        if models.join("m.meta").exists() {
            whole += 1;
        } else {
            let import = || Import::new(&source).name("m").describe(debian());
            if let Err(error) = manager.import_model(import()).await {
                let problem = error.to_string();
                assert!(problem.contains("start vboxwebsrv again"), "round {round}: {problem}");
                println!("round {round}: {problem}");
                drop(manager);
                private.stop();
                private.start();
                manager = private.connect().await;
                manager.import_model(import()).await.expect("after a restart");
            }
        }
        let checked = manager.check_model("m", true).await.expect("checks");
        assert_eq!(checked.problems, [], "round {round}");
        let model = manager.models().expect("reads").image("m").expect("known").clone();
        let made = manager.instance(&stage.name("1"), &model, &tiny()).await.expect("created");
        made.destroy().await.expect("destroyed");
        manager.delete_model("m", ImageFile::Delete).await.expect("removed");
        let left: Vec<_> = std::fs::read_dir(&models).expect("reads").flatten().collect();
        assert!(left.is_empty(), "round {round}: {left:?}");
    }
    println!("{whole} of 16 were complete when they were killed");
    assert!(whole < 16, "some were killed on the way");
    manager.close().await.expect("logs off");
    drop(private);
    stage.vbox().vboxmanage(&["closemedium", "disk", &text(&vmdk)]).expect("closed");
    stage.end(&[]).await;
}
