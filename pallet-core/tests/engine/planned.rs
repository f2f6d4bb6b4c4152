//! Compiling a phase for a node that nothing but its facts is known of.

use pallet_core::facts::Facts;
use pallet_core::plan::{PlannedAction, Scene, Target, compile};
use pallet_core::spec::Phase;

pub fn planned(facts: &Facts, phase: &Phase) -> Vec<PlannedAction> {
    let target = Target {
        name: "node".into(),
        group: "test".into(),
        address: String::new(),
        roles: Default::default(),
        facts: facts.clone(),
        settings: Default::default(),
        properties: Default::default(),
    };
    let nodes = [target.clone()];
    let environment = serde_json::Map::new();
    let scene = Scene { nodes: &nodes, environment: &environment };
    compile("test", phase, &target, scene).unwrap().actions
}
