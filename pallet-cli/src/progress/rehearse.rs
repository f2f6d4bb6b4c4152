//! The live view without nodes: for benchmarks, and for looking at it.

use std::path::Path;
use std::time::Duration;

use pallet_core::action::Mode;
use pallet_core::engine::Control;
use pallet_core::event::{Event, Events};
use pallet_core::report::{ActionReport, Status};
use pallet_core::spec::Origin;

use super::Progress;
use crate::args::{Color, Format};
use crate::output::Output;

/// Phases, and how many actions each of them has.
const PHASES: [(&str, usize); 3] = [("bootstrap", 6), ("install", 16), ("configure", 30)];

/// Tells what a run on so many nodes tells that takes so long; with `is_quiet` nobody listens.
#[doc(hidden)]
pub fn rehearse(nodes: usize, length: Duration, is_quiet: bool) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (events, happening) = Events::channel();
        let format = if is_quiet { Format::Json } else { Format::Text };
        let output = Output::new(format, Color::Auto, 0);
        let view = Progress::new(output, Mode::Apply).follow(happening, Control::new());
        let view = tokio::spawn(view);
        let actions: usize = PHASES.iter().map(|(_, actions)| actions).sum();
        let pause = length / u32::try_from(actions).unwrap_or(1);
        for (phase, actions) in PHASES {
            let mut working = tokio::task::JoinSet::new();
            for node in 0..nodes {
                working.spawn(play(events.clone(), node, phase, actions, pause));
            }
            working.join_all().await;
        }
        drop(events);
        let _ = view.await;
    });
    Ok(())
}

async fn play(events: Events, number: usize, phase: &str, actions: usize, pause: Duration) {
    let (node, phase) = (format!("web-{number}"), phase.to_owned());
    let started = Event::PhaseStarted { node: node.clone(), phase: phase.clone(), actions };
    events.send(started);
    for at in 0..actions {
        let (action, subject) = ("remote-file".to_owned(), format!("/etc/app/file-{at}"));
        events.send(Event::ActionStarted {
            node: node.clone(),
            phase: phase.clone(),
            action: action.clone(),
            subject: subject.clone(),
        });
        // Some nodes are slower, and some actions.
        let slow = 1 + u32::from((number * 7 + at * 3).is_multiple_of(11)) * 2;
        tokio::time::sleep(pause / 2 * slow).await;
        let report = ActionReport {
            action,
            subject,
            origin: Origin { file: Path::new("pallet.toml").into(), line: 1, column: 1 },
            status: if at % 3 == 0 { Status::Changed } else { Status::Unchanged },
            details: Vec::new(),
            diff: None,
            output: String::new(),
            begun: None,
            duration: pause,
            ground: None,
            earlier: false,
        };
        events.send(Event::ActionFinished { node: node.clone(), phase: phase.clone(), report });
    }
    events.send(Event::PhaseFinished { node, phase });
}
