//! The walk over a body: follows streams through the user's code, and names each step in place.

mod bindings;
mod calls;
mod chains;
mod control;
mod mentions;
mod methods;
mod statements;
mod steps;

use proc_macro2::Ident;
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprAssign, ExprClosure, ExprField, ExprPath};

use self::bindings::is_kept;
pub(crate) use self::bindings::simple_name;
use super::delivery::Delivery;
use super::env::{Env, Trails, Value, is_errs, joined};
use super::model::{Leave, Model};
use super::names::Names;

/// Names the steps in the closure of a flow, and returns the findings. With `marks_keys`, each stateful step
/// gets a mark for facts about its keys: see [`codegen::fill_keys`]. With a delivery, sources and sinks are
/// asked for their declarations.
pub(crate) fn closure(
    flow: &Ident,
    closure: &mut ExprClosure,
    marks_keys: bool,
    delivery: Option<Delivery>,
) -> Model {
    let mut walk = Walk {
        marks_keys,
        delivery,
        ..Walk::default()
    };
    walk.model.flow = flow.to_string();
    walk.env.bind(flow.clone(), Value::Flow, false);
    let result = walk.expr(&mut closure.body);
    walk.finish(&result)
}

/// Names the steps in the body of a function whose flow has the name `flow`, and returns the findings.
pub(crate) fn function(flow: String, parameters: Vec<(Ident, Value)>, block: &mut Block) -> Model {
    let mut walk = Walk {
        is_nested: true,
        ..Walk::default()
    };
    walk.model.flow = flow;
    for (name, value) in parameters {
        let watched = value.is_sure() && is_kept(&name);
        walk.env.bind(name, value, watched);
    }
    walk.env.end_parameters();
    let result = walk.block(block);
    walk.finish(&result)
}

/// The source of names for the steps of the present statement.
#[derive(Clone, Debug, Default)]
enum Label {
    /// Nothing yet: the next chain decides.
    #[default]
    Open,
    /// The variable of a `let`.
    Let(Ident),
    /// The start of the chain; empty for the flow itself.
    Chain(String),
}

/// The enclosing constructs of the present code.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// The loop of this index in [`Model::turns`].
    Turn(usize),
    /// A scope; with the index in [`Model::scopes`] if its name is text in the source.
    Scope(Option<usize>),
}

#[derive(Default)]
struct Walk {
    model: Model,
    env: Env,
    names: Names,
    label: Label,
    frames: Vec<Frame>,
    /// A prefix of step names that distinguishes scopes.
    prefix: String,
    /// Number of the present statement, and of all so far.
    statement: usize,
    statements: usize,
    /// Number of steps and calls seen so far.
    built: usize,
    /// Whether `?` and `.await` leave only a closure or block.
    is_nested: bool,
    /// Whether stateful steps are marked.
    marks_keys: bool,
    /// The required delivery of the flow's paths.
    delivery: Option<Delivery>,
}

impl Walk {
    fn finish(mut self, result: &Value) -> Model {
        self.model.has_escapes |= result.has_streams();
        self.model.bindings = self.env.into_bindings();
        self.model.apply_moves();
        self.model
    }

    /// Walks the value of a block, with the name of the block's statement.
    fn tail(&mut self, expr: &mut Expr) -> Value {
        let outer = self.enter_inner();
        let value = self.expr(expr);
        self.label = outer;
        value
    }

    /// Lets an inner chain choose a name, unless a `let` has.
    fn enter_inner(&mut self) -> Label {
        let outer = self.label.clone();
        if matches!(outer, Label::Chain(_)) {
            self.label = Label::Open;
        }
        outer
    }

