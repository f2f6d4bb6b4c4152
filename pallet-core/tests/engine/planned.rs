//! Compiling a phase for a node that nothing but its facts is known of.

use pallet_core::facts::Facts;
use pallet_core::plan::{Nodes, PlannedAction, Scene, Target, compile};
use pallet_core::spec::Phase;

pub fn planned(facts: &Facts, phase: &Phase) -> Vec<PlannedAction> {
    let target = Target::new("node", "test").facts(facts.clone());
    let nodes = Nodes::from(vec![target.clone()]);
    let environment = serde_json::Map::new();
    let scene = Scene::new(&nodes, &environment);
    compile("test", phase, &target, scene).unwrap().actions
}
