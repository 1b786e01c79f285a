//! The stages of a pattern: each kind of stage is a type, so that conditions are called directly.

/// The stages of a [`Pattern`](super::Pattern).
pub trait Stages<V>: Send + Sync + 'static {
    /// The number of values of a match.
    #[doc(hidden)]
    const COUNT: usize;

    /// Whether the next stage is still missing.
    #[doc(hidden)]
    const IS_OPEN: bool = false;

    /// Whether a value matches a stage, after the values of the previous stages.
    #[doc(hidden)]
    fn takes(&self, stage: usize, before: &[V], value: &V) -> bool;

    /// Whether a value is forbidden before a stage.
    #[doc(hidden)]
    fn ends(&self, stage: usize, value: &V) -> bool;

    /// Whether the value of a stage must directly follow the previous one.
    #[doc(hidden)]
    fn is_next(stage: usize) -> bool;

    /// Appends a description of the stages.
    #[doc(hidden)]
    fn write_shape(text: &mut String);
}

/// The first stage.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct Begin<F>(pub(super) F);

/// Stages, followed by one at any later time.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct FollowedBy<S, F>(pub(super) S, pub(super) F);

/// Stages, followed by one directly after them.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct Next<S, F>(pub(super) S, pub(super) F);

/// Stages, and the values forbidden before the next one.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct Without<S, F>(pub(super) S, pub(super) F);

/// Stages, the last of which has an additional condition.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct And<S, F>(pub(super) S, pub(super) F);

impl<V, F: Fn(&V) -> bool + Send + Sync + 'static> Stages<V> for Begin<F> {
    const COUNT: usize = 1;

    #[inline]
    fn takes(&self, stage: usize, _: &[V], value: &V) -> bool {
        stage == 0 && (self.0)(value)
    }

    #[inline]
    fn ends(&self, _: usize, _: &V) -> bool {
        false
    }

    fn is_next(_: usize) -> bool {
        false
    }

    fn write_shape(text: &mut String) {
        text.push_str("begin");
    }
}

impl<V, S: Stages<V>, F: Fn(&V) -> bool + Send + Sync + 'static> Stages<V> for FollowedBy<S, F> {
    const COUNT: usize = S::COUNT + 1;

    #[inline]
    fn takes(&self, stage: usize, before: &[V], value: &V) -> bool {
        match stage == S::COUNT {
            true => (self.1)(value),
            false => self.0.takes(stage, before, value),
        }
    }

    #[inline]
    fn ends(&self, stage: usize, value: &V) -> bool {
        self.0.ends(stage, value)
    }

    #[inline]
    fn is_next(stage: usize) -> bool {
        S::is_next(stage)
    }

    fn write_shape(text: &mut String) {
        S::write_shape(text);
        text.push_str(", followed by");
    }
}

impl<V, S: Stages<V>, F: Fn(&V) -> bool + Send + Sync + 'static> Stages<V> for Next<S, F> {
    const COUNT: usize = S::COUNT + 1;

    #[inline]
    fn takes(&self, stage: usize, before: &[V], value: &V) -> bool {
        match stage == S::COUNT {
            true => (self.1)(value),
            false => self.0.takes(stage, before, value),
        }
    }

    #[inline]
    fn ends(&self, stage: usize, value: &V) -> bool {
        self.0.ends(stage, value)
    }

    #[inline]
    fn is_next(stage: usize) -> bool {
        stage == S::COUNT || S::is_next(stage)
    }

    fn write_shape(text: &mut String) {
        S::write_shape(text);
        text.push_str(", next");
    }
}

impl<V, S: Stages<V>, F: Fn(&V) -> bool + Send + Sync + 'static> Stages<V> for Without<S, F> {
    const COUNT: usize = S::COUNT;
    const IS_OPEN: bool = true;

    #[inline]
    fn takes(&self, stage: usize, before: &[V], value: &V) -> bool {
        self.0.takes(stage, before, value)
    }

    #[inline]
    fn ends(&self, stage: usize, value: &V) -> bool {
        self.0.ends(stage, value) || stage == S::COUNT && (self.1)(value)
    }

    #[inline]
    fn is_next(stage: usize) -> bool {
        S::is_next(stage)
    }

    fn write_shape(text: &mut String) {
        S::write_shape(text);
        text.push_str(", without");
    }
}

impl<V, S: Stages<V>, F: Fn(&[V], &V) -> bool + Send + Sync + 'static> Stages<V> for And<S, F> {
    const COUNT: usize = S::COUNT;
    const IS_OPEN: bool = S::IS_OPEN;

    #[inline]
    fn takes(&self, stage: usize, before: &[V], value: &V) -> bool {
        self.0.takes(stage, before, value) && (stage + 1 != S::COUNT || (self.1)(before, value))
    }

    #[inline]
    fn ends(&self, stage: usize, value: &V) -> bool {
        self.0.ends(stage, value)
    }

    #[inline]
    fn is_next(stage: usize) -> bool {
        S::is_next(stage)
    }

    fn write_shape(text: &mut String) {
        S::write_shape(text);
    }
}
