//! Values that are never shown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that is not shown: its [`Debug`](fmt::Debug) form is `Secret`.
///
/// Use it for the parts of a type that must appear neither on the live page ([`Stream::shown`]) nor in logs and
/// messages. It is saved and sent like the value itself, not encrypted.
///
/// [`Stream::shown`]: crate::flow::Stream::shown
///
/// # Examples
///
/// ```
/// use bytewax_runtime::Secret;
///
/// #[derive(Debug)]
/// struct Payment {
///     cents: u64,
///     card: Secret<String>,
/// }
///
/// let card = Secret("4000 0000 0000 0002".to_owned());
/// let payment = Payment { cents: 995, card };
/// assert_eq!(format!("{payment:?}"), "Payment { cents: 995, card: Secret }");
/// assert_eq!(payment.card.0.len(), 19);
/// # let _ = payment.cents;
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Secret<T>(pub T);

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
