//! A decoded response.

use crate::error::DecodeError;
use crate::operation::Operation;
use crate::wire::decode::{Decode, Element, References};

/// What the server answered to one operation, its references counted.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) operation: &'static Operation,
    pub(crate) response: Element,
    pub(crate) references: References,
}

impl Reply {
    /// The result called `name`.
    pub(crate) fn output<T: Decode>(&self, name: &'static str) -> Result<T, DecodeError> {
        T::decode_all(&mut self.response.children_called(name), &self.references)
            .map_err(|error| error.within(name))
    }

    /// The only result, or nothing where there is none.
    pub(crate) fn only<T: Decode>(&self) -> Result<T, DecodeError> {
        self.output(self.operation.output)
    }
}

/// Several results of one operation.
pub(crate) trait Outputs: Sized {
    fn outputs(reply: &Reply) -> Result<Self, DecodeError>;
}
