//! The code that is added to the user's.
//!
//! The user's tree is edited in place: taking a call apart and quoting it again would lose the spans that
//! errors and `#[track_caller]` lines use.

use proc_macro2::{Ident, Span, TokenStream};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprBlock, ExprClosure, ExprMethodCall, Lit, LitStr, Pat, Stmt, Token, token};

/// Appends `.named("..")` to an operator's call.
pub(crate) fn name_step(call: &mut Expr, name: &str) {
    let span = match &*call {
        Expr::MethodCall(call) => call.paren_token.span.close(),
        other => other.span(),
    };
    let span = generated(span);
    let receiver = Box::new(take(call));
    *call = Expr::MethodCall(method(receiver, "named", span, [text(name, span)]));
}

/// The prefix of a step's mark, before the number of the step.
const KEYS: &str = "__bw_keys_";

/// Inserts `.with_keys(..)` before an operator, with a mark that [`fill_keys`] replaces.
pub(crate) fn mark_keys(call: &mut ExprMethodCall, step: usize) {
    let span = generated(call.method.span());
    let mark = variable(Ident::new(&format!("{KEYS}{step}"), span));
    let receiver = Box::new(take(&mut call.receiver));
    *call.receiver = Expr::MethodCall(method(receiver, "with_keys", span, [mark]));
}

/// Replaces the mark of each step by the facts about its keys, or removes it if there are none.
pub(crate) fn fill_keys(body: &mut Expr, known: impl Fn(usize) -> Option<Expr>) {
    Keys(known).visit_expr_mut(body);
}

struct Keys<F>(F);

impl<F: Fn(usize) -> Option<Expr>> VisitMut for Keys<F> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        visit_mut::visit_expr_mut(self, expr);
        let Expr::MethodCall(call) = expr else { return };
        let Some(step) = marked(call) else { return };
        match (self.0)(step) {
            Some(known) => call.args = [known].into_iter().collect(),
            None => *expr = take(&mut call.receiver),
        }
    }
}

/// The number of the step that a call marks.
fn marked(call: &ExprMethodCall) -> Option<usize> {
    let Some(Expr::Path(mark)) = call.args.first() else {
        return None;
    };
    let mark = mark.path.get_ident()?.to_string();
    mark.strip_prefix(KEYS)?.parse().ok()
}

/// Appends a question to the arguments of a source or a sink: the name of a function that accepts its
/// declaration.
pub(crate) fn ask(call: &mut ExprMethodCall, question: &str) {
    let place = match call.args.first() {
        Some(argument) => argument.span(),
        None => call.method.span(),
    };
    call.method = Ident::new(&format!("{}_that", call.method.unraw()), call.method.span());
    let question = Ident::new(question, generated(place));
    call.args.push(variable(question));
}

/// Wraps a call in `flow.scope("..", || ..)`, and evaluates the expressions at `hoisted` before it.
pub(crate) fn scope_call(call: &mut Expr, flow: &Ident, scope: &str, hoisted: &Hoisted) {
    let span = generated(call.span());
    let mut locals = Vec::new();
    let attrs = match call {
        Expr::Call(call) => {
            hoist_arguments(&mut call.args, hoisted, &mut locals);
            std::mem::take(&mut call.attrs)
        }
        Expr::MethodCall(call) => {
            if hoisted.receiver {
                locals.push(hoist(&mut call.receiver, 0));
            }
            hoist_arguments(&mut call.args, hoisted, &mut locals);
            std::mem::take(&mut call.attrs)
        }
        _ => Vec::new(),
    };
    let receiver = Box::new(variable(flow.clone()));
    let arguments = [text(scope, span), Expr::Closure(thunk(take(call), span))];
    let mut scoped = method(receiver, "scope", span, arguments);
    *call = if locals.is_empty() {
        scoped.attrs = attrs;
        Expr::MethodCall(scoped)
    } else {
        let mut stmts = locals;
        stmts.push(Stmt::Expr(Expr::MethodCall(scoped), None));
        Expr::Block(ExprBlock {
            attrs,
            label: None,
            block: syn::Block {
                brace_token: token::Brace(span),
                stmts,
            },
        })
    };
}

/// The expressions that are evaluated before a scope is entered.
#[derive(Debug, Default)]
pub(crate) struct Hoisted {
    /// Whether the receiver of the method is.
    pub(crate) receiver: bool,
    /// Which arguments are.
    pub(crate) arguments: Vec<usize>,
}

fn hoist_arguments(
    arguments: &mut Punctuated<Expr, Token![,]>,
    hoisted: &Hoisted,
    locals: &mut Vec<Stmt>,
) {
    for &index in &hoisted.arguments {
        if let Some(argument) = arguments.get_mut(index) {
            let number = locals.len();
            locals.push(hoist(argument, number));
        }
    }
}

/// Replaces an expression by a local, and returns the statement that sets it.
fn hoist(place: &mut Expr, number: usize) -> Stmt {
    let span = generated(place.span());
    let local = Ident::new(&format!("__bw_{number}"), span);
    let value = std::mem::replace(place, variable(local.clone()));
    Stmt::Local(syn::Local {
        attrs: Vec::new(),
        let_token: Token![let](span),
        modifiers: syn::LocalModifiers::default(),
        pat: Pat::Ident(syn::PatIdent {
            attrs: Vec::new(),
            by_ref: None,
            mutability: None,
            ident: local,
            subpat: None,
        }),
        init: Some(syn::LocalInit {
            eq_token: Token![=](span),
            expr: Box::new(value),
            diverge: None,
        }),
        semi_token: Token![;](span),
    })
}

fn thunk(body: Expr, span: Span) -> ExprClosure {
    ExprClosure {
        attrs: Vec::new(),
        lifetimes: None,
        modifiers: syn::ClosureModifiers::default(),
        constness: None,
        asyncness: None,
        capture: None,
        inputs_begin: Token![|](span),
        inputs: Punctuated::new(),
        inputs_end: Token![|](span),
        output: syn::ReturnType::Default,
        body: Box::new(body),
    }
}

fn method<const N: usize>(
    receiver: Box<Expr>,
    name: &str,
    span: Span,
    arguments: [Expr; N],
) -> ExprMethodCall {
    ExprMethodCall {
        attrs: Vec::new(),
        receiver,
        dot_token: Token![.](span),
        method: Ident::new(name, span),
        turbofish: None,
        paren_token: token::Paren(span),
        args: arguments.into_iter().collect(),
    }
}

fn text(value: &str, span: Span) -> Expr {
    Expr::Lit(syn::ExprLit {
        attrs: Vec::new(),
        lit: Lit::Str(LitStr::new(value, span)),
    })
}

fn variable(name: Ident) -> Expr {
    Expr::Path(syn::ExprPath {
        attrs: Vec::new(),
        qself: None,
        path: name.into(),
    })
}

/// The span of generated code at a place of the user's code.
fn generated(place: Span) -> Span {
    place.resolved_at(Span::mixed_site())
}

fn take(place: &mut Expr) -> Expr {
    std::mem::replace(place, Expr::Verbatim(TokenStream::new()))
}
