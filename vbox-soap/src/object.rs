//! Handles to objects on the server.

use std::fmt;
use std::sync::Arc;

use crate::ApiVersion;
use crate::call::Call;
use crate::operation::Operation;
use crate::reply::{Outputs, Reply};
use crate::session::Alive;
use crate::value::Value;
use crate::wire::decode::Decode;

/// A handle to an object of whatever interface. Every typed handle has one inside.
///
/// Two handles are equal when they are to the same object of the same session.
#[derive(Clone)]
pub struct ObjectRef(Arc<Counted>);

/// One count of a reference; the last clone's end gives it back.
struct Counted {
    id: Box<str>,
    session: Arc<Alive>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.session.shared().forget(&self.id);
    }
}

impl ObjectRef {
    /// For a reference that has just been counted in the session's table.
    pub(crate) fn counted(id: &str, session: Arc<Alive>) -> Self {
        Self(Arc::new(Counted { id: id.into(), session }))
    }

    /// The reference as the server knows it. It is good as long as this handle or another to the same object lives.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// This object through another interface, without asking the server whether it has it.
    ///
    /// Right where VirtualBox says so by other means: `IEvent::get_type` names the event's own interface.
    /// If the object does not have the interface, calls through it fail with [`crate::Error::InvalidObject`].
    pub fn cast<T: ManagedObject>(&self) -> T {
        T::from_object(self.clone())
    }

    /// The API version of the server that the object lives on; nothing before a logon is finished.
    pub fn api_version(&self) -> Option<ApiVersion> {
        self.session().shared().api_version()
    }

    pub(crate) fn session(&self) -> &Arc<Alive> {
        &self.0.session
    }

    /// A call with at most one result.
    pub(crate) fn call<T: Decode>(
        &self,
        operation: &'static Operation,
        arguments: Vec<Value>,
    ) -> Call<T> {
        Call::new(self.clone(), operation, arguments, Reply::only::<T>)
    }

    /// A call with several results.
    pub(crate) fn call_many<T: Outputs>(
        &self,
        operation: &'static Operation,
        arguments: Vec<Value>,
    ) -> Call<T> {
        Call::new(self.clone(), operation, arguments, T::outputs)
    }
}

impl PartialEq for ObjectRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.id() == other.id() && Arc::ptr_eq(self.session(), other.session()))
    }
}

impl Eq for ObjectRef {}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A typed handle to an object on the server.
pub trait ManagedObject: Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// The interface's name, `IMachine`.
    const INTERFACE: &'static str;

    /// The untyped handle.
    fn object(&self) -> &ObjectRef;

    /// A handle of this type to `object`, without asking the server whether it has the interface:
    /// see [`ObjectRef::cast`].
    fn from_object(object: ObjectRef) -> Self;

    /// This object through another interface: see [`ObjectRef::cast`].
    fn cast<T: ManagedObject>(&self) -> T {
        self.object().cast()
    }
}

/// Defines the handle of an interface; with a base, one that can be used as the base.
macro_rules! managed_object {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name($crate::object::ObjectRef);

        impl $crate::object::ManagedObject for $name {
            const INTERFACE: &'static str = stringify!($name);

            fn object(&self) -> &$crate::object::ObjectRef {
                &self.0
            }

            fn from_object(object: $crate::object::ObjectRef) -> Self {
                Self(object)
            }
        }

        $crate::object::managed_object!(@common $name);
    };
    ($(#[$doc:meta])* $name:ident: $base:ident) => {
        $(#[$doc])*
        #[doc = concat!("\n\nIt can be used as [`", stringify!($base), "`], which it extends.")]
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name($base);

        impl $crate::object::ManagedObject for $name {
            const INTERFACE: &'static str = stringify!($name);

            fn object(&self) -> &$crate::object::ObjectRef {
                self.0.object()
            }

            fn from_object(object: $crate::object::ObjectRef) -> Self {
                Self($base::from_object(object))
            }
        }

        impl std::ops::Deref for $name {
            type Target = $base;

            fn deref(&self) -> &$base {
                &self.0
            }
        }

        impl From<$name> for $base {
            fn from(object: $name) -> Self {
                object.0
            }
        }

        $crate::object::managed_object!(@common $name);
    };
    (@common $name:ident) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), $crate::object::ManagedObject::object(self))
            }
        }

        impl From<$name> for $crate::object::ObjectRef {
            fn from(object: $name) -> Self {
                $crate::object::ManagedObject::object(&object).clone()
            }
        }
    };
}

pub(crate) use managed_object;
