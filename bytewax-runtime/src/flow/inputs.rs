//! The origin of the inputs of steps.

use std::collections::BTreeSet;

use super::StepKind;
use super::graph::{Graph, Step};
use crate::ids::Port;

impl Graph {
    /// Returns the origin of the items of each input of a step: the nearest earlier steps that save anything,
    /// with the names of outputs on the way.
    pub(super) fn inputs(&self, step: &Step) -> String {
        let inputs: Vec<String> = step
            .inputs
            .iter()
            .map(|port| {
                let mut origins = BTreeSet::new();
                self.add_origins(*port, "", &mut origins);
                Vec::from_iter(origins).join("|")
            })
            .collect();
        inputs.join(", ")
    }

    fn add_origins(&self, port: Port, behind: &str, origins: &mut BTreeSet<String>) {
        let step = self.step(port.step);
        let path = match self.port(port).field {
            "down" => behind.to_owned(),
            field => format!(":{field}{behind}"),
        };
        if matches!(step.kind, StepKind::Source | StepKind::Stateful) {
            let name = self.own_id(&step.id);
            origins.insert(format!("{name}{path}"));
        } else {
            for input in &step.inputs {
                self.add_origins(*input, &path, origins);
            }
        }
    }
}
