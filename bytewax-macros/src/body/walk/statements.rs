//! Blocks and their statements.

use syn::{Attribute, Block, Expr, Local, Stmt};

use super::bindings::{is_kept, simple_name};
use super::{Label, Walk};
use crate::body::env::Value;

impl Walk {
    pub(super) fn block(&mut self, block: &mut Block) -> Value {
        let mark = self.env.mark();
        let last = block.stmts.len().saturating_sub(1);
        let mut value = Value::Other;
        for (index, stmt) in block.stmts.iter_mut().enumerate() {
            value = self.stmt(stmt, index == last);
        }
        self.env.reset(mark);
        value
    }

    pub(super) fn stmt(&mut self, stmt: &mut Stmt, is_last: bool) -> Value {
        if !is_conditional(stmt) {
            return self.compiled(stmt, is_last);
        }
        // Whether it is compiled is unknown, and so is whether it takes names.
        let names = self.names.clone();
        let value = self.compiled(stmt, is_last);
        self.names = names;
        value
    }

    pub(super) fn compiled(&mut self, stmt: &mut Stmt, is_last: bool) -> Value {
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

    pub(super) fn local(&mut self, local: &mut Local) {
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

    pub(super) fn in_statement<T>(&mut self, label: Label, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.statements += 1;
        let outer_statement = std::mem::replace(&mut self.statement, self.statements);
        let outer_label = std::mem::replace(&mut self.label, label);
        let result = walk(self);
        self.label = outer_label;
        self.statement = outer_statement;
        result
    }
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
