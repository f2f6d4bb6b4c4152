use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        Self(folder)
    }

    fn load(&self) -> Result<Models, Error> {
        load_folder(self.0.path())
    }

    /// The error, with the folder's name taken out.
    fn error(&self) -> String {
        let folder = format!("{}/", self.0.path().display());
        self.load().expect_err("is wrong").to_string().replace(&folder, "")
    }
}

#[test]
fn several_files_with_several_models() {
    let folder = Folder::new(&[
        (
            "a.meta",
            r#"{:deb {:uuid "deb.vdi" :os-type-id "Debian_64" :no-sudo false}
                :ubu {:path "/x/ubu.vdi" :os-type-id "Ubuntu_64" :username "u" :password "p"}}"#,
        ),
        ("hw.meta", "{:hardware-models {:micro {:memory-size 300} :huge {:cpu-count 8}}}"),
        ("notes.txt", "not a model ("),
    ]);
    let models = folder.load().expect("reads");
    assert_eq!(models.images().keys().collect::<Vec<_>>(), ["deb", "ubu"]);
    assert_eq!(models.image("deb").expect("known").path, folder.0.path().join("deb.vdi"));
    assert_eq!(models.image("ubu").expect("known").path, Path::new("/x/ubu.vdi"));
    assert_eq!(
        models.hardware().keys().collect::<Vec<_>>(),
        ["huge", "large", "medium", "micro", "small"]
    );
    let micro = models.hardware_model("micro").expect("known");
    assert_eq!((micro.memory_size, micro.cpu_count), (Some(300), None), "the user's model wins");
    assert_eq!(models.source_of_image("deb"), Some(&*folder.0.path().join("a.meta")));
}

