//! What VirtualBox has to say about a failure.

use crate::ComCode;
use crate::api::IVirtualBoxErrorInfo;
use crate::error::{Cause, Error, Fault};

/// How long a chain of causes may be.
const MAX_CAUSES: usize = 8;

/// The failure of `operation`, with what `info` and its causes say. Where that cannot be fetched, the fault says less.
pub(crate) async fn fault(
    operation: String,
    code: ComCode,
    info: Option<IVirtualBoxErrorInfo>,
) -> Fault {
    let mut fault =
        Fault { operation, code, message: String::new(), component: String::new(), causes: vec![] };
    let Some(info) = info else { return fault };
    if let Err(error) = describe(&mut fault, info).await {
        tracing::debug!(%error, operation = fault.operation, "the reason for a fault cannot be read");
    }
    fault
}

async fn describe(fault: &mut Fault, info: IVirtualBoxErrorInfo) -> Result<(), Error> {
    fault.message = info.get_text().unexplained().await?;
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
