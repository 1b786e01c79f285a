//! The walk over a body: follows streams through the user's code, and names each step in place.

mod calls;
mod chains;
mod control;
mod mentions;
mod steps;

use proc_macro2::Ident;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Block, Expr, ExprAssign, ExprClosure, ExprField, ExprPath, Local, Pat, Stmt};

use super::env::{Env, Value, is_errs};
use super::model::{Leave, Model};
use super::names::Names;

/// Names the steps in the closure of a flow, and tells what was seen on the way.
pub(crate) fn closure(flow: &Ident, closure: &mut ExprClosure) -> Model {
    let mut walk = Walk::default();
    walk.model.flow = flow.to_string();
    walk.env.bind(flow.clone(), Value::Flow, false);
    let result = walk.expr(&mut closure.body);
    walk.finish(&result)
}

/// Names the steps in the body of a function that has the flow by the name `flow`, and tells what was
/// seen on the way.
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

/// What the steps of the statement at hand are named after.
#[derive(Clone, Debug, Default)]
enum Label {
    /// Nothing yet: the next chain decides.
    #[default]
    Open,
    /// The variable of a `let`.
    Let(Ident),
    /// What the chain starts from; empty for the flow itself.
    Chain(String),
}

/// What encloses the code at hand.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// The loop of this index in [`Model::turns`].
    Turn(usize),
    /// A scope; with the index in [`Model::scopes`] if its name is text in the source.
    Scope(Option<usize>),
}

#[derive(Debug, Default)]
struct Walk {
    model: Model,
    env: Env,
    names: Names,
    label: Label,
    frames: Vec<Frame>,
    /// Put before the names of steps to tell scopes apart.
    prefix: String,
    /// Number of the statement at hand, and of all so far.
    statement: usize,
    statements: usize,
    /// Number of steps and calls seen so far.
    built: usize,
    /// Whether `?` and `.await` have a closure or block of their own to leave.
    is_nested: bool,
}

impl Walk {
    fn finish(mut self, result: &Value) -> Model {
        self.model.has_escapes |= result.has_streams();
        self.model.bindings = self.env.into_bindings();
        self.model
    }

    fn block(&mut self, block: &mut Block) -> Value {
        let mark = self.env.mark();
        let last = block.stmts.len().saturating_sub(1);
        let mut value = Value::Other;
        for (index, stmt) in block.stmts.iter_mut().enumerate() {
            value = self.stmt(stmt, index == last);
        }
        self.env.reset(mark);
        value
    }

    fn stmt(&mut self, stmt: &mut Stmt, is_last: bool) -> Value {
        if !is_conditional(stmt) {
            return self.compiled(stmt, is_last);
        }
        // Whether it is compiled is unknown, and so is whether its names are taken.
        let names = self.names.clone();
        let value = self.compiled(stmt, is_last);
        self.names = names;
        value
    }

    fn compiled(&mut self, stmt: &mut Stmt, is_last: bool) -> Value {
        match stmt {
            Stmt::Local(local) => self.local(local),
            Stmt::Expr(expr, None) if is_last => return self.tail(expr),
            Stmt::Expr(expr, semicolon) => {
                let value = self.in_statement(Label::Open, |walk| walk.expr(expr));
                if let Value::Stream(stream) = value
                    && semicolon.is_some()
                {
                    self.model.has_escapes |= stream.made_by.is_none();
                    self.model.dropped.extend(stream.made_by);
                }
            }
            Stmt::Macro(call) => {
                let value = self.macro_call(&mut call.mac);
                if is_last && call.semi_token.is_none() {
                    return value;
                }
            }
            Stmt::Item(_) => {}
        }
        Value::Other
    }

    fn local(&mut self, local: &mut Local) {
        let name = simple_name(&local.pat).cloned();
        let label = name.clone().map_or(Label::Open, Label::Let);
        let value = match &mut local.init {
            Some(init) => self.in_statement(label, |walk| {
                let value = walk.expr(&mut init.expr);
                if let Some((_, diverge)) = &mut init.diverge {
                    walk.expr(diverge);
                }
                value
            }),
            None => Value::Other,
        };
        match name {
            Some(name) => {
                let watched = is_kept(&name) && value.is_sure() && !has_cfg(&local.attrs);
                self.env.bind(name, value, watched);
            }
            None => self.bind_parts(&local.pat, &value),
        }
    }