#[test]
fn unknown_names_come_with_a_suggestion() {
    let folder =
        Folder::new(&[("a.meta", r#"{:debian-12 {:uuid "d.vdi" :os-type-id "Debian_64"}}"#)]);
    let models = folder.load().expect("reads");
    let text = models.image("debain-12").expect_err("unknown").to_string();
    assert!(text.contains("no image model debain-12"), "{text}");
    assert!(text.contains("did you mean debian-12?"), "{text}");
    let text = models.hardware_model("tiny").expect_err("unknown").to_string();
    assert!(text.contains("large, medium, micro, small"), "{text}");
    let none = load_folder(Path::new("/nowhere/models")).expect("no folder, no models");
    let text = none.image("x").expect_err("unknown").to_string();
    assert!(text.contains("/nowhere/models"), "{text}");
}

#[test]
fn mistakes_are_shown_with_file_line_and_column() {
    for (text, expected) in [
        ("{:a {:uuid \"x\"\n", "a.meta:1:5: `{` is never closed; `}` is missing"),
        (
            "{:a {:uuid \"x\"\n  :os-type-idd \"y\"}}",
            "a.meta:2:3: :a: unknown key :os-type-idd; did you mean :os-type-id?",
        ),
        ("{:a {:uuid \"x\"}}", "a.meta:1:5: :a: the key :os-type-id is missing"),
        (
            "{:a {:uuid \"x\" :os-type-id \"y\" :os-64-bit 1}}",
            "a.meta:1:43: :a :os-64-bit: expected true or false, found the number 1",
        ),
        ("{:a {:uuid \"\" :os-type-id \"y\"}}", "a.meta:1:12: :a :uuid: names no file"),
        (
            "{:a {:uuid \"x\" :os-type-id \"y\"\n     :hardware {:cpu-count 0}}}",
            "a.meta:2:28: :a :hardware :cpu-count: 0 is out of range: 1 to 256 processors",
        ),
        (
            "{:hardware-models {:m {:memroy-size 5}}}",
            "a.meta:1:24: :hardware-models :m: unknown key :memroy-size; did you mean :memory-size?",
        ),
        (
            "{:hardware-models {:m {:memory-size \"5\"}}}",
            "a.meta:1:37: :hardware-models :m :memory-size: expected a whole number from 0 up, found \"5\"",
        ),
        (
            "{:hardware-models 5}",
            "a.meta:1:19: :hardware-models: expected a map of model names to models, { … }",
        ),
        ("[]", "a.meta:1:1: expected a map of model names to models, { … }"),
        ("{7 {}}", "a.meta:1:2: a model's name must be a keyword"),
        (
            "{:a #=(eval 1)}",
            "a.meta:1:5: this is program text; the file is read as data and never evaluated",
        ),
    ] {
        let error = Folder::new(&[("a.meta", text)]).error();
        assert!(error.contains(expected), "{text}\n  {error}\n  {expected}");
    }
}

#[test]
fn a_name_in_two_files_is_an_error() {
    let model = r#"{:a {:uuid "x" :os-type-id "y"}}"#;
    let error = Folder::new(&[("1.meta", model), ("2.meta", model)]).error();
    assert!(error.contains("model a ") && error.contains("1.meta and 2.meta"), "{error}");
}

#[test]
fn toml_beside_edn() {
    let folder = Folder::new(&[
        ("a.meta", r#"{:deb {:uuid "deb.vdi" :os-type-id "Debian_64"}}"#),
        (
            "b.toml",
            r#"
            [ubuntu]
            path = "ubu.vdi"
            os-type-id = "Ubuntu_64"
            os-64-bit = true
            boot-mount-point = ["SATA", 1]
            storage = [
              { name = "SATA", bus = "sata", devices = [{ device-type = "dvd" }, "none"] },
            ]
            [ubuntu.hardware]
            "io-apic-enabled?" = true

            [hardware-models.small]
            memory-size = 300
            boot-order = [[1, "hard-disk"], [2, "dvd"]]
            shared-folders = [["src", "src", false, true]]
            network = ["none", { attachment-type = "nat" }]
            extra-data = { "GUI/ScaleFactor" = "2" }
            "#,
        ),
        ("pallet.toml", "[service.vbox]\nprovider = 'virtualbox'"),
    ]);
    let models = folder.load().expect("reads");
    assert_eq!(models.images().keys().collect::<Vec<_>>(), ["deb", "ubuntu"]);
    let ubuntu = models.image("ubuntu").expect("known");
    assert_eq!(ubuntu.path, folder.0.path().join("ubu.vdi"));
    assert_eq!(ubuntu.boot_mount_point.as_ref().map(|m| m.position), Some(1));
    let devices = ubuntu.storage.iter().flatten().flat_map(|c| &c.devices);
    assert_eq!(devices.map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    assert_eq!(ubuntu.hardware.as_ref().and_then(|h| h.io_apic_enabled), Some(true));
    let small = models.hardware_model("small").expect("known");
    assert_eq!(small.memory_size, Some(300), "the user's model wins over the built-in one");
    assert_eq!(small.network.as_ref().map(Vec::len), Some(2));
    assert_eq!(models.source_of_hardware("small"), Some(&*folder.0.path().join("b.toml")));
    assert_eq!(models.source_of_hardware("large"), None);

    for (text, expected) in [
        (
            "[a]\nuuid = 'x'\nos-type-idd = 'y'",
            "a.toml:3:1: a: unknown key `os-type-idd`; did you mean `os-type-id`?",
        ),
        ("[a]\nuuid = 'x'", "a.toml:1:1: a: the key `os-type-id` is missing"),
        (
            "[hardware-models.m]\ncpu-count = 0",
            "a.toml:2:13: hardware-models.m.cpu-count: 0 is out of range: 1 to 256 processors",
        ),
        (
            "[hardware-models.m]\nfirmware-type = 'efi64'",
            "a.toml:2:17: hardware-models.m.firmware-type: unknown value \"efi64\"; did you mean \"efi-64\"?",
        ),
        ("hardware-models = 5", "a.toml:1:19: hardware-models: expected a table of models"),
        ("[a\n", "a.toml:1:3: "),
    ] {
        let error = Folder::new(&[("a.toml", text)]).error();
        assert!(error.contains(expected), "{text}\n  {error}\n  {expected}");
    }
}

/// Hazard 20: what a file says is never run, in no notation and at no place.
#[test]
fn files_are_data() {
    let marker = tempfile::tempdir().expect("a folder");
    let path = marker.path().join("pwned");
    let touch = format!("(clojure.java.shell/sh \"touch\" \"{}\")", path.display());
    for text in [
        format!("#=({touch})"),
        touch.clone(),
        format!("{{:a {touch}}}"),
        format!("{{:a {{:uuid {touch} :os-type-id \"Linux\"}}}}"),
        format!("{{:a {{:uuid \"x\" :os-type-id #=(eval {touch})}}}}"),
        format!("{{:a {{:uuid \"x\" :os-type-id \"Linux\" :description #clj/eval {touch}}}}}"),
        format!("{{:a @(future {touch})}}"),
        format!("{{:a #(do {touch})}}"),
        format!("(do {touch} {{:a {{:uuid \"x\" :os-type-id \"Linux\"}}}})"),
    ] {
        let folder = Folder::new(&[("a.meta", &text)]);
        let error = folder.error();
        assert!(error.starts_with("a.meta:1:"), "{text}: {error}");
        assert!(!path.exists(), "{text}");
    }
    // What looks like a program in a string stays a string.
    let text = format!("{{:a {{:uuid \"x\" :os-type-id \"Linux\" :description {touch:?}}}}}");
    let models = Folder::new(&[("a.meta", &text)]).load().expect("reads");
    let description = models.image("a").expect("known").description.clone();
    assert_eq!(description, Some(touch));
    assert!(!path.exists());
}

/// The files of the documents that started it all: image models with a path under `:uuid`,
/// hardware models under the reserved key, written as they were written then.
#[test]
fn the_first_files_load_as_they_are() {
    let folder = Folder::new(&[
        (
            "my-images.meta",
            r#"{:model_ubuntu_1204_64
                 {:uuid "/var/models/model_ubuntu_1204_64.vdi" :os-type-id "Ubuntu_64"
                  :os-family :ubuntu :os-version "12.04" :os-64-bit true :packager :apt
                  :description "Ubuntu 12.04 (64 bit)" :username "pallet-admin"
                  :password "secret" :sudo-password "secret" :no-sudo false
                  :network-type :local
                  :storage [{:name "SATA Controller" :bus :sata :devices [nil]}]
                  :boot-mount-point ["SATA Controller" 0]
                  :hardware {:io-apic-enabled? true}}
                :model_ubuntu_1110_32
                 {:uuid "/var/models/model_ubuntu_1110_32.vdi" :os-type-id "Ubuntu"
                  :os-family :ubuntu :os-version "11.10" :os-64-bit false}}"#,
        ),
        (
            "my-hardware-models.meta",
            r#"{:hardware-models
                 {:medium {:memory-size 1024 :cpu-count 2 :vram-size 16
                           :boot-order [[1 :hard-disk] [2 :dvd]] :utc-time true
                           :clipboard-mode :birectional
                           :network [{:attachment-type :host-only
                                      :host-only-interface "vboxnet0"}
                                     {:attachment-type :nat
                                      :nat-rules [{:name "web" :protocol :tcp :host-ip ""
                                                   :host-port 8080 :guest-ip ""
                                                   :guest-port 80}]}
                                     {:attachment-type :bridged :host-interface "eth0"}]
                           :storage [{:name "SATA" :bus :sata :type :intel-ahci
                                      :devices [nil {:device-type :dvd}]}]
                           :boot-mount-point ["SATA" 0]
                           :shared-folders [["src" "/home/me/src" false true]]}}}"#,
        ),
    ]);
    let models = folder.load().expect("reads");
    assert_eq!(models.images().len(), 2);
    let medium = models.hardware_model("medium").expect("known");
    assert_eq!((medium.memory_size, medium.cpu_count), (Some(1024), Some(2)));
    assert_eq!(medium.network.as_ref().map(Vec::len), Some(3));
    let image = models.image("model_ubuntu_1110_32").expect("known");
    image.effective_hardware(medium).check_complete().expect("can be made");
}

#[test]
fn later_findings_are_told_where_they_stand() {
    let folder = Folder::new(&[
        (
            "i.meta",
            r#"{:deb {:uuid "x.vdi" :os-type-id "Debain_64"
                  :hardware {:vram-size 200}}}"#,
        ),
        ("h.toml", "[hardware-models.big]\nvram-size = 1\nmemory-size = 9000\n"),
    ]);
    let models = folder.load().expect("reads");
    let told = |path: &[&str]| {
        let path = path.iter().map(|key| (*key).to_owned()).collect();
        let invalid = Invalid { path, problem: "is wrong".to_owned() };
        let error = Error::InvalidModel { what: "the VM x".to_owned(), invalid };
        let error = models.locate(Some("deb"), Some("big"), error).to_string();
        error.replace(&format!("{}/", folder.0.path().display()), "")
    };
    assert_eq!(told(&["os-type-id"]), "i.meta:1:34: :deb :os-type-id: is wrong");
    assert_eq!(told(&["vram-size"]), "i.meta:2:41: :deb :hardware :vram-size: is wrong");
    assert_eq!(told(&["memory-size"]), "h.toml:3:15: hardware-models.big.memory-size: is wrong");
    assert_eq!(told(&["cpu-count"]), "cannot make the VM x: :cpu-count is wrong");
    let missing = Error::ModelFileMissing { path: "x.vdi".into() };
    let missing = models.locate(Some("deb"), None, missing).to_string();
    assert!(missing.contains("i.meta:1:14: :deb :uuid: the image file x.vdi"), "{missing}");
}
