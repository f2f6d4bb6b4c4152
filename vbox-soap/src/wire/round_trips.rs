//! Every kind of value, written into a request and read back as from a response.

use std::sync::Arc;

use proptest::prelude::*;

use crate::api::{IGuestOSType, IMachine, MachineState, PlatformArchitecture, VBoxEventType};
use crate::error::DecodeError;
use crate::generated::event_source::UNREGISTER_LISTENER;
use crate::object::ObjectRef;
use crate::session::Alive;
use crate::value::{ToValue, Value};
use crate::wire::decode::{Decode, References};
use crate::wire::{encode, xml};

/// The one parameter of the operation that carries the values.
const PARAMETER: &str = "listener";

/// Writes a value, and reads what was written as another type, or the same.
fn back<T: Decode>(value: Value, references: &References) -> Result<T, DecodeError> {
    assert_eq!(UNREGISTER_LISTENER.parameters, [PARAMETER]);
    let text = encode::request(&UNREGISTER_LISTENER, Some("source"), &[value], None).unwrap();
    let root = xml::parse(&text).unwrap();
    let request = &root.children[0].children[0];
    assert_eq!(request.name, UNREGISTER_LISTENER.name);
    T::decode_all(&mut request.children_called(PARAMETER), references)
}

fn round<T: Decode>(value: Value) -> T {
    back(value, &References::default()).unwrap()
}

/// All text that XML can carry.
fn text() -> impl Strategy<Value = String> {
    "(?s)[\t\n\r -\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]{0,40}"
}

macro_rules! numbers {
    ($($name:ident)*) => {$(
        proptest! {
            #[test]
            fn $name(one: $name, many: Vec<$name>) {
                prop_assert_eq!(round::<$name>(one.to_value()), one);
                prop_assert_eq!(round::<Vec<$name>>(many.as_slice().to_value()), many);
            }
        }
    )*};
}

numbers!(bool i16 u16 i32 u32 i64);

proptest! {
    #[test]
    fn texts(one in text(), many in proptest::collection::vec(text(), 0..5)) {
        prop_assert_eq!(round::<String>(one.as_str().to_value()), one);
        let parts: Vec<&str> = many.iter().map(String::as_str).collect();
        prop_assert_eq!(round::<Vec<String>>(parts.as_slice().to_value()), many);
    }

    #[test]
    fn bytes(bytes: Vec<u8>) {
        prop_assert_eq!(round::<Vec<u8>>(bytes.as_slice().to_value()), bytes);
    }

    #[test]
    fn enumerations_keep_what_they_do_not_know(value in text()) {
        let state = MachineState::from(value.as_str());
        prop_assert_eq!(state.as_str(), &value);
        prop_assert_eq!(round::<MachineState>(state.to_value()), state);
    }

    #[test]
    fn references(ids in proptest::collection::hash_set("[0-9a-f]{1,16}-[0-9a-f]{16}", 0..6)) {
        let alive = Alive::of_no_server();
        let references = References(ids.iter().map(|id| (id.clone(), counted(&alive, id))).collect());
        let handles: Vec<IMachine> = references.0.values().map(ObjectRef::cast).collect();
        let all: Vec<IMachine> = back(handles.as_slice().to_value(), &references).unwrap();
        prop_assert_eq!(&all, &handles);
        for handle in &handles {
            let one: IMachine = back(handle.to_value(), &references).unwrap();
            prop_assert_eq!(&one, handle);
            let optional: Option<IMachine> = back(Some(handle).to_value(), &references).unwrap();
            prop_assert_eq!(optional.as_ref(), Some(handle));
        }
        let none: Option<IMachine> = back(None::<&IMachine>.to_value(), &references).unwrap();
        prop_assert_eq!(none, None);
    }

    #[test]
    fn structures(
        id in text(),
        is64_bit: bool,
        recommended_ram: u32,
        recommended_hdd: i64,
        left_out: bool,
        unknown in "[a-z]{12,14}",
    ) {
        let mut written = String::new();
        let mut write = |name: &str, value: String| {
            let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('\r', "&#13;");
            written += &format!("<{name}>{value}</{name}>");
        };
        write("recommendedHDD", recommended_hdd.to_string());
        write(&unknown, "of another version".to_owned());
        write("platformArchitecture", "ARM".to_owned());
        write("is64Bit", is64_bit.to_string());
        if !left_out {
            write("id", id.clone());
        }
        write("recommendedRAM", recommended_ram.to_string());
        let element = xml::parse(&format!("<v>{written}</v>")).unwrap();
        let known = IGuestOSType::decode(&element, &References::default()).unwrap();
        prop_assert_eq!(known.id, if left_out { String::new() } else { id });
        prop_assert_eq!(known.is64_bit, is64_bit);
        prop_assert_eq!(known.recommended_ram, recommended_ram);
        prop_assert_eq!(known.recommended_hdd, recommended_hdd);
        prop_assert_eq!(known.platform_architecture, PlatformArchitecture::ARM);
        prop_assert_eq!(known.description, "");
    }
}

fn counted(alive: &Arc<Alive>, id: &str) -> ObjectRef {
    alive.shared().references().adopt(id, "IMachine");
    ObjectRef::counted(id, alive.clone())
}

#[test]
fn known_values_of_enumerations() {
    for value in ["Null", "PoweredOff", "Running", "Snapshotting"] {
        let state = MachineState::from(value);
        assert!(!matches!(state, MachineState::Unknown(_)), "{value}");
        assert_eq!(round::<MachineState>(state.to_value()), state);
    }
    let kinds = [VBoxEventType::Any, VBoxEventType::OnMachineRegistered];
    assert_eq!(round::<Vec<VBoxEventType>>(kinds.as_slice().to_value()), kinds);
}
