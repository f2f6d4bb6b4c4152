//! Accounts and values as they hold for the nodes of one service.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Fleet;
use crate::login::Login;
use crate::spec::merge;

/// What holds for the nodes of one service in place of what holds for all.
#[derive(Debug, Clone, Default)]
pub struct ServiceScope {
    /// The account that they are administered with. Default: the fleet's.
    pub admin: Option<Login>,
    /// Values that win over the fleet's.
    pub environment: Map<String, Value>,
}

impl Fleet {
    /// The same fleet with another account on the nodes of all services.
    #[must_use]
    pub fn with_admin_user(mut self, admin: Login) -> Self {
        self.admin = admin;
        self.scopes.values_mut().for_each(|scope| scope.admin = None);
        self
    }

    /// The account for nodes of a service.
    pub fn admin_of(&self, service: &str) -> &Login {
        self.scopes.get(service).and_then(|scope| scope.admin.as_ref()).unwrap_or(&self.admin)
    }

    /// The environment of a service's nodes, with `own` of their group over it.
    pub(super) fn environment_of(
        &self,
        service: &str,
        own: &Map<String, Value>,
    ) -> Cow<'_, Map<String, Value>> {
        let of_service = self.scopes.get(service).map(|scope| &scope.environment);
        let above: Vec<_> =
            of_service.into_iter().chain([own]).filter(|it| !it.is_empty()).collect();
        if above.is_empty() {
            return Cow::Borrowed(&self.environment);
        }
        let mut environment = self.environment.clone();
        above.into_iter().for_each(|higher| merge(&mut environment, higher.clone()));
        Cow::Owned(environment)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::event::Events;
    use crate::run::RunOptions;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn fleet() -> Fleet {
        let environment = map(json!({ "cloud": true, "mirror": { "host": "near" } }));
        let admin = Some(Login::new("cloud-admin"));
        Fleet {
            services: BTreeMap::new(),
            default_service: None,
            connector: Default::default(),
            admin: Login::new("admin"),
            environment: map(json!({
                "domain": "example.org",
                "mirror": { "host": "far", "port": 80 },
            })),
            scopes: BTreeMap::from([("cloud".to_owned(), ServiceScope { admin, environment })]),
            options: RunOptions::default(),
            events: Events::none(),
            control: Default::default(),
            considered: Vec::new(),
            locks: Default::default(),
        }
    }

    #[test]
    fn the_more_special_value_wins() {
        let fleet = fleet();
        let seen =
            |service, own| Value::Object(fleet.environment_of(service, &map(own)).into_owned());
        let far = json!({ "host": "far", "port": 80 });
        let near = json!({ "host": "near", "port": 80 });
        assert_eq!(seen("rack", json!({})), json!({ "domain": "example.org", "mirror": far }));
        assert_eq!(
            seen("cloud", json!({ "domain": "www.example.org" })),
            json!({ "cloud": true, "domain": "www.example.org", "mirror": near })
        );
    }

    #[test]
    fn services_have_accounts_of_their_own_unless_one_is_given() {
        let fleet = fleet();
        assert_eq!(fleet.admin_of("rack").username, "admin");
        assert_eq!(fleet.admin_of("cloud").username, "cloud-admin");
        assert_eq!(fleet.with_admin_user(Login::new("me")).admin_of("cloud").username, "me");
    }
}
