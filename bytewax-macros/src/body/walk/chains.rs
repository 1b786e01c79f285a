//! Method calls: the chains of steps.

use quote::quote;
use syn::ext::IdentExt;
use syn::{
    AngleBracketedGenericArguments, Expr, ExprLit, ExprMethodCall, GenericArgument, Lit, LitStr,
    Member, Type,
};

use super::methods::is_extension;
use super::steps::{CallFacts, Given};
use super::{Frame, Label, Walk};
use crate::body::codegen::{self, Hoisted};
use crate::body::delivery::{self, Delivery};
use crate::body::env::{Trail, Trails, Value, joined};
use crate::body::model::Drop;
use crate::body::moves::Move;
use crate::body::{tokens, windows};
use crate::registry::{self, Kind};

impl Walk {
    /// Walks a method call and all calls before it.
    pub(super) fn chain(&mut self, expr: &mut Expr) -> Value {
        let outer = self.start_chain(expr);
        let value = self.link(expr, None);
        self.label = outer;
        value
    }

    /// Names a statement without `let` after the start of its chain.
    pub(super) fn start_chain(&mut self, expr: &Expr) -> Label {
        let outer = self.label.clone();
        if matches!(outer, Label::Open)
            && let Some(root) = self.root(expr)
        {
            self.label = Label::Chain(root);
        }
        outer
    }

