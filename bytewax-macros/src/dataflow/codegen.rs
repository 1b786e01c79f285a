//! The code that is added to the user's, and how it is printed.
//!
//! The user's tree is edited in place: a call that is taken apart and quoted again would lose the
//! spans that errors and `#[track_caller]` lines point at.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprBlock, ExprClosure, ExprMethodCall, Lit, LitStr, Pat, Stmt, Token, token};

use super::parse::Described;

/// The builder call for a flow whose steps have been named.
pub(super) fn dataflow(described: &Described) -> TokenStream {
    let Described { name, closure, .. } = described;
    quote!(::bytewax::Dataflow::build(#name, #closure))
}

/// Puts `.named("..")` after an operator's call.
pub(super) fn name_step(call: &mut Expr, name: &str) {
    let span = match &*call {
        Expr::MethodCall(call) => call.paren_token.span.close(),
        other => other.span(),
    };
    let span = generated(span);
    let receiver = Box::new(take(call));
    *call = Expr::MethodCall(method(receiver, "named", span, [text(name, span)]));
}

/// Puts `flow.scope("..", || ..)` around a call, with the arguments at `hoisted` evaluated before.
pub(super) fn scope_call(call: &mut Expr, flow: &Ident, scope: &str, hoisted: &[usize]) {
    let span = generated(call.span());
    let (attrs, locals) = match call {
        Expr::Call(call) => (
            std::mem::take(&mut call.attrs),
            hoist(&mut call.args, hoisted),
        ),
        _ => Default::default(),
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

/// Replaces arguments by locals, and gives the statements that set these.
fn hoist(arguments: &mut Punctuated<Expr, Token![,]>, hoisted: &[usize]) -> Vec<Stmt> {
    let mut locals = Vec::new();
    for (number, &index) in hoisted.iter().enumerate() {
        let Some(argument) = arguments.get_mut(index) else {
            continue;
        };
        let span = argument.span().resolved_at(Span::mixed_site());
        let local = Ident::new(&format!("__bw_{number}"), span);
        let value = take(argument);
        *argument = variable(local.clone());
        locals.push(Stmt::Local(syn::Local {
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
        }));
    }
    locals
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

/// The span of code of ours at a place of the user's.
fn generated(place: Span) -> Span {
    place.resolved_at(Span::mixed_site())
}

fn take(place: &mut Expr) -> Expr {
    std::mem::replace(place, Expr::Verbatim(TokenStream::new()))
}
