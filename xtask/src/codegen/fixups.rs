//! Where the API's description does not say what a binding must know, or says it badly.
//!
//! Every entry has its reason; a test makes sure that every entry still meets something in the model.

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
pub const ALSO_FOR_RUNTIME: [&str; 5] = [
    // Asking whether a web session still lives, and keeping it alive.
    "IManagedObjectRef.getInterfaceName",
    // Giving back the listener of events that were dropped.
    "IEventSource.eventProcessed",
    "IEventSource.unregisterListener",
    // Giving back the lock of a session object that was dropped.
    "ISession.state",
    "ISession.unlockMachine",
];
