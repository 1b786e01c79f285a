//! Methods other than built-in operators: those of the user's extension traits, and all others.

use syn::{Expr, ExprMethodCall};

use super::Walk;
use crate::body::codegen::{self, Hoisted};
use crate::body::env::Value;

/// Methods that call a closure at most once.
const CALLED_ONCE: &[&str] = &[
    "and_then",
    "map_or",
    "map_or_else",
    "or_else",
    "then",
    "unwrap_or_else",
];
/// Methods that return one element of a container.
const TAKEN_OUT: &[&str] = &[
    "expect",
    "remove",
    "swap_remove",
    "unwrap",
    "unwrap_or",
    "unwrap_or_default",
    "unwrap_or_else",
];
/// Methods that return the elements one by one; streams have none of these.
const ITERATED: &[&str] = &["drain", "into_iter", "iter", "iter_mut", "keys", "values"];
/// Methods of the standard library's containers and iterators that build nothing by themselves.
const OF_CONTAINERS: &[&str] = &[
    "append",
    "chain",
    "cloned",
    "collect",
    "copied",
    "enumerate",
    "extend",
    "filter",
    "filter_map",
    "find",
    "first",
    "flat_map",
    "flatten",
    "fold",
    "for_each",
    "get",
    "get_mut",
    "insert",
    "is_empty",
    "is_none",
    "is_some",
    "last",
    "len",
    "map",
    "next",
    "ok",
    "peekable",
    "pop",
    "pop_back",
    "pop_front",
    "push",
    "push_back",
    "push_front",
    "reduce",
    "rev",
    "reverse",
    "skip",
    "split_off",
    "swap",
    "take",
    "truncate",
    "unzip",
    "zip",
];
/// Methods of the standard library that build nothing.
const TRANSPARENT: &[&str] = &["as_ref", "borrow", "into", "to_owned", "to_string"];

impl Walk {
    /// A method of an extension trait, on a stream or the flow: opens the scope of its statement, like a
    /// function call.
    pub(super) fn extension(
        &mut self,
        expr: &mut Expr,
        method: &str,
        receiver: &Value,
        is_made_here: bool,
    ) -> Value {
        let Expr::MethodCall(call) = expr else {
            return Value::Other;
        };
        let callee = call.method.clone();
        let mut hoisted = Hoisted {
            receiver: is_made_here,
            ..Hoisted::default()
        };
        let value = self.foreign(call, method, receiver, &mut hoisted);
        self.built += 1;
        let scope = self.label_text();
        self.build_unseen(&scope);
        if receiver.is_certain() {
            self.call_step(&callee);
        }
        if !scope.is_empty()
            && let Some(flow) = self.env.flow().cloned()
        {
            codegen::scope_call(expr, &flow, &scope, &hoisted);
        }
        value
    }

    /// A method that is not ours.
    pub(super) fn foreign(
        &mut self,
        call: &mut ExprMethodCall,
        method: &str,
        receiver: &Value,
        hoisted: &mut Hoisted,
    ) -> Value {
        let is_once = CALLED_ONCE.contains(&method);
        // An extension trait's operator: its closures see items, not streams.
        let is_ours = matches!(receiver, Value::Flow | Value::Stream(_));
        let mut has_streams = false;
        for (index, argument) in call.args.iter_mut().enumerate() {
            let built = self.built;
            has_streams |= match &mut *argument {
                Expr::Closure(closure) if is_ours => self.mention_closure(closure),
                Expr::Closure(closure) => self.helper(closure, is_once, receiver).is_followed(),
                other => self.expr(other).is_followed(),
            };
            if self.is_hoisted(argument, built) {
                hoisted.arguments.push(index);
            }
        }
        self.model.has_escapes |= has_streams || receiver.is_followed();
        let is_hidden = match receiver {
            Value::Container(_) => true,
            Value::Other => has_streams,
            Value::Flow | Value::Stream(_) => false,
        };
        if is_hidden && is_extension(method, receiver) {
            self.build_unseen("");
        }
        if has_streams
            && let Value::Other = receiver
            && let Expr::Path(path) = &*call.receiver
            && let Some(name) = path.path.get_ident()
        {
            self.env.assign(name, Value::Container(Vec::new()));
        }
        let is_iterated = ITERATED.contains(&method);
        match receiver {
            Value::Flow => Value::likely_stream(),
            Value::Stream(_) if !is_iterated => Value::likely_stream(),
            Value::Container(_) if TAKEN_OUT.contains(&method) => Value::likely_stream(),
            Value::Stream(_) | Value::Container(_) => Value::Container(Vec::new()),
            Value::Other if has_streams => Value::Container(Vec::new()),
            Value::Other => Value::Other,
        }
    }
}

/// Whether a foreign method may be a user's operator.
pub(super) fn is_extension(method: &str, receiver: &Value) -> bool {
    let others = [CALLED_ONCE, TAKEN_OUT, ITERATED, TRANSPARENT];
    let is_of_others = others.iter().any(|list| list.contains(&method));
    // A probable stream may be a container.
    !is_of_others && (receiver.is_certain() || !OF_CONTAINERS.contains(&method))
}
