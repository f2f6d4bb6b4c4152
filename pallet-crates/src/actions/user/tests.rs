//! What is decided, and the commands that it leads to.

use super::super::testing::{account as name, change, outcome};
use super::*;

fn group(gid: u32, members: &[&str]) -> Option<GroupEntry> {
    Some(GroupEntry {
        gid: Some(gid),
        members: members.iter().map(|member| (*member).to_owned()).collect(),
    })
}

fn app() -> Option<Account> {
    Some(Account {
        uid: Some(1000),
        gid: Some(1000),
        comment: Some(String::new()),
        home: Some("/home/app".to_owned()),
        shell: Some("/bin/sh".to_owned()),
    })
}

fn found(account: Option<Account>, primary: Option<GroupEntry>, adm: Option<GroupEntry>) -> Found {
    Found { account, primary, groups: vec![(name("adm"), adm)] }
}

#[test]
fn decision_table() {
    let plain = User::new("app").unwrap();
    let adm = plain.clone().groups(["adm"]).unwrap();
    let full = adm
        .clone()
        .uid(7)
        .group("web")
        .unwrap()
        .home("/srv/a b")
        .unwrap()
        .shell("/bin/bash")
        .unwrap()
        .comment("It's me");
    let alone = |account, primary| Found { groups: Vec::new(), ..found(account, primary, None) };
    let cases = [
        (&plain, alone(app(), group(1000, &[])), "unchanged", ""),
        (
            &plain,
            alone(None, None),
            "created",
            "useradd --user-group --home-dir /home/app --create-home -- app\n",
        ),
        (
            &plain,
            alone(None, group(5, &[])),
            "created",
            "useradd --gid app --home-dir /home/app --create-home -- app\n",
        ),
        (&adm, found(app(), None, group(4, &["app"])), "unchanged", ""),
        (&adm, found(app(), None, group(1000, &[])), "unchanged", ""),
        (
            &adm,
            found(app(), None, group(4, &["root"])),
            "added to adm",
            "usermod --append --groups adm -- app\n",
        ),
        (&adm, found(app(), None, None), "error: there is no group `adm` on the node", ""),
        (
            &full,
            found(app(), None, group(4, &[])),
            "error: there is no group `web` on the node",
            "",
        ),
        (
            &full,
            found(app(), group(8, &[]), group(4, &["app"])),
            "uid 1000 → 7; primary group 1000 → web; home /home/app → /srv/a b; \
             shell /bin/sh → /bin/bash; comment → It's me",
            "usermod --uid 7 --gid web --home '/srv/a b' --shell /bin/bash \
             --comment 'It'\\''s me' -- app\n",
        ),
        (
            &full,
            found(None, group(8, &[]), group(4, &[])),
            "created with uid 7",
            "useradd --uid 7 --gid web --groups adm --home-dir '/srv/a b' --create-home \
             --shell /bin/bash --comment 'It'\\''s me' -- app\n",
        ),
    ];
    for (user, found, expected, code) in cases {
        assert_eq!(outcome(user.decide_from(&found)), expected, "{user:?}");
        if !code.is_empty() {
            assert_eq!(change(user.decide_from(&found)).fragment.code(), code);
        }
    }
    let absent = plain.absent();
    assert_eq!(outcome(absent.decide_from(&alone(None, None))), "unchanged");
    let removed = change(absent.decide_from(&alone(app(), None)));
    assert_eq!(removed.fragment.code(), "userdel -- app\n");
}

#[test]
fn a_system_user_without_a_home() {
    let user = User::new("app").unwrap().system().create_home(false);
    let found = Found { account: None, primary: None, groups: Vec::new() };
    assert_eq!(
        change(user.decide_from(&found)).fragment.code(),
        "useradd --system --user-group --home-dir /home/app --no-create-home -- app\n"
    );
}
