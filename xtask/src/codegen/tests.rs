//! The whole way, from made-up descriptions of several versions to code that is verified against them; and
//! with the real ones, where they are at hand.

use std::path::PathBuf;

use super::testing::{Descriptions, wsdl};
use super::*;

const WIRE_4_1: &str = "
    enum Mood Good BAD
    enum HidKind Mouse
    struct IShare hostPath:string
    IBin_getHid _this:string -> returnval:HidKind
    IBin_setHid _this:string hid:HidKind
    IBin_getShares _this:string -> returnval:IShare[]
    IBin_find _this:string id:string -> returnval:string
    IBin_place _this:string at:int
    IBin_mood _this:string moods:Mood[] -> data:string returnval:unsignedInt
    IOldBin_getName _this:string -> returnval:string
    IManager_open -> returnval:string";

const XIDL_4_1: &str = r#"
    <enum name="Mood"><const name="Good"/><const name="BAD"/></enum>
    <enum name="HidKind"><const name="Mouse"/></enum>
    <interface name="IShare" extends="$unknown" wsmap="struct"><attribute name="hostPath" type="wstring"/></interface>
    <interface name="IBin" extends="$unknown" wsmap="managed">
      <attribute name="hid" type="HidKind"/>
      <attribute name="shares" type="IShare" safearray="yes" readonly="yes"/>
      <method name="find"><param name="id" type="uuid" dir="in"/><param name="box" type="IBin" dir="return"/></method>
      <method name="place"><param name="at" type="long" dir="in"/></method>
      <method name="mood">
        <param name="moods" type="Mood" dir="in" safearray="yes"/>
        <param name="data" type="octet" dir="out" safearray="yes"/>
        <param name="count" type="unsigned long" dir="return"/>
      </method>
    </interface>
    <interface name="IOldBin" extends="IBin" wsmap="managed">
      <attribute name="name" type="wstring" readonly="yes"/>
    </interface>
    <interface name="IManager" extends="$unknown" wsmap="global">
      <method name="open"><param name="box" type="IBin" dir="return"/></method>
    </interface>"#;

const WIRE_4_2: &str = "
    fault RuntimeFault resultCode:int returnval:string
    enum Mood Good Bad New
    enum HIDKind Mouse Tablet
    IBin_getHID _this:string -> returnval:HIDKind
    IBin_setHID _this:string HID:HIDKind
    IBin_getShares _this:string -> returnval:string[]
    IBin_find _this:string id:string exact:boolean -> returnval:string
    IBin_mood _this:string moods:Mood[] -> data:string returnval:unsignedInt
    IShare_getHostPath _this:string -> returnval:string
    IManager_open -> returnval:string";

const XIDL_4_2: &str = r#"
    <enum name="Mood"><const name="Good"/><const name="Bad"/><const name="New"/></enum>
    <enum name="HIDKind"><const name="Mouse"/><const name="Tablet"/></enum>
    <interface name="IShare" extends="$unknown" wsmap="managed">
      <attribute name="hostPath" type="wstring" readonly="yes"/>
    </interface>
    <interface name="IBin" extends="$unknown" wsmap="managed">
      <attribute name="HID" type="HIDKind"/>
      <attribute name="shares" type="IShare" safearray="yes" readonly="yes"/>
      <method name="find">
        <param name="id" type="uuid" dir="in"/><param name="exact" type="boolean" dir="in"/>
        <param name="box" type="IBin" dir="return"/>
      </method>
      <method name="mood">
        <param name="moods" type="Mood" dir="in" safearray="yes"/>
        <param name="data" type="octet" dir="out" safearray="yes"/>
        <param name="count" type="unsigned long" dir="return"/>
      </method>
    </interface>
    <interface name="IManager" extends="$unknown" wsmap="global">
      <method name="open"><param name="box" type="IBin" dir="return"/></method>
    </interface>"#;

/// As 4.1, but the place has another type, and that only in the XIDL.
fn three(name: &str) -> Descriptions {
    let wire = format!("{WIRE_4_2}\nIBin_place _this:string at:int");
    let xidl = XIDL_4_2.replace(
        r#"<method name="mood">"#,
        r#"<method name="place"><param name="at" type="long" dir="in"/></method><method name="mood">"#,
    );
    let versions =
        [("4.1", WIRE_4_1, XIDL_4_1), ("4.2", WIRE_4_2, XIDL_4_2), ("4.10", &wire, &xidl)];
    Descriptions::new(name, &versions)
}