    fn expr(&mut self, expr: &mut Expr) -> Value {
        match expr {
            Expr::Path(path) => self.path(path),
            Expr::Field(field) => self.field(field),
            Expr::MethodCall(_) => self.chain(expr),
            Expr::Call(_) => self.call(expr),
            Expr::Closure(closure) => self.helper(closure, false, &Value::Other),
            Expr::Block(block) => self.block(&mut block.block),
            Expr::Unsafe(block) => self.block(&mut block.block),
            Expr::If(branches) => self.branches(branches),
            Expr::Match(arms) => self.arms(arms),
            Expr::Let(condition) => {
                let value = self.expr(&mut condition.expr);
                self.bind_parts(&condition.pat, &value);
                Value::Other
            }
            Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_) => self.turns(expr),
            Expr::Macro(call) => self.macro_call(&mut call.mac),
            Expr::Paren(inner) => self.expr(&mut inner.expr),
            Expr::Group(inner) => self.expr(&mut inner.expr),
            Expr::Reference(inner) => self.expr(&mut inner.expr),
            Expr::Index(_) => self.children(expr).element(),
            Expr::Assign(assign) => self.assign(assign),
            Expr::Try(inner) => {
                let place = inner.question_token.to_token_stream();
                self.leaves(place, "?");
                self.expr(&mut inner.expr).element()
            }
            Expr::Await(inner) => {
                let place = inner.await_token.to_token_stream();
                self.leaves(place, ".await");
                self.expr(&mut inner.base).element()
            }
            Expr::Async(_) | Expr::TryBlock(_) | Expr::Const(_) => {
                let outer = std::mem::replace(&mut self.is_nested, true);
                let value = self.children(expr);
                self.is_nested = outer;
                value
            }
            Expr::Return(_) | Expr::Break(_) => {
                let value = self.children(expr);
                self.model.has_escapes |= value.is_followed();
                Value::Other
            }
            other => self.children(other),
        }
    }

    fn path(&mut self, path: &ExprPath) -> Value {
        match path.path.get_ident() {
            Some(name) => self.env.read(name),
            None => Value::Other,
        }
    }

    fn field(&mut self, field: &mut ExprField) -> Value {
        let name = match &*field.base {
            Expr::Path(path) => path.path.get_ident().cloned(),
            _ => None,
        };
        let base = match name {
            Some(name) => self.env.read_field(&name, &field.member),
            None => self.expr(&mut field.base),
        };
        if let Some(operator) = base.errs_of()
            && !is_errs(&field.member)
        {
            self.model.lost_errs.push(operator.clone());
        }
        match base {
            Value::Stream(stream) => Value::Stream(stream).settled(),
            other => other.element(),
        }
    }

    fn leaves(&mut self, place: proc_macro2::TokenStream, text: &'static str) {
        if !self.is_nested {
            self.model.leaves.push(Leave { place, text });
        }
    }

    /// `x = ..`: names steps like `let x = ..`.
    fn assign(&mut self, assign: &mut ExprAssign) -> Value {
        self.expr(&mut assign.left);
        let name = match &*assign.left {
            Expr::Path(path) => path.path.get_ident(),
            _ => None,
        };
        let Some(name) = name else {
            let value = self.tail(&mut assign.right);
            self.model.has_escapes |= value.is_followed();
            return Value::Other;
        };
        let outer = std::mem::replace(&mut self.label, Label::Let(name.clone()));
        let value = self.expr(&mut assign.right);
        self.label = outer;
        self.env.assign(name, value.element());
        Value::Other
    }

    /// Walks the parts of an uninteresting expression.
    fn children(&mut self, expr: &mut Expr) -> Value {
        let mut children = Children {
            walk: self,
            has_streams: false,
            trails: Vec::new(),
        };
        visit_mut::visit_expr_mut(&mut children, expr);
        if children.has_streams {
            Value::Container(children.trails)
        } else {
            Value::Other
        }
    }
}

/// Passes the direct parts of an expression to the walk.
struct Children<'walk> {
    walk: &'walk mut Walk,
    has_streams: bool,
    trails: Trails,
}

impl VisitMut for Children<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let value = self.walk.expr(expr);
        self.has_streams |= value.has_streams();
        let trails = std::mem::take(&mut self.trails);
        self.trails = joined(trails, value.trails());
        if matches!(value, Value::Flow) {
            // It is now part of a value whose methods may build any step.
            self.walk.build_unseen("");
        }
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        self.has_streams |= self.walk.block(block).has_streams();
    }

    fn visit_macro_mut(&mut self, call: &mut syn::Macro) {
        self.has_streams |= self.walk.macro_call(call).has_streams();
    }
}
