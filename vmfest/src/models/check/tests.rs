use super::*;

fn problem(text: &str) -> String {
    let hardware: HardwareModel = crate::edn::from_str(text).expect("is a model");
    let complete = HardwareModel::base().overlaid_with(&hardware).check_complete();
    hardware.check().and(complete).map_or_else(|e| e.to_string(), |()| "fine".to_owned())
}

#[test]
fn hardware() {
    for (text, expected) in [
        ("{}", "fine"),
        ("{:memory-size 256 :cpu-count 2 :vram-size 16}", "fine"),
        ("{:memory-size 2}", ":memory-size 2 is out of range: 4 to 2097152 MiB"),
        ("{:cpu-count 0}", ":cpu-count 0 is out of range: 1 to 256 processors"),
        (
            "{:cpu-count 2 :io-apic-enabled? false}",
            ":io-apic-enabled must not be false with more than one processor",
        ),
        (
            "{:storage []}",
            ":boot-mount-point names the controller \"SATA Controller\", but `storage` has none",
        ),
        (
            "{:boot-mount-point [\"SATA\" 0]}",
            ":boot-mount-point names the controller \"SATA\", but `storage` has \"SATA Controller\"",
        ),
        (
            "{:boot-mount-point [\"SATA Controller\" 30]}",
            ":boot-mount-point position 30 does not exist; sata has positions 0 to 29",
        ),
        (
            "{:storage [{:name \"SATA Controller\" :bus :sata :devices [{:device-type :dvd}]}]}",
            ":boot-mount-point position 0 of \"SATA Controller\" has a device already",
        ),
        (
            "{:storage [{:name \"a\" :bus :sata :type :piix4}]}",
            ":storage [0] :type belongs on the bus ide, not sata",
        ),
        (
            "{:storage [{:name \"a\" :bus :ide} {:name \"a\" :bus :ide}]}",
            ":storage [1] :name \"a\" must be a name that no other has",
        ),
        (
            "{:storage [{:name \"a\" :bus :ide :devices [nil nil nil nil nil]}]}",
            ":storage [0] :devices are too many: ide carries 4",
        ),
        (
            "{:storage [{:name \"a\" :bus :ide :devices [nil {:device-type :hard-disk}]}]}",
            ":storage [0] :devices [1] :location is missing; or say `create` true with a `size`",
        ),
        (
            "{:storage [{:name \"a\" :bus :ide :devices [{:device-type :hard-disk :create? true}]}]}",
            ":storage [0] :devices [0] :size in MiB is needed to create a disk",
        ),
        (
            "{:network [{:attachment-type :bridged}]}",
            ":network [0] :host-interface is missing for this `attachment-type`",
        ),
        (
            "{:network [nil {:mac-address \"0100\"}]}",
            ":network [1] :mac-address \"0100\" is not a unicast address of 12 hexadecimal digits",
        ),
        ("{:network [nil nil nil nil nil nil nil nil nil]}", "fine"),
        (
            "{:chipset-type :piix3 :network [nil nil nil nil nil nil nil nil nil]}",
            ":network has 9 adapters; with this `chipset-type`, a VM has at most 8 (ich9 has more)",
        ),
        (
            "{:network [] :nat-rules []}",
            ":nat-rules belong into the NAT adapter of `network`; here they are for `network-type`",
        ),
        (
            "{:serial-ports [{:host-mode :disconnected}]}",
            ":serial-ports [0] must be empty: this port is the console that host keys are read from",
        ),
        (
            "{:serial-ports [nil {:host-mode :tcp}]}",
            ":serial-ports [1] :path is missing for this `host-mode`",
        ),
        (
            "{:extra-data {\"vmfest/role\" \"x\"}}",
            ":extra-data :vmfest/role is reserved; choose a name that begins otherwise",
        ),
        ("{:hardware-uuid \"7\"}", ":hardware-uuid \"7\" is not a UUID"),
        ("{:teleporter-enabled? true}", ":teleporter-port is missing, with `teleporter-enabled`"),
        (
            "{:storage [{:name \"F\" :bus :floppy :devices [{:device-type :dvd}]}]}",
            ":storage [0] :devices [0] :device-type does not fit the bus floppy",
        ),
        (
            "{:storage [{:name \"a\" :bus :ide :devices [{:device-type :dvd :size 7}]}]}",
            ":storage [0] :devices [0] :size is of use only for a disk that is made, with `create`",
        ),
        (
            "{:storage [{:name \"a\" :bus :ide :devices [{:device-type :hard-disk :create? true :size 8 :variants [:vmdk-esx]}]}]}",
            ":storage [0] :devices [0] :variants of VMDK need the `format` vmdk",
        ),
        (
            "{:network [] :network-type :nat}",
            ":network and `network-type` exclude each other; give one",
        ),
        (
            "{:nat-rules [{:name \"a\" :host-port 0 :guest-port 1}]}",
            ":nat-rules [0] :host-port 0 is not a port",
        ),
        (
            "{:nat-rules [{:name \"ssh\" :host-port 1 :guest-port 1}]}",
            ":nat-rules [0] :name \"ssh\" is reserved for the SSH forward",
        ),
        (
            "{:nat-rules [{:name \"a\" :host-ip \"here\" :host-port 1 :guest-port 1}]}",
            ":nat-rules [0] :host-ip \"here\" is not an IP address",
        ),
    ] {
        assert_eq!(problem(text), expected, "{text}");
    }
}
