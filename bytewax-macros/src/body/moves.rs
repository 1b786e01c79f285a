//! Steps that keep a former id: `flow.moved("old", "new")`.

use syn::LitStr;

use super::model::{Model, Pattern, Step};

/// A step, or a scope with all its steps, that had another id before.
pub(crate) struct Move {
    pub(crate) old: String,
    pub(crate) new: String,
    /// The literal that names the step now.
    pub(crate) text: LitStr,
}

impl Move {
    /// Whether old and new id are equal.
    pub(crate) fn confirms(&self) -> bool {
        self.old == self.new
    }

    /// Whether a step with this id was moved.
    pub(crate) fn was(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&self.old);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The rest of a step's id after the new id, if this move applies to the step.
    fn rest<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name.strip_prefix(&self.new)?;
        (rest.is_empty() || rest.starts_with('.')).then_some(rest)
    }

    /// Whether this move may apply to steps of the pattern.
    fn may_mean(&self, pattern: &Pattern) -> bool {
        let head = pattern.0.split('*').next().unwrap_or_default();
        match pattern.is_certain() {
            true => self.rest(head).is_some(),
            false => self.new.starts_with(head) || head.starts_with(&format!("{}.", self.new)),
        }
    }

    /// Whether the flow may contain a step to which this move applies.
    pub(crate) fn has_step(&self, model: &Model) -> bool {
        let steps = model.steps.iter();
        let names = steps.map(|step| {
            if self.confirms() {
                &step.saved
            } else {
                &step.full
            }
        });
        names.chain(&model.unseen).any(|name| self.may_mean(name))
    }

    /// The likely intended steps if none has the new id: those whose ids are most similar to the old one at
    /// the end.
    pub(crate) fn likely<'a>(&self, model: &'a Model) -> Vec<&'a Step> {
        let same_end = |step: &Step| {
            let parts = step.full.0.rsplit('.').zip(self.old.rsplit('.'));
            parts.take_while(|(one, other)| one == other).count()
        };
        let is_free = |step: &&Step| {
            let saves = step.kind.is_some_and(|kind| !kind.is_numbered());
            saves && step.full.is_certain() && step.saved == step.full
        };
        let free: Vec<_> = model.steps.iter().filter(is_free).collect();
        let best = free.iter().map(|step| same_end(step)).max().unwrap_or(0);
        let alike = free
            .into_iter()
            .filter(|step| best > 0 && same_end(step) == best);
        alike.take(3).collect()
    }
}

impl Model {
    /// Determines the saved name of each step.
    pub(super) fn apply_moves(&mut self) {
        for step in &mut self.steps {
            let meant = self.moves.iter().filter(|moved| !moved.confirms());
            let meant = meant.filter_map(|moved| Some((moved, moved.rest(&step.full.0)?)));
            if let Some((moved, rest)) = meant.max_by_key(|(moved, _)| moved.new.len()) {
                step.saved = Pattern(format!("{}{rest}", moved.old));
            }
        }
        // It may have been moved by code that the walk cannot see.
        let uncertain = self.steps.iter().map(|step| &step.full);
        let uncertain = uncertain.filter(|name| !name.is_certain());
        let hidden: Vec<_> = self.unseen.iter().chain(uncertain).cloned().collect();
        for moved in &self.moves {
            if hidden.iter().any(|pattern| moved.may_mean(pattern)) {
                let old = &moved.old;
                self.unseen
                    .extend([Pattern(old.clone()), Pattern(format!("{old}.*"))]);
            }
        }
    }
}
