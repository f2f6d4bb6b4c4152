//! What commands write for programs: the schema of each.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;

use super::{
    completions, config, doctor, explain, hardware, images, init, man, models, nodes, report, run,
    services, ssh,
};
use crate::error::Written;
use crate::plan_file::PlanFile;
use crate::summary::Outcome;

type Schema = fn() -> Value;

/// All commands by name, subcommands with a space between, and `error`.
pub(super) fn all() -> Vec<(&'static str, Schema)> {
    vec![
        ("completions", completions::schema),
        ("config", config::schema),
        ("converge", of::<Outcome>),
        ("destroy", of::<Outcome>),
        ("doctor", doctor::schema),
        ("error", of::<Written>),
        ("explain", explain::schema),
        ("hardware", hardware::schema),
        ("images", images::schema),
        ("init", init::schema),
        ("lift", of::<Outcome>),
        ("man", man::schema),
        ("models check", models::check::schema),
        ("models clone", models::schema),
        ("models import", models::import_schema),
        ("models list", models::list::schema),
        ("models prepare", models::prepare::schema),
        ("models remove", models::remove::schema),
        ("nodes", nodes::schema),
        ("plan", of::<PlanFile>),
        ("report", report::schema),
        ("resume", of::<Outcome>),
        ("run", run::schema),
        ("services", services::schema),
        ("ssh", ssh::schema),
    ]
}

/// The schema of a type as it is written.
pub(crate) fn of<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    generator.into_root_schema_for::<T>().to_value()
}

/// The schema of what is one of two types.
pub(crate) fn either<One: JsonSchema, Other: JsonSchema>() -> Value {
    #[derive(Serialize, JsonSchema)]
    #[serde(untagged)]
    #[allow(dead_code, reason = "only its schema is of interest")]
    enum Either<One, Other> {
        One(One),
        Other(Other),
    }
    of::<Either<One, Other>>()
}
