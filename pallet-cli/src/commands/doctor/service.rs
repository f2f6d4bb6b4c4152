//! Services: whether they answer, and what each kind of them needs.

use std::time::Duration;

use pallet_core::document::Service;
use vmfest::pallet::VirtualBoxConfig;

use super::{Finding, State};
use crate::commands::services::count as count_nodes;
use crate::text::count;

/// Looks at a service, and at what it needs.
pub(super) async fn look(name: String, service: Service, limit: Duration) -> Vec<Finding> {
    let area = format!("service {name} ({})", service.provider);
    let mut findings = Vec::new();
    let looked = tokio::time::timeout(limit, special(&area, &service)).await;
    match looked {
        Ok(Some(special)) => findings.extend(special),
        Ok(None) => {}
        Err(_) => findings.push(Finding::bad(
            State::Problem,
            &area,
            "answer",
            format!("it did not answer within {} s", limit.as_secs()),
            "look whether it hangs, or give it more time with --timeout",
        )),
    }
    if findings.iter().any(|finding| finding.state == State::Problem) {
        return findings;
    }
    findings.push(match count_nodes(&name, service, limit).await {
        Ok(nodes) => Finding::fine(&area, format!("it answers, and has {}", count(nodes, "node"))),
        Err(error) => {
            let remedy = error.help.unwrap_or_else(|| "see what it says".to_owned());
            Finding::bad(State::Problem, &area, "answer", error.message, remedy)
        }
    });
    findings
}

/// What only this kind of service needs; `None` where its answer tells all.
async fn special(area: &str, service: &Service) -> Option<Vec<Finding>> {
    if let Some(config) = service.opener.config::<VirtualBoxConfig>() {
        use vmfest::pallet::doctor::{ask, look_around};
        let mut found = look_around(config, &service.base);
        found.extend(ask(config, &service.base).await);
        let found = found.into_iter().map(|finding| match finding.problem {
            None => Finding::fine(area, finding.what),
            Some(it) => {
                let state = if it.is_fatal { State::Problem } else { State::Warning };
                Finding::bad(state, area, finding.what, it.reason, it.help)
            }
        });
        return Some(found.collect());
    }
    #[cfg(feature = "incus")]
    if let Some(config) = service.opener.config::<pallet_incus::service::IncusConfig>() {
        let found = pallet_incus::doctor::look(config, &service.base).await;
        let found = found.into_iter().map(|finding| match finding.problem {
            None => Finding::fine(area, finding.what),
            Some(it) => {
                let state = if it.is_fatal { State::Problem } else { State::Warning };
                Finding::bad(state, area, finding.what, it.reason, it.help)
            }
        });
        return Some(found.collect());
    }
    None
}
