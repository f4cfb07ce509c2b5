//! A failing plan made smaller: fewer actors, fewer faults, a shorter time, and still the same rule broken.
//!
//! *Always holds:* the same plan shrinks to the same one. Candidates come in a fixed order, and their number,
//! not their time, bounds the search.

use super::plan::{Class, Plan};
use super::run::{Outcome, run};
use super::swarm::Mix;

/// Plans that are tried at most.
const TRIES_MAX: u32 = 160;

/// Makes the plan of a failed run as small as it gets.
pub fn shrink(failed: &Outcome, progress: &dyn Fn(&Plan)) -> Outcome {
    let Some(violation) = &failed.violation else { return failed.clone() };
    let mut search = Search { rule: violation.rule, best: failed.plan.clone(), tries: 0 };
    // As soon as it has failed nothing more is needed of its time.
    search.shorten(failed.simulated_ms);
    loop {
        let before = search.best.clone();
        search.drop_actors();
        search.drop_classes();
        search.halve();
        progress(&search.best);
        if search.best == before || search.tries >= TRIES_MAX {
            return run(&search.best, 0);
        }
    }
}

struct Search {
    rule: super::oracle::rules::Rule,
    best: Plan,
    tries: u32,
}

impl Search {
    /// Takes a candidate if it fails alike.
    fn try_it(&mut self, plan: Plan) -> bool {
        if self.tries >= TRIES_MAX || plan == self.best {
            return false;
        }
        self.tries += 1;
        let fails_alike = run(&plan, 0).violation.is_some_and(|violation| violation.rule == self.rule);
        if fails_alike {
            self.best = plan;
        }
        fails_alike
    }

    /// Tries a run whose faults end soon after the failure.
    fn shorten(&mut self, failed_at_ms: u64) {
        let seconds = failed_at_ms.div_ceil(1_000) * 10 / 7 + 1;
        let span_ms = (seconds * 1_000).min(self.best.span_ms);
        self.try_it(Plan { span_ms, ..self.best.clone() });
    }

    fn halve(&mut self) {
        for part in [2, 4, 8] {
            let span_ms = (self.best.span_ms - self.best.span_ms / part) / 1_000 * 1_000;
            if span_ms >= 2_000 {
                self.try_it(Plan { span_ms, ..self.best.clone() });
            }
        }
    }

    fn drop_actors(&mut self) {
        let actors: Vec<u16> = Mix::of(&self.best).actors.iter().map(|(no, _)| *no).collect();
        for actor in actors.into_iter().rev() {
            let mut plan = self.best.clone();
            plan.without.actors.insert(actor);
            self.try_it(plan);
        }
    }

    fn drop_classes(&mut self) {
        let mix = Mix::of(&self.best);
        for class in Class::ALL.iter().filter(|class| mix.has(**class)) {
            let mut plan = self.best.clone();
            plan.without.classes.insert(*class);
            self.try_it(plan);
        }
    }
}