    /// The name of a chain's start: empty for the flow itself.
    pub(super) fn root(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Path(path) => {
                let name = path.path.get_ident()?;
                match self.env.look(name)?.value {
                    Value::Flow => Some(String::new()),
                    Value::Stream(_) | Value::Container(_) => Some(name.unraw().to_string()),
                    Value::Other => None,
                }
            }
            Expr::Field(field) => {
                let base = self.root(&field.base)?;
                let is_plain = matches!(&*field.base, Expr::Path(_) | Expr::Field(_));
                Some(match &field.member {
                    _ if !is_plain || base.is_empty() => base,
                    Member::Named(name) => format!("{base}.{}", name.unraw()),
                    Member::Unnamed(index) => format!("{base}.{}", index.index),
                })
            }
            Expr::MethodCall(call) => self.root(&call.receiver),
            Expr::Call(call) => {
                let roots: Vec<_> = call.args.iter().filter_map(|arg| self.root(arg)).collect();
                let stream = roots.iter().find(|root| !root.is_empty());
                stream.or(roots.first()).cloned()
            }
            Expr::Tuple(tuple) => {
                let mut roots = tuple.elems.iter().filter_map(|element| self.root(element));
                roots.find(|root| !root.is_empty())
            }
            Expr::Paren(inner) => self.root(&inner.expr),
            Expr::Group(inner) => self.root(&inner.expr),
            Expr::Reference(inner) => self.root(&inner.expr),
            Expr::Try(inner) => self.root(&inner.expr),
            Expr::Await(inner) => self.root(&inner.base),
            Expr::Index(inner) => self.root(&inner.expr),
            _ => None,
        }
    }

    /// Walks one call of a chain; the call after it may have named it.
    fn link(&mut self, expr: &mut Expr, given: Option<Given>) -> Value {
        let Expr::MethodCall(call) = expr else {
            return self.expr(expr);
        };
        if call.method == "named" {
            return self.named(call, given);
        }
        // It belongs to the step before it.
        if call.method == "shown" && call.args.is_empty() {
            return self.link(&mut call.receiver, given);
        }
        let built = self.built;
        let receiver = self.link(&mut call.receiver, None);
        let is_made_here = self.built > built;
        let method = call.method.unraw().to_string();
        match (receiver, registry::kind_of(&method)) {
            (receiver @ (Value::Flow | Value::Stream(_)), Some(kind)) => {
                self.operator(expr, kind, &receiver, given)
            }
            (receiver @ Value::Container(_), Some(kind))
                if registry::joins_all(&method, call.args.len()) =>
            {
                self.operator(expr, kind, &receiver, given)
            }
            (Value::Flow, None) if method == "scope" && call.args.len() == 2 => self.scope(call),
            (Value::Flow, None) if method == "dropped" || method == "kept" => {
                self.gone(call, method == "kept")
            }
            (Value::Flow, None) if method == "moved" && call.args.len() == 2 => self.moved(call),
            (receiver @ (Value::Flow | Value::Stream(_)), None) if method == "clone" => {
                receiver.settled()
            }
            (Value::Stream(_), None) if method == "flow" && call.args.is_empty() => Value::Flow,
            (receiver @ Value::Stream(_), None) if registry::leads_to_step(&method) => {
                for argument in &mut call.args {
                    self.expr(argument);
                }
                receiver.settled()
            }
            (receiver @ (Value::Flow | Value::Stream(_)), None)
                if is_extension(&method, &receiver) =>
            {
                self.extension(expr, &method, &receiver, is_made_here)
            }
            (receiver, _) => self.foreign(call, &method, &receiver, &mut Hoisted::default()),
        }
    }

    /// `.named(..)`: names the call before it.
    fn named(&mut self, call: &mut ExprMethodCall, given: Option<Given>) -> Value {
        let here = match call.args.first() {
            Some(Expr::Lit(lit)) => match &lit.lit {
                Lit::Str(text) => Given::Text(text.clone()),
                _ => Given::Computed,
            },
            _ => Given::Computed,
        };
        for argument in &mut call.args {
            self.expr(argument);
        }
        let is_step = matches!(
            &*call.receiver,
            Expr::MethodCall(call)
                if call.method == "named" || registry::kind_of(&call.method.to_string()).is_some()
        );
        let value = self.link(&mut call.receiver, Some(given.unwrap_or(here.clone())));
        if let Given::Text(text) = here
            && !is_step
            && value.is_followed()
        {
            self.model.texts.push(text);
        }
        value
    }

    /// A built-in operator: a step.
    fn operator(
        &mut self,
        expr: &mut Expr,
        kind: Kind,
        receiver: &Value,
        given: Option<Given>,
    ) -> Value {
        let Expr::MethodCall(call) = expr else {
            return Value::Other;
        };
        let (types, given_to) = (&call.turbofish, &call.args);
        let arguments = match kind.is_numbered() {
            true => 0,
            false => tokens::hash(&quote!(#types #given_to)),
        };
        let mut trails = receiver.trails();
        for argument in &mut call.args {
            match argument {
                Expr::Closure(closure) => {
                    self.mention_closure(closure);
                }
                other => {
                    let value = self.expr(other);
                    trails = joined(trails, value.trails());
                }
            }
        }
        let operator = call.method.clone();
        let state = registry::names_state(&operator.to_string())
            .then(|| call.turbofish.as_ref().and_then(named_type).cloned())
            .flatten();
        let stated = match kind {
            Kind::Stateful => call.args.iter().flat_map(windows::stated).collect(),
            _ => Vec::new(),
        };
        let facts = CallFacts {
            state,
            stated,
            arguments,
        };
        self.model.has_output |= kind.is_output();
        let number = self.model.steps.len();
        let name = self.step(kind, &operator, facts, given);
        if self.marks_keys && kind == Kind::Stateful && self.model.steps.len() > number {
            codegen::mark_keys(call, number);
        }
        // A name that is known only when the flow is built is not reported here.
        let full = self.model.steps.get(number).map(|step| step.full.0.clone());
        let trails = match full {
            Some(full) => self.follow(kind, call, &full, trails),
            None => Vec::new(),
        };
        if let Some(name) = name {
            codegen::name_step(expr, &name);
        }
        match kind {
            Kind::Sink => Value::Other,
            Kind::Observer => Value::stream_from(trails),
            Kind::Source | Kind::Stateful | Kind::Stateless => Value::made_by(operator, trails),
        }
    }

    /// Follows the items of streams through a step, and asks sources and sinks on the way about the required
    /// delivery.
    fn follow(
        &mut self,
        kind: Kind,
        call: &mut ExprMethodCall,
        name: &str,
        mut trails: Trails,
    ) -> Trails {
        let writes = kind == Kind::Sink || call.method == "try_output";
        if kind == Kind::Source {
            let source = self.model.sources;
            self.model.sources += 1;
            trails.push(Trail {
                source,
                steps: Vec::new(),
            });
            if self.delivery.is_some() {
                codegen::ask(call, &delivery::source(source));
            }
        }
        for trail in &mut trails {
            trail.steps.push(name.to_owned());
        }
        if writes && !trails.is_empty() {
            let sink = self.model.sinks.len();
            self.model.sinks.push(trails.clone());
            if self.delivery.is_some_and(Delivery::asks_sinks) {
                codegen::ask(call, &delivery::sink(sink));
            }
        }
        trails
    }

    /// `flow.scope(name, || ..)`: a part of the flow with its own names.
    fn scope(&mut self, call: &mut ExprMethodCall) -> Value {
        let mut arguments = call.args.iter_mut();
        let (Some(name), Some(body)) = (arguments.next(), arguments.next()) else {
            return Value::Other;
        };
        self.expr(name);
        let text = text_of(name).cloned();
        let outer_prefix = self.prefix.clone();
        let index = match text {
            Some(text) => {
                self.prefix.push_str(&text.value());
                self.model.scopes.push(text);
                Some(self.model.scopes.len() - 1)
            }
            None => {
                self.built += 1;
                // No valid name contains a brace, so this scope differs from all others.
                self.prefix.push_str(&format!("{{{}}}", self.built));
                None
            }
        };
        self.prefix.push('.');
        self.frames.push(Frame::Scope(index));
        let value = match body {
            Expr::Closure(closure) => self.inner(closure, &Value::Other),
            other => self.expr(other),
        };
        self.frames.pop();
        self.prefix = outer_prefix;
        self.model.has_escapes |= matches!(value, Value::Flow);
        value.settled()
    }

    /// `flow.dropped(name, why)`: the saved state of a step with this name is obsolete;
    /// `flow.kept(name, why)`: it stays, and the step is off for now.
    fn gone(&mut self, call: &mut ExprMethodCall, is_kept: bool) -> Value {
        for argument in &mut call.args {
            self.expr(argument);
        }
        match call.args.first().and_then(text_of) {
            Some(text) => {
                let name = self.pattern(&text.value());
                let text = text.clone();
                match is_kept {
                    // The step may be built in another branch.
                    true => self.model.unseen.push(name),
                    false => self.model.drops.push(Drop { text, name }),
                }
            }
            // The name is unknown, so it may be any.
            None => self.build_unseen(""),
        }
        Value::Other
    }

    /// `flow.moved(old, new)`: a step saves under another id than its own. Both are complete ids.
    fn moved(&mut self, call: &mut ExprMethodCall) -> Value {
        for argument in &mut call.args {
            self.expr(argument);
        }
        let mut texts = call.args.iter().map(text_of);
        match (texts.next().flatten(), texts.next().flatten()) {
            (Some(old), Some(new)) => self.model.moves.push(Move {
                old: old.value(),
                new: new.value(),
                text: new.clone(),
            }),
            // The name is unknown, so it may be any.
            _ => self.build_unseen(""),
        }
        Value::Other
    }
}

/// The text of an argument, if it is a literal.
fn text_of(argument: &Expr) -> Option<&LitStr> {
    match peeled(argument) {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        _ => None,
    }
}

/// The type in `::<T>`, if it is the only one.
fn named_type(turbofish: &AngleBracketedGenericArguments) -> Option<&Type> {
    match (turbofish.args.first(), turbofish.args.len()) {
        (Some(GenericArgument::Type(ty)), 1) => Some(ty),
        _ => None,
    }
}

/// An expression without the references and parentheses around it.
fn peeled(expr: &Expr) -> &Expr {
    match expr {
        Expr::Reference(inner) => peeled(&inner.expr),
        Expr::Paren(inner) => peeled(&inner.expr),
        Expr::Group(inner) => peeled(&inner.expr),
        other => other,
    }
}
