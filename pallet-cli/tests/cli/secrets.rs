//! Secrets that cannot be had: a mistake for those who need them, and for nobody else.

use crate::support::Folder;

const NEEDS_A_SECRET: &str = "
    [service.rack]
    provider = 'node-list'
    nodes = [{ name = 'web-1', group = 'web' }]

    [environment]
    token = { secret = { env = 'PALLET_TEST_NO_SUCH_TOKEN' } }

    [group-spec.web.phases]
    configure = [
      { user = { name = 'app', password = { env = 'PALLET_TEST_NO_SUCH_PASSWORD' } } },
    ]
";

#[test]
fn who_only_looks_needs_none() {
    let folder = Folder::with(NEEDS_A_SECRET);
    for arguments in [
        &["nodes"][..],
        &["services"],
        &["images"],
        &["hardware"],
        &["config"],
        &["explain", "group", "web"],
        &["ssh", "web-1", "--print", "--", "true"],
    ] {
        folder.pallet(arguments).code(0);
    }
}

#[test]
fn who_configures_is_told_which_and_what_to_do() {
    let folder = Folder::with(NEEDS_A_SECRET);
    let ran = folder.pallet(&["plan"]).code(2).says(&[
        "the environment variable PALLET_TEST_NO_SUCH_PASSWORD is not set",
        "set PALLET_TEST_NO_SUCH_PASSWORD for this command",
        "the environment variable PALLET_TEST_NO_SUCH_TOKEN is not set",
        "pallet.toml:11:",
    ]);
    assert!(!ran.stderr.contains("for example"), "{}", ran.stderr);
}
