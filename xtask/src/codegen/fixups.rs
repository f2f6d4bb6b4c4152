//! Where the API's description does not say what a binding must know, or says it badly.
//!
//! Every entry has its reason; a test makes sure that every entry still meets something in the model.

/// An API version that has no XIDL of its own, with the version whose XIDL describes its WSDL.
///
/// The 5.1 packages came without it. 5.2 only added to 5.1: of its XIDL, what 5.1's WSDL has is 5.1's.
pub const BORROWED_XIDL: (&str, &str) = ("5.1", "5.2");

/// A method whose parameters an XIDL declares other than they are.
pub struct Slip {
    /// The versions whose XIDL is wrong.
    pub versions: &'static [&'static str],
    /// `Interface.method`.
    pub method: &'static str,
    /// The inputs that are not there like that.
    pub wrong: &'static [&'static str],
    /// The input that is there instead, with its type.
    pub right: (&'static str, &'static str),
}

/// Parameters that an XIDL declares other than they are.
pub const SLIPS: &[Slip] = &[
    // The id of a guest's OS is a word such as `Debian_64`, and was never a UUID; 5.0 put that right.
    Slip {
        versions: &["4.1", "4.2", "4.3"],
        method: "IVirtualBox.getGuestOSType",
        wrong: &["id"],
        right: ("id", "string"),
    },
    // 5.2 split the id of a leaf into index and sub-index; the borrowed XIDL shows that already.
    Slip {
        versions: &["5.1"],
        method: "IMachine.getCPUIDLeaf",
        wrong: &["idx", "idxSub"],
        right: ("id", "u32"),
    },
    Slip {
        versions: &["5.1"],
        method: "IMachine.setCPUIDLeaf",
        wrong: &["idx", "idxSub"],
        right: ("id", "u32"),
    },
    Slip {
        versions: &["5.1"],
        method: "IMachine.removeCPUIDLeaf",
        wrong: &["idx", "idxSub"],
        right: ("id", "u32"),
    },
];

/// Attributes that an XIDL gives a direction, as only parameters have one: `Interface.attribute`.
/// They are read like any other.
pub const DIRECTED_ATTRIBUTES: [&str; 1] = [
    // 6.0 says `dir="in"` where it meant read-only, and has a setter for it, which fails; 6.1 put that right.
    "IGuestAdditionsStatusChangedEvent.facility",
];

/// Spellings that the rule for word boundaries would split wrongly.
pub const WORDS: [(&str, &str); 6] = [
    ("IPv", "Ipv"),
    ("IPV", "Ipv"),
    ("UUIDs", "Uuids"),
    ("CPUs", "Cpus"),
    ("DnD", "Dnd"),
    ("dnD", "dnd"),
];

/// Values whose variant needs a name of its own: every enum has the open variant `Unknown`, so the
/// API's own value `Unknown` must be called something else.
pub const VARIANTS: [(&str, &str); 1] = [("Unknown", "UnknownValue")];

/// Outputs that are documented to be null in ordinary use, though the description has no word for it:
/// `Interface.member` or `Interface.method.output`. They become `Option`. For all others a null is an
/// error, unless the caller asks for `Call::optional`.
pub const NULLABLE_OUTPUTS: [&str; 15] = [
    // No error happened.
    "IProgress.errorInfo",
    // The end of the chain.
    "IVirtualBoxErrorInfo.next",
    // A machine without snapshots, the first snapshot.
    "IMachine.currentSnapshot",
    "ISnapshot.parent",
    // A medium that is not differencing; an empty drive.
    "IMedium.parent",
    "IMachine.getMedium.returnval",
    // A session that is not locked, or locked without a running VM.
    "ISession.machine",
    "ISession.console",
    // No event came within the time-out.
    "IEventSource.getEvent.returnval",
    // Events about things that may be gone, or never were.
    "IUSBDeviceStateChangedEvent.device",
    "IUSBDeviceStateChangedEvent.error",
    "IGuestSessionStateChangedEvent.error",
    "IGuestProcessStateChangedEvent.error",
    "IGuestFileStateChangedEvent.error",
    // An operation that nobody in particular began.
    "IProgress.initiator",
];

/// Parameters where null has a meaning of its own: `Interface.method.parameter`. They become `Option`.
pub const NULLABLE_PARAMETERS: [&str; 5] = [
    // An empty drive.
    "IMachine.attachDevice.medium",
    "IMachine.mountMedium.medium",
    // No limit.
    "IMachine.setBandwidthGroupForDevice.bandwidthGroup",
    // A copy that stands alone.
    "IMedium.cloneTo.parent",
    "IMedium.resizeAndCloneTo.parent",
];

/// Operations that only the runtime may call: `Interface.method`. Releasing a reference by hand would
/// break every other handle to the same object, because the server gives out one reference for all.
pub const RUNTIME_ONLY: [&str; 1] = ["IManagedObjectRef.release"];

/// Operations that the runtime calls too: `Interface.member`. Their descriptors are visible to it.
pub const ALSO_FOR_RUNTIME: [&str; 7] = [
    // Asking whether a web session still lives, and keeping it alive.
    "IManagedObjectRef.getInterfaceName",
    // Giving back the listener of events that were dropped.
    "IEventSource.eventProcessed",
    "IEventSource.unregisterListener",
    // Giving back the lock of a session object that was dropped.
    "ISession.state",
    "ISession.unlockMachine",
    // Ending the session of a client that was killed.
    "IMachine.saveSettings",
    "ISession.machine",
];
