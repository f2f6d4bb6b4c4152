//! Plays a run that needs no nodes, to look at the live view and to measure it:
//! `cargo run -p pallet-cli --example live-view -- 100 20`.

use std::time::Duration;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: u64| {
        arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let nodes = usize::try_from(number(0, 100)).unwrap_or(usize::MAX);
    let is_quiet = arguments.get(2).is_some_and(|word| word == "quiet");
    pallet_cli::rehearse(nodes, Duration::from_secs(number(1, 20)), is_quiet)
}
