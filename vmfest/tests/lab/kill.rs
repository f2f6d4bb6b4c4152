//! The client is killed at random moments; then the same command again does what the first one
//! should have done, and nothing is left of the first one.
//!
//! `VMFEST_KILLS` says how often (5), `VMFEST_SEED` where the moments come from (the clock).

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vmfest::State;
use vmfest::models::ImageModel;

use crate::support::{Stage, digest, text};

/// How much longer than the first one a command may take that is not killed.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_client_leaves_nothing_behind() {
    let kills: u32 = number("VMFEST_KILLS").map_or(5, |n| u32::try_from(n).expect("a count"));
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let seed = number("VMFEST_SEED")
        .unwrap_or_else(|| u64::try_from(now() % 1_000_000).expect("a small number"));
    println!("{kills} kills, VMFEST_SEED={seed}");
    let mut random = Random(seed);

    let stage = Stage::new("kill").await;
    let image = stage.image("model.vdi").await;
    let before = digest(&image.path);
    let name = stage.name("1");
    let client = Client { stage: &stage, image: &image, name: &name };
    // The first one makes the image's holder, too: later ones are faster.
    let (mut up, mut down) = (client.run("up"), client.run("down"));
    for kill in 0..kills {
        let moment = up.mul_f64(random.fraction());
        client.run_killed("up", moment);
        up = client.run("up").min(up);
        let found = stage.manager.find(&name).await.expect("looks").expect("it is there");
        assert_eq!(found.state().await.expect("a state"), State::Running, "kill {kill}");
        let instances = stage.manager.instances().await.expect("lists");
        let ours = instances.iter().filter(|i| i.name() == name).count();
        assert_eq!(ours, 1, "kill {kill}, after {moment:?} of {up:?}");

        let moment = down.mul_f64(random.fraction());
        client.run_killed("down", moment);
        down = client.run("down").min(down);
        client.check_empty(&format!("kill {kill}, after {moment:?} of {down:?}")).await;
        assert_eq!(digest(&image.path), before, "the image is as it was");
    }
    stage.end(&[&image]).await;
}

struct Client<'a> {
    stage: &'a Stage,
    image: &'a ImageModel,
    name: &'a str,
}

impl Client<'_> {
    fn start(&self, command: &str) -> Child {
        let url = &self.stage.vbox().url;
        let node_path = &self.stage.manager.location().node_path;
        Command::new(env!("CARGO_BIN_EXE_vmfest-lab-client"))
            .args([url, &text(node_path), &text(&self.image.path), self.name, command])
            .spawn()
            .expect("starts")
    }

    /// Runs a command to its end; says how long it took.
    fn run(&self, command: &str) -> Duration {
        let begun = Instant::now();
        let status = self.start(command).wait().expect("ends");
        assert!(status.success(), "{command} {}: {status}", self.name);
        assert!(begun.elapsed() < PATIENCE, "{command} took {:?}", begun.elapsed());
        begun.elapsed()
    }

    fn run_killed(&self, command: &str, moment: Duration) {
        let mut child = self.start(command);
        std::thread::sleep(moment);
        // Perhaps it has ended already.
        child.kill().expect("killed");
        child.wait().expect("ends");
    }

    async fn check_empty(&self, when: &str) {
        let stage = self.stage;
        assert_eq!(stage.files(), Vec::<PathBuf>::new(), "{when}");
        assert_eq!(stage.claimed_ports(), 0, "{when}");
        for folder in [".clients", ".unfinished"] {
            let folder = stage.manager.location().node_path.join(folder);
            let names = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let left: Vec<_> = names
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .filter(|name| !name.starts_with('.'))
                .collect();
            assert_eq!(left, Vec::<String>::new(), "{when}: {}", folder.display());
        }
        let mut left = stage.contents().await;
        left.retain(|entry| !entry.contains("/.holders/"));
        assert_eq!(left, [format!("disk {}", text(&self.image.path))], "{when}");
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|e| panic!("{variable}={text}: {e}")))
}

/// Numbers that look random and come again with the same seed: splitmix64.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let [a, b, ..] = (mixed ^ (mixed >> 31)).to_be_bytes();
        f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX)
    }
}
