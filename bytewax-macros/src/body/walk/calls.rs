//! Calls of functions, and closures that are not an operator's.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Expr, ExprClosure};

use super::{Frame, Walk};
use crate::body::codegen::{self, Hoisted};
use crate::body::env::Value;
use crate::body::model::{Turn, TurnKind};

/// Functions of the standard library that take a stream and build nothing.
const TRANSPARENT: &[&str] = &["clone", "drop", "from", "new"];

impl Walk {
    /// `f(stream, ..)`: opens the scope of its statement.
    pub(super) fn call(&mut self, expr: &mut Expr) -> Value {
        let outer = self.start_chain(expr);
        let value = self.call_in_chain(expr);
        self.label = outer;
        value
    }

    fn call_in_chain(&mut self, expr: &mut Expr) -> Value {
        let Expr::Call(call) = expr else {
            return self.children(expr);
        };
        let function = function_name(&call.func);
        let callee = self.expr(&mut call.func);
        let mut taken = Taken::default();
        for (index, argument) in call.args.iter_mut().enumerate() {
            let built = self.built;
            let value = self.expr(argument);
            taken.add(argument, &value);
            if self.is_hoisted(argument, built) {
                taken.hoisted.arguments.push(index);
            }
        }
        self.model.has_escapes |= taken.is_followed;
        let is_kept = matches!(*call.func, Expr::Path(_)) && taken.has_streams;
        if taken.is_followed && function.is_none() && !is_kept {
            self.build_unseen("");
        }
        let Some(function) = function.filter(|_| taken.is_followed) else {
            return match callee {
                // A user's closure that builds steps.
                Value::Container(_) => Value::likely_stream(),
                _ if taken.has_streams => Value::Container(Vec::new()),
                _ => Value::Other,
            };
        };
        self.built += 1;
        let scope = self.label_text();
        self.build_unseen(&scope);
        if taken.is_moved {
            self.call_step(&function);
        }
        if !scope.is_empty()
            && let Some(flow) = self.env.flow().cloned()
        {
            codegen::scope_call(expr, &flow, &scope, &taken.hoisted);
        }
        Value::likely_stream()
    }

    /// Whether an argument is evaluated before the scope of its call: one that has built steps since `built`,
    /// or that can leave the function.
    pub(super) fn is_hoisted(&self, argument: &Expr, built: usize) -> bool {
        if matches!(argument, Expr::Closure(_)) {
            return false;
        }
        let mut leaves = Leaves(false);
        leaves.visit_expr(argument);
        self.built > built || leaves.0
    }

    /// A closure that is not an operator's: its steps repeat with its calls.
    pub(super) fn helper(
        &mut self,
        closure: &mut ExprClosure,
        is_once: bool,
        called_on: &Value,
    ) -> Value {
        if is_once {
            return self.inner(closure, called_on);
        }
        let built = self.built;
        let place = closure.inputs_begin.to_token_stream();
        self.enter_turn(place, TurnKind::Closure);
        let value = self.inner(closure, called_on);
        self.frames.pop();
        if value.has_streams() || self.built > built {
            Value::Container(Vec::new())
        } else {
            Value::Other
        }
    }

    /// The body of a closure, with the name of the closure's statement.
    pub(super) fn inner(&mut self, closure: &mut ExprClosure, called_on: &Value) -> Value {
        let mark = self.env.mark();
        for input in &closure.inputs {
            self.bind_element(input, called_on);
        }
        let outer = std::mem::replace(&mut self.is_nested, true);
        let value = self.tail(&mut closure.body);
        self.is_nested = outer;
        self.env.reset(mark);
        value
    }

    /// Records that the code from here on runs more than once.
    pub(super) fn enter_turn(&mut self, place: TokenStream, kind: TurnKind) {
        self.frames.push(Frame::Turn(self.model.turns.len()));
        self.model.turns.push(Turn { place, kind });
    }
}

/// The arguments of a call.
#[derive(Default)]
struct Taken {
    /// A stream or the flow.
    is_followed: bool,
    /// A stream.
    has_streams: bool,
    /// A certain stream, by value.
    is_moved: bool,
    /// The arguments that are evaluated before the scope of the call.
    hoisted: Hoisted,
}

impl Taken {
    fn add(&mut self, argument: &Expr, value: &Value) {
        self.is_followed |= value.is_followed();
        self.has_streams |= value.has_streams();
        self.is_moved |= value.is_sure() && !matches!(argument, Expr::Reference(_));
    }
}

/// Whether an expression can leave its function.
struct Leaves(bool);

impl<'ast> Visit<'ast> for Leaves {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Closure(_) | Expr::Async(_) => {}
            Expr::Try(_) | Expr::Await(_) | Expr::Return(_) => self.0 = true,
            Expr::Break(_) | Expr::Continue(_) => self.0 = true,
            other => visit::visit_expr(self, other),
        }
    }

    fn visit_item(&mut self, _: &'ast syn::Item) {}
}

/// The last name in the path of a function; `None` for constructors, and for functions that only return their
/// arguments.
fn function_name(callee: &Expr) -> Option<Ident> {
    let Expr::Path(path) = callee else {
        return None;
    };
    let name = &path.path.segments.last()?.ident;
    let text = name.unraw().to_string();
    let is_function = text.starts_with(|c: char| c.is_lowercase() || c == '_');
    (is_function && !TRANSPARENT.contains(&text.as_str())).then(|| name.clone())
}
