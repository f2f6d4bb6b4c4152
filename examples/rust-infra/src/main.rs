//! Machines described in Rust: a program that knows all commands of `pallet`.
//!
//! ```console
//! $ cargo build -p rust-infra
//! $ sudo target/debug/rust-infra plan          # shows three sandbox nodes, and what is on them
//! $ sudo target/debug/rust-infra converge
//! $ sudo target/debug/rust-infra explain /etc/proxy/backends.conf
//! $ sudo target/debug/rust-infra destroy --all
//! ```

mod local_time;
mod site;

use std::process::ExitCode;

use pallet_cli::App;
use pallet_core::registry::Registry;

/// Where nodes come from. A `pallet.toml`, `~/.pallet` or `--service` can say otherwise.
const SETTINGS: &str = r#"
[service.sandbox]
provider = "sandbox"

[environment]
domain = "example.org"
"#;

fn main() -> ExitCode {
    App::new()
        .name("rust-infra")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A small site: two web nodes behind a proxy")
        .registry(Registry::new().action::<local_time::LocalTime>())
        .settings(SETTINGS)
        .specs(site::specs)
        .main()
}