    /// Binds the names in a pattern that takes a value apart.
    fn bind_parts(&mut self, pattern: &Pat, value: &Value) {
        let mut names = PatternNames::default();
        names.visit_pat(pattern);
        let errs = match value.errs_of() {
            Some(operator) => self.errs_in(pattern, operator),
            None => None,
        };
        for name in names.0 {
            if errs.as_ref() == Some(&name) {
                self.env.bind_errs(name);
                continue;
            }
            self.env.bind(name, value.element(), false);
        }
    }

    /// The name that a pattern gives to the field `errs`; if it gives none, the errors are lost.
    fn errs_in(&mut self, pattern: &Pat, operator: &Ident) -> Option<Ident> {
        let Pat::Struct(pattern) = pattern else {
            return None;
        };
        let errs = pattern.fields.iter().find(|field| is_errs(&field.member));
        if errs.is_none_or(|errs| matches!(*errs.pat, Pat::Wild(_))) {
            self.model.lost_errs.push(operator.clone());
        }
        errs.and_then(|errs| simple_name(&errs.pat)).cloned()
    }

    /// Binds a pattern that stands for each element of a value.
    fn bind_element(&mut self, pattern: &Pat, value: &Value) {
        match simple_name(pattern) {
            Some(name) => self.env.bind(name.clone(), value.element(), false),
            None => self.bind_parts(pattern, &Value::Other),
        }
    }

    /// Walks the value of a block: named as the statement that the block is in.
    fn tail(&mut self, expr: &mut Expr) -> Value {
        let outer = self.enter_inner();
        let value = self.expr(expr);
        self.label = outer;
        value
    }

    /// Lets a chain further in decide on a name, unless a `let` has.
    fn enter_inner(&mut self) -> Label {
        let outer = self.label.clone();
        if matches!(outer, Label::Chain(_)) {
            self.label = Label::Open;
        }
        outer
    }

    fn in_statement<T>(&mut self, label: Label, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.statements += 1;
        let outer_statement = std::mem::replace(&mut self.statement, self.statements);
        let outer_label = std::mem::replace(&mut self.label, label);
        let result = walk(self);
        self.label = outer_label;
        self.statement = outer_statement;
        result
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

    /// `x = ..`: names steps as `let x = ..` does.
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

    /// Walks what an expression of no interest is made of.
    fn children(&mut self, expr: &mut Expr) -> Value {
        let mut children = Children {
            walk: self,
            has_streams: false,
        };
        visit_mut::visit_expr_mut(&mut children, expr);
        if children.has_streams {
            Value::Container
        } else {
            Value::Other
        }
    }
}

/// Hands the direct parts of an expression to the walk.
struct Children<'walk> {
    walk: &'walk mut Walk,
    has_streams: bool,
}

impl VisitMut for Children<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let value = self.walk.expr(expr);
        self.has_streams |= value.has_streams();
        if matches!(value, Value::Flow) {
            // It is part of something now, whose methods may build any step.
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

/// Collects the names that a pattern binds.
#[derive(Default)]
struct PatternNames(Vec<Ident>);

impl<'ast> Visit<'ast> for PatternNames {
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.0.push(pattern.ident.clone());
        syn::visit::visit_pat_ident(self, pattern);
    }

    fn visit_expr(&mut self, _: &'ast Expr) {}
}

/// Whether a statement is compiled under some `#[cfg(..)]` only.
fn is_conditional(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Local(local) => has_cfg(&local.attrs),
        Stmt::Macro(call) => has_cfg(&call.attrs),
        Stmt::Expr(expr, _) => match expr {
            Expr::MethodCall(expr) => has_cfg(&expr.attrs),
            Expr::Call(expr) => has_cfg(&expr.attrs),
            Expr::Block(expr) => has_cfg(&expr.attrs),
            Expr::If(expr) => has_cfg(&expr.attrs),
            Expr::Match(expr) => has_cfg(&expr.attrs),
            Expr::ForLoop(expr) => has_cfg(&expr.attrs),
            Expr::Assign(expr) => has_cfg(&expr.attrs),
            _ => false,
        },
        Stmt::Item(_) => false,
    }
}

fn has_cfg(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("cfg"))
}

/// Whether a name is one of something that is meant to be read.
fn is_kept(name: &Ident) -> bool {
    !name.unraw().to_string().starts_with('_')
}

/// The variable, if the pattern is no more than one.
pub(crate) fn simple_name(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(name) if name.subpat.is_none() => Some(&name.ident),
        Pat::Type(typed) => simple_name(&typed.pat),
        Pat::Paren(inner) => simple_name(&inner.pat),
        _ => None,
    }
}
