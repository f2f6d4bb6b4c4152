//! What VirtualBox has to say about a failure.

use crate::ComCode;
use crate::api::IVirtualBoxErrorInfo;
use crate::error::{Cause, Error, Fault};

/// How long a chain of causes may be.
const MAX_CAUSES: usize = 8;

/// Completes a fault with what `info` and its causes say. Where that cannot be fetched, the fault says less.
pub(crate) async fn describe(fault: &mut Fault, info: IVirtualBoxErrorInfo) {
    if let Err(error) = read(fault, info).await {
        tracing::debug!(%error, operation = fault.operation, "the reason for a fault cannot be read");
    }
}

async fn read(fault: &mut Fault, info: IVirtualBoxErrorInfo) -> Result<(), Error> {
    let message = info.get_text().unexplained().await?;
    if !message.is_empty() {
        fault.message = message;
    }
    fault.component = info.get_component().unexplained().await?;
    let mut next = info.get_next().unexplained().await?;
    while let Some(info) = next.filter(|_| fault.causes.len() < MAX_CAUSES) {
        fault.causes.push(Cause {
            code: ComCode(info.get_result_code().unexplained().await?.cast_unsigned()),
            message: info.get_text().unexplained().await?,
            component: info.get_component().unexplained().await?,
        });
        next = info.get_next().unexplained().await?;
    }
    Ok(())
}
