//! Every key of the models arrives in VirtualBox, and what it does not bear is said before
//! anything is created.

use vbox_soap::api::{
    self, GraphicsFeature, IMachine, NetworkAdapterPromiscModePolicy, NetworkAdapterType,
    NetworkAttachmentType, PortMode,
};
use vmfest::models::{HardwareModel, ImageModel};

use crate::support::{Stage, text};

impl Stage {
    pub async fn make(&self, suffix: &str, image: &ImageModel, hardware: &str) -> IMachine {
        let hardware: HardwareModel = vmfest::edn::from_str(hardware).expect("a model");
        let name = self.name(suffix);
        let instance = self.manager.instance(&name, image, &hardware).await.expect("created");
        self.vb().find_machine(instance.id()).await.expect("known")
    }

    /// What VBoxManage shows of the machine.
    fn shown(&self, suffix: &str) -> String {
        let name = self.name(suffix);
        self.vbox().vboxmanage(&["showvminfo", &name, "--machinereadable"]).expect("shown")
    }
}

fn assert_lines(shown: &str, lines: &[&str]) {
    for line in lines {
        assert!(shown.lines().any(|l| l == *line), "{line} in\n{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_itself() {
    let stage = Stage::new("hardware").await;
    let image = stage.image("model.vdi").await;
    let machine = stage
        .make(
            "1",
            &image,
            r#"{:name "of no weight" :description "what for" :os-type-id "Ubuntu_64"
                :hardware-version "2" :hardware-uuid "11111111-2222-4333-8444-555555555555"
                :memory-size 40 :memory-balloon-size 8 :page-fusion-enabled? false
                :cpu-count 2 :cpu-hot-plug-enabled? true :vram-size 20 :monitor-count 2
                :graphics-controller :vmsvga :accelerate-3d-enabled? true
                :accelerate-2d-video-enabled? false :chipset-type :ich9 :firmware-type :efi-64
                :pointing-hid-type :usb-tablet :keyboard-hid-type :usb-keyboard
                :clipboard-mode :birectional :boot-order [[1 :hard-disk] [2 :dvd]]
                :rtc-use-utc? true :acpi-enabled? true :hpet-enabled? true
                :io-cache-enabled? true :io-cache-size 7 :snapshot-folder "States"
                :teleporter-enabled? false :teleporter-port 6001
                :teleporter-address "127.0.0.1" :teleporter-password "hunter2"
                :shared-folders [["src" "/tmp" false false] {:name "w" :path "/var" :auto-mount? true}]
                :extra-settings {"GUI/ScaleFactor" "2" "VBoxInternal/Devices/x" "y z"}
                :session-type :separate}"#,
        )
        .await;

    assert_eq!(machine.get_os_type_id().await.expect("read"), "Debian_64", "the image's counts");
    assert_eq!(machine.get_description().await.expect("read"), "what for");
    assert_eq!(machine.get_hardware_version().await.expect("read"), "2");
    let uuid = machine.get_hardware_uuid().await.expect("read");
    assert_eq!(uuid, "11111111-2222-4333-8444-555555555555");
    assert_eq!(machine.get_memory_size().await.expect("read"), 40);
    assert_eq!(machine.get_memory_balloon_size().await.expect("read"), 8);
    assert!(!machine.get_page_fusion_enabled().await.expect("read"));
    assert_eq!(machine.get_cpu_count().await.expect("read"), 2);
    assert!(machine.get_cpu_hot_plug_enabled().await.expect("read"));
    assert!(machine.get_cpu_status(1).await.expect("read"), "the second processor is there");
    let graphics = machine.get_graphics_adapter().await.expect("read");
    assert_eq!(graphics.get_vram_size().await.expect("read"), 20);
    assert_eq!(graphics.get_monitor_count().await.expect("read"), 2);
    assert_eq!(
        graphics.get_graphics_controller_type().await.expect("read"),
        api::GraphicsControllerType::VMSVGA
    );
    let is_on = graphics.is_feature_enabled(GraphicsFeature::Acceleration3D);
    assert!(is_on.await.expect("read"));
    let platform = machine.get_platform().await.expect("read");
    assert_eq!(platform.get_chipset_type().await.expect("read"), api::ChipsetType::ICH9);
    assert!(platform.get_rtc_use_utc().await.expect("read"));
    let x86 = platform.get_x86().await.expect("read");
    assert!(x86.get_hpet_enabled().await.expect("read"));
    let firmware = machine.get_firmware_settings().await.expect("read");
    assert_eq!(firmware.get_firmware_type().await.expect("read"), api::FirmwareType::EFI64);
    assert!(firmware.get_acpi_enabled().await.expect("read"));
    assert!(firmware.get_ioapic_enabled().await.expect("read"), "two processors need it");
    assert_eq!(
        machine.get_pointing_hid_type().await.expect("read"),
        api::PointingHIDType::USBTablet
    );
    assert_eq!(
        machine.get_keyboard_hid_type().await.expect("read"),
        api::KeyboardHIDType::USBKeyboard
    );
    assert_eq!(
        machine.get_clipboard_mode().await.expect("read"),
        api::ClipboardMode::Bidirectional
    );
    let mut order = Vec::new();
    for position in 1..=4 {
        order.push(machine.get_boot_order(position).await.expect("read"));
    }
    let null = api::DeviceType::Null;
    let expected = [api::DeviceType::HardDisk, api::DeviceType::DVD, null.clone(), null];
    assert_eq!(order, expected);
    assert!(machine.get_io_cache_enabled().await.expect("read"));
    assert_eq!(machine.get_io_cache_size().await.expect("read"), 7);
    let folder = machine.get_snapshot_folder().await.expect("read");
    let own = stage.manager.location().node_path.join(stage.name("1"));
    assert_eq!(folder, text(&own.join("States")));
    assert!(!machine.get_teleporter_enabled().await.expect("read"));
    assert_eq!(machine.get_teleporter_port().await.expect("read"), 6001);
    assert_eq!(machine.get_teleporter_address().await.expect("read"), "127.0.0.1");
    // VirtualBox keeps a digest; the original wrote the password over the address.
    assert!(!machine.get_teleporter_password().await.expect("read").is_empty());
    let mut folders = Vec::new();
    for shared in machine.get_shared_folders().await.expect("read") {
        folders.push((
            shared.get_name().await.expect("read"),
            shared.get_host_path().await.expect("read"),
            shared.get_writable().await.expect("read"),
            shared.get_auto_mount().await.expect("read"),
        ));
    }
    folders.sort();
    let expected = [("src", "/tmp", false, false), ("w", "/var", true, true)]
        .map(|(name, path, writable, mount)| (name.to_owned(), path.to_owned(), writable, mount));
    assert_eq!(folders, expected);
    for (key, value) in [("GUI/ScaleFactor", "2"), ("VBoxInternal/Devices/x", "y z")] {
        assert_eq!(machine.get_extra_data(key).await.expect("read"), value);
    }
    let shown = stage.shown("1");
    assert_lines(&shown, &["audio=\"none\"", "groups=\"/vmfest\""]);

    let instance = stage.manager.find(&stage.name("1")).await.expect("looks").expect("there");
    instance.set_extra_data("mine/key", "a \"value\"\nof two lines").await.expect("kept");
    assert_eq!(
        instance.extra_data("mine/key").await.expect("read").as_deref(),
        Some("a \"value\"\nof two lines")
    );
    assert_eq!(instance.extra_data("mine/other").await.expect("read"), None);
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_of_a_machine() {
    let stage = Stage::new("defaults").await;
    let image = stage.image("model.vdi").await;
    let machine = stage.make("1", &image, "{}").await;
    assert_eq!(machine.get_memory_size().await.expect("read"), 512);
    assert_eq!(machine.get_cpu_count().await.expect("read"), 1);
    let graphics = machine.get_graphics_adapter().await.expect("read");
    assert_eq!(graphics.get_vram_size().await.expect("read"), 16);
    assert_lines(
        &stage.shown("1"),
        &["nic1=\"nat\"", "nic2=\"none\"", "uart1=\"0x03f8,4\"", "uart2=\"off\"", "audio=\"none\""],
    );
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_and_serial_ports() {
    let stage = Stage::new("adapters").await;
    let image = stage.image("model.vdi").await;
    let machine = stage
        .make(
            "1",
            &image,
            r#"{:memory-size 16
                :network [{:attachment-type :nat :adapter-type :vitrio :promiscuous-mode :allow-all
                           :nat-rules [{:name "in" :host-port 32123 :guest-port 22}
                                       {:name "dns" :protocol :udp :host-ip "" :host-port 32124
                                        :guest-ip "10.0.2.15" :guest-port 53}]}
                          nil
                          {:attachment-type :internal :internal-network "inner"
                           :mac-address "08:00:27:ab:cd:ef" :adapter-type :i82545em
                           :cable-connected false :line-speed 1000000}
                          {:attachment-type :host-only :host-only-interface "vboxnet7"}
                          {:attachment-type :bridged :bridged-interface "en1: Wi-Fi (AirPort)"}
                          {:attachment-type :generic :network "UDPTunnel"
                           :generic-properties {"dport" "10001" "dest" "192.0.2.1"}}
                          {:attachment-type :nat-network :nat-network "shared"}
                          {:attachment-type :null :adapter-type :null}
                          {:attachment-type :internal :internal-network "ninth" :enabled false}
                          {}]
                :serial-ports [nil
                               {:host-mode :raw-file :path "second.log" :uart-type :16750}
                               {:host-mode :tcp :path "127.0.0.1:2023" :server? false}
                               {:host-mode :host-pipe :path "pipe" :irq 9 :io-address 0x2e8}]}"#
                .replace("0x2e8", "744")
                .as_str(),
        )
        .await;
    let mut kinds = Vec::new();
    for slot in 0..10 {
        let adapter = machine.get_network_adapter(slot).await.expect("read");
        let enabled = adapter.get_enabled().await.expect("read");
        kinds.push((enabled, adapter.get_attachment_type().await.expect("read")));
    }
    use NetworkAttachmentType as A;
    let expected = [
        (true, A::NAT),
        (false, A::Null),
        (true, A::Internal),
        (true, A::HostOnly),
        (true, A::Bridged),
        (true, A::Generic),
        (true, A::NATNetwork),
        (true, A::Null),
        (false, A::Internal),
        (true, A::NAT),
    ];
    assert_eq!(kinds, expected);
    let at = |slot| machine.get_network_adapter(slot);
    let first = at(0).await.expect("read");
    assert_eq!(first.get_adapter_type().await.expect("read"), NetworkAdapterType::Virtio);
    assert_eq!(
        first.get_promisc_mode_policy().await.expect("read"),
        NetworkAdapterPromiscModePolicy::AllowAll
    );
    let engine = first.get_nat_engine().await.expect("read");
    let mut rules = engine.get_redirects().await.expect("read");
    rules.sort();
    assert_eq!(rules, ["dns,0,,32124,10.0.2.15,53", "in,1,127.0.0.1,32123,,22"]);
    let third = at(2).await.expect("read");
    assert_eq!(third.get_mac_address().await.expect("read"), "080027ABCDEF");
    assert_eq!(third.get_internal_network().await.expect("read"), "inner");
    assert_eq!(third.get_adapter_type().await.expect("read"), NetworkAdapterType::I82545EM);
    assert!(!third.get_cable_connected().await.expect("read"));
    assert_eq!(third.get_line_speed().await.expect("read"), 1_000_000);
    let fourth = at(3).await.expect("read");
    assert_eq!(fourth.get_host_only_interface().await.expect("read"), "vboxnet7");
    let fifth = at(4).await.expect("read");
    assert_eq!(fifth.get_bridged_interface().await.expect("read"), "en1: Wi-Fi (AirPort)");
    let sixth = at(5).await.expect("read");
    assert_eq!(sixth.get_generic_driver().await.expect("read"), "UDPTunnel");
    assert_eq!(sixth.get_property("dport").await.expect("read"), "10001");
    assert_eq!(sixth.get_property("dest").await.expect("read"), "192.0.2.1");
    let seventh = at(6).await.expect("read");
    assert_eq!(seventh.get_nat_network().await.expect("read"), "shared");
    let platform = machine.get_platform().await.expect("read");
    assert_eq!(platform.get_chipset_type().await.expect("read"), api::ChipsetType::ICH9);
    let instance = stage.manager.find(&stage.name("1")).await.expect("looks").expect("there");
    assert_eq!(instance.ssh_address().await.expect("an address").port(), 32123);
    // Those that are connected, up to the last slot of the larger chipset.
    let interfaces = instance.interfaces().await.expect("read");
    let slots: Vec<_> = interfaces.iter().map(|interface| interface.slot).collect();
    assert_eq!(slots, [0, 2, 3, 4, 5, 6, 9]);

    let folder = stage.manager.location().node_path.join(stage.name("1"));
    let mut ports = Vec::new();
    for slot in 0..4 {
        let port = machine.get_serial_port(slot).await.expect("read");
        assert!(port.get_enabled().await.expect("read"), "port {slot}");
        let mode = port.get_host_mode().await.expect("read");
        ports.push((mode, port.get_path().await.expect("read")));
    }
    let own = |file: &str| text(&folder.join(file));
    assert_eq!(
        ports,
        [
            (PortMode::RawFile, text(&instance.console())),
            (PortMode::RawFile, own("second.log")),
            (PortMode::TCP, "127.0.0.1:2023".to_owned()),
            (PortMode::HostPipe, own("pipe")),
        ]
    );
    let second = machine.get_serial_port(1).await.expect("read");
    assert_eq!(second.get_uart_type().await.expect("read"), api::UartType::U16750);
    let third = machine.get_serial_port(2).await.expect("read");
    assert!(!third.get_server().await.expect("read"));
    let fourth = machine.get_serial_port(3).await.expect("read");
    assert!(fourth.get_server().await.expect("read"));
    assert_eq!(fourth.get_irq().await.expect("read"), 9);
    assert_eq!(fourth.get_io_address().await.expect("read"), 744);
    stage.end(&[&image]).await;
}

/// What only VirtualBox can know is asked before anything is created, and said with its place.
#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_before_anything_is_created() {
    let stage = Stage::new("mistakes").await;
    let image = stage.image("models/model.vdi").await;
    let models = stage.manager.location().model_path.clone();
    stage.instance("0", &image).await.destroy().await.expect("destroyed");
    let (before, files) = (stage.contents().await, stage.files());
    std::fs::write(
        models.join("a.meta"),
        "{:good {:uuid \"model.vdi\" :os-type-id \"Debian_64\"}\n \
          :typo {:uuid \"model.vdi\" :os-type-id \"Debain_64\"}\n \
          :lost {:path \"lost.vdi\" :os-type-id \"Debian_64\"}\n \
          :wide {:uuid \"model.vdi\" :os-type-id \"Debian_64\"\n        \
                 :hardware {:cpu-count 200}}}",
    )
    .expect("written");
    std::fs::write(
        models.join("b.toml"),
        "[hardware-models.huge]\nmemory-size = 2097152\ncpu-count = 100\n\
         [hardware-models.old]\nguest-property-notification-patterns = \"*\"\n\
         [hardware-models.video]\naccelerate-2d-video-enabled = true\n\
         [hardware-models.nowhere]\nboot-mount-point = [\"IDE\", 0]\n\
         [hardware-models.mac]\nnetwork = [\n\
         {attachment-type = \"host-only-network\", host-only-network = \"x\"}]\n",
    )
    .expect("written");
    for (image, hardware, expected) in [
        (
            "typo",
            "micro",
            "a.meta:2:39: :typo :os-type-id: \"Debain_64\" is no guest type that VirtualBox knows; \
             did you mean \"Debian_64\"?",
        ),
        ("lost", "micro", "a.meta:3:15: :lost :path: the image file "),
        (
            "wide",
            "micro",
            "a.meta:5:31: :wide :hardware :cpu-count: 200 is out of range: 1 to 64 processors in \
             this VirtualBox",
        ),
        (
            "good",
            "huge",
            "b.toml:3:13: hardware-models.huge.cpu-count: 100 is out of range: 1 to 64",
        ),
        (
            "good",
            "old",
            "b.toml:5:40: hardware-models.old.guest-property-notification-patterns: is no setting \
             of VirtualBox 7.2",
        ),
        (
            "good",
            "video",
            "b.toml:7:31: hardware-models.video.accelerate-2d-video-enabled: is no setting of \
             VirtualBox 7.2: 7.1 was the last",
        ),
        (
            "good",
            "nowhere",
            "b.toml:9:20: hardware-models.nowhere.boot-mount-point: names the controller \"IDE\"",
        ),
        // VirtualBox has these on macOS only.
        (
            "good",
            "mac",
            "b.toml:12:20: hardware-models.mac.network[0].attachment-type: does not exist in this \
             VirtualBox",
        ),
        ("goood", "micro", "did you mean good?"),
        ("good", "larg", "did you mean large?"),
    ] {
        let checked = stage.manager.check_of(image, hardware).await.expect_err(image);
        let made = stage.manager.instance_of(&stage.name("1"), image, hardware).await;
        let made = made.expect_err(image);
        for error in [checked, made] {
            assert!(error.is_input(), "{error}");
            let error = error.to_string();
            assert!(error.contains(expected), "{image} {hardware}\n  {error}\n  {expected}");
        }
        assert_eq!(stage.contents().await, before);
        assert_eq!(stage.files(), files);
    }
    stage.manager.check_of("good", "large").await.expect("can be made");
    std::fs::remove_file(models.join("a.meta")).expect("removed");
    std::fs::remove_file(models.join("b.toml")).expect("removed");
    stage.end(&[&image]).await;
}