fn facts(model: &model::Model) -> Vec<String> {
    let text = model_text::write(model);
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn versions_become_one_model() {
    let descriptions = three("model");
    let model = import_all(descriptions.path()).unwrap();
    assert_eq!(
        facts(&model),
        [
            "versions 4.1 4.2 4.10",
            "enum Mood",
            "  Good",
            "  Bad ~ 4.1 BAD",
            "  New @ 4.2..",
            "enum HIDKind",
            "  Mouse",
            "  Tablet @ 4.2..",
            "struct IShareV4_1 @ 4.1",
            "  hostPath: string",
            "interface IShare @ 4.2..",
            "  get hostPath: string",
            "interface IBin",
            "  get HID: HIDKind ~ 4.1 hid",
            "  set HID: HIDKind ~ 4.1 hid",
            "  get shares: IShare[] @ 4.2..",
            "  get shares: IShareV4_1[] @ 4.1",
            "  call find(id: uuid, exact: bool) -> returnval: IBin @ 4.2..",
            "  call find(id: uuid) -> returnval: IBin @ 4.1",
            "  call place(at: i32) @ 4.1, 4.10..",
            "  call mood(moods: Mood[]) -> data: bytes, returnval: u32",
            "interface IOldBin < IBin @ 4.1",
            "  get name: string",
            "global IManager",
            "  call open() -> returnval: IBin",
        ]
    );
    assert_eq!(model_text::parse(&model_text::write(&model)).unwrap(), model);
}

#[test]
fn what_cannot_be_one_model_is_refused_with_the_place() {
    let change = |name: &str, wire: (&str, &str), xidl: (&str, &str)| {
        let (wire, xidl) = (WIRE_4_2.replace(wire.0, wire.1), XIDL_4_2.replace(xidl.0, xidl.1));
        let versions = [("4.1", WIRE_4_1, XIDL_4_1), ("4.2", &wire, &xidl)];
        format!("{:#}", import_all(Descriptions::new(name, &versions).path()).unwrap_err())
    };
    let error = change("outputs", ("data:", "DATA:"), (r#""data""#, r#""DATA""#));
    assert!(error.contains("interface IBin: operation mood: an output was spelled"), "{error}");
    let global = r#"extends="$unknown" wsmap="global""#;
    let error = change(
        "bases",
        ("IManager_open", "IManager_open _this:string"),
        (global, r#"extends="$unknown" wsmap="managed""#),
    );
    assert!(error.contains("interface IManager: it was global"), "{error}");
}

#[test]
fn a_version_without_xidl_borrows_only_where_that_is_known() {
    let versions = [("5.1", WIRE_4_2, ""), ("5.2", WIRE_4_2, XIDL_4_2)];
    let descriptions = Descriptions::new("borrowed", &versions);
    std::fs::remove_file(descriptions.path().join("5.1").join(XIDL)).unwrap();
    let model = import_all(descriptions.path()).unwrap();
    assert!(facts(&model).iter().all(|line| !line.contains('@')), "both are the same");
    std::fs::rename(descriptions.path().join("5.1"), descriptions.path().join("5.0")).unwrap();
    let error = format!("{:#}", import_all(descriptions.path()).unwrap_err());
    assert!(error.contains("5.0/VirtualBox.xidl"), "{error}");
}

/// Code for the three versions, in a directory of its own.
fn generated(name: &str, descriptions: &Descriptions) -> Descriptions {
    let model = import_all(descriptions.path()).unwrap();
    let directory = Descriptions::new(name, &[]);
    let mut files = files::Files::new(directory.path().to_path_buf());
    generate::generate_without_fixups(&model, &mut files).unwrap();
    files.write().unwrap();
    directory
}

#[test]
fn what_was_generated_agrees_with_the_wsdls() {
    let descriptions = three("agree");
    let code = generated("agree-code", &descriptions);
    let report = verify::verify(code.path(), descriptions.path()).unwrap().to_string();
    assert!(
        report.contains("4.1: 8 requests and their answers, 2 enumerations, 1 structures agree"),
        "{report}"
    );
    assert!(report.contains("23 requests in 3 versions"), "{report}");
}

#[test]
fn whatever_differs_from_a_wsdl_is_found() {
    let descriptions = three("differ");
    let code = generated("differ-code", &descriptions);
    let changes = [
        // Something new, or gone.
        ("IManager_open", "IManager_open2", "IManager_open is no operation"),
        ("IManager_open", "IManager_open2", "IManager_open2 is missing"),
        // Elements: another name, another order, one more.
        ("exact:", "precise:", "IBin_find would be sent with [\"id\", \"exact\"]"),
        ("id:string exact:boolean", "exact:boolean id:string", "instead of [\"exact\", \"id\"]"),
        ("moods:Mood[]", "moods:Mood[] much:int", "IBin_mood would be sent with [\"moods\"]"),
        // Types: another, an array, none.
        ("exact:boolean", "exact:int", "IBin_find: `exact` is"),
        ("moods:Mood[]", "moods:Mood", "IBin_mood: `moods` is"),
        ("returnval:unsignedInt", "returnval:long", "IBin_mood: `returnval` is"),
        ("-> data:string ", "-> ", "IBin_mood would wait for results"),
        ("-> data:string ", "-> more:string data:string ", "IBin_mood would lose the result more"),
        ("IBin_setHID _this:string", "IBin_setHID", "IBin_setHID names no object"),
        // Values and types.
        ("Bad New", "Bad Newer", "Mood lacks the value Newer"),
        ("Bad New", "BAD New", "Mood lacks the value BAD"),
        ("resultCode:int", "resultCode:long", "RuntimeFault: resultCode is not understood"),
        ("fault RuntimeFault", "fault StrangeFault", "the fault StrangeFault is not understood"),
        ("enum HIDKind", "enum PIDKind", "the enumeration PIDKind is missing"),
        ("enum HIDKind", "struct ISize width:int\nenum HIDKind", "the structure ISize is missing"),
    ];
    for (from, to, expected) in changes {
        assert!(WIRE_4_2.contains(from), "{from}");
        descriptions.write("4.2", WSDL, &wsdl(&WIRE_4_2.replace(from, to)));
        let error = verify::verify(code.path(), descriptions.path()).unwrap_err().to_string();
        assert!(error.contains("4.2: ") && error.contains(expected), "{from} → {to}: {error}");
        assert!(!error.contains("4.1: ") && !error.contains("4.10: "), "{error}");
    }
    descriptions.write("4.2", WSDL, &wsdl(WIRE_4_2));
    descriptions.write("4.1", WSDL, &wsdl(&WIRE_4_1.replace("hostPath:string", "path:string")));
    let error = verify::verify(code.path(), descriptions.path()).unwrap_err().to_string();
    assert!(error.contains("4.1: IShare lacks the field path"), "{error}");
}

#[test]
fn a_descriptor_that_is_wrong_in_one_version_is_found() {
    let descriptions = three("tamper");
    let code = generated("tamper-code", &descriptions);
    let file = code.path().join("bin.rs");
    let text = std::fs::read_to_string(&file).unwrap();
    let changes = [
        ("versions: 0b101", "versions: 0b111", "4.2: IBin_place is no operation"),
        ("older: \"IBin_setHid\"", "older: \"IBin_sethid\"", "4.1: IBin_sethid is no operation"),
        ("older: \"hid\"", "older: \"Hid\"", "4.1: IBin_setHid would be sent with [\"Hid\"]"),
        ("id.to_value(), exact.to_value()", "exact.to_value(), id.to_value()", "it sends"),
        (
            "pub fn place(&self, at: i32)",
            "pub fn place(&self, at: i64)",
            "4.1: IBin_place: `at` is",
        ),
    ];
    for (from, to, expected) in changes {
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let error = format!("{:#}", verify::verify(code.path(), descriptions.path()).unwrap_err());
        assert!(error.contains(expected), "{from} → {to}: {error}");
    }
}

#[test]
fn the_page_tells_what_changed_when() {
    let model = import_all(three("page").path()).unwrap();
    let page = generate::versions_page(&model);
    for expected in [
        "| 4.2 | 2 | 7 | 1 | 2 | 2 |",
        "### IBin, 4.1 to 4.10\n\n| | new | changed | gone |\n| --- | --- | --- | --- |\n\
         | 4.2 |  | `get_shares`, `find` | `place` |\n| 4.10 | `place` |  |  |\n",
        "| 4.1 | IOldBin |",
        "| 4.2 to 4.10 | IShare |",
        "| Mood | 4.2 | `New` |  |",
        "| HIDKind | 4.2 | `Tablet` |  |",
        "| IShareV4_1, 4.1 | | | |",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
}

/// The committed model and code against VirtualBox's own descriptions, which are not in this repository:
/// `VBOX_API_DESCRIPTIONS=DIR cargo test -p xtask -- --ignored`.
#[test]
#[ignore = "needs VirtualBox's WSDLs and XIDLs: set VBOX_API_DESCRIPTIONS to their directory"]
fn the_committed_model_and_code_agree_with_virtualbox() {
    let api = PathBuf::from(std::env::var_os("VBOX_API_DESCRIPTIONS").unwrap());
    let root = workspace_root().unwrap();
    let committed = std::fs::read_to_string(root.join("vbox-soap/api/virtualbox.api")).unwrap();
    assert_eq!(model_text::write(&import_all(&api).unwrap()), committed);
    let report = verify::verify(&root.join("vbox-soap/src/generated"), &api).unwrap();
    assert!(report.to_string().contains("15569 requests in 11 versions"), "{report}");
}
