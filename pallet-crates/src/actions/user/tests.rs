//! What is decided, and the commands that it leads to.

use super::super::testing::{account as name, change, entry, outcome};
use super::*;
use crate::values::FileMode;

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
    Found { account, primary, groups: vec![(name("adm"), adm)], home: None, shadow: None }
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
    let found =
        Found { account: None, primary: None, groups: Vec::new(), home: None, shadow: None };
    assert_eq!(
        change(user.decide_from(&found)).fragment.code(),
        "useradd --system --user-group --home-dir /home/app --no-create-home -- app\n"
    );
}

#[test]
fn what_a_new_home_holds_is_foreseen() {
    let user = User::new("app").unwrap().uid(7);
    let create = |entry: Option<Entry>, parent: Option<Entry>| {
        let place = HomePlace {
            path: "/home/app".parse().unwrap(),
            entry,
            parent,
            mode: FileMode::from_bits(0o750),
            skeleton: vec![".bashrc".to_owned()],
        };
        let found = Found {
            account: None,
            primary: None,
            groups: Vec::new(),
            home: Some(place),
            shadow: None,
        };
        change(user.decide_from(&found))
    };
    let folder = || Some(entry(EntryKind::Directory, 0o755));
    let home: RemotePath = "/home/app".parse().unwrap();
    let accounts = [Key::user("app"), Key::group("app")];
    let writes = |change: &Change| change.effects.writes()[2..].to_vec();

    let fresh = create(None, folder());
    assert_eq!(fresh.effects.writes()[..2], accounts);
    assert_eq!(writes(&fresh), [Key::path("/home/app"), Key::path("/home/app/.bashrc")]);
    let foreseen = fresh.effects.predicted().get::<Stat>(&home).unwrap().clone().unwrap();
    assert_eq!((foreseen.mode, foreseen.uid), (FileMode::from_bits(0o750), Some(7)));
    assert!(fresh.fragment.code().ends_with("chmod -- 00750 /home/app\n"));

    let there = create(folder(), folder());
    assert!(writes(&there).is_empty());
    assert!(there.effects.predicted().get::<Stat>(&home).is_none());
    assert!(!there.fragment.code().contains("chmod"));

    let deep = create(None, None);
    assert_eq!(writes(&deep), [Key::path("/home"), Key::tree("/home/app")]);
    assert!(deep.effects.predicted().get::<Stat>(&home).is_none());
}
