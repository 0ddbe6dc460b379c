"""PTX text to a Module: directives, module variables, functions (PTX ISA, 11 "Directives")."""

from __future__ import annotations

from ptx.body import Body
from ptx.cursor import SPACES, Cursor
from ptx.faults import PtxError, UnreadablePtxError
from ptx.syntax import Function, Module, Variable

_LINKING = (".visible", ".extern", ".weak", ".common")
_ONE_LINE = (".version", ".target", ".address_size", ".file", ".loc")


def parse(text: str) -> Module:
    """Read a PTX file.

    Raises
    ------
    UnreadablePtxError : names the line, what stands there and what was expected
    """
    cursor = Cursor(text)
    module = Module()
    try:
        while cursor.here.kind != "end":
            _directive(cursor, module)
    except PtxError:
        raise
    except (RecursionError, ValueError, OverflowError) as error:
        raise UnreadablePtxError(f"PTX line {cursor.here.line}: cannot be read: {str(error)[:100]}") from None
    return module


def _directive(cursor: Cursor, module: Module) -> None:
    token = cursor.here
    if token.text in _ONE_LINE:
        while cursor.here.line == token.line and cursor.here.kind != "end":
            cursor.next()
        return
    if cursor.takes(".section"):
        while cursor.here.text != "{" and cursor.here.kind != "end":
            cursor.next()
        cursor.skip_braces()
        return
    if cursor.takes(";"):
        return
    external = False
    while cursor.here.text in _LINKING:
        external |= cursor.next().text == ".extern"
    if cursor.takes(".entry"):
        _function(cursor, module, is_kernel=True)
    elif cursor.takes(".func"):
        _function(cursor, module, is_kernel=False)
    elif cursor.here.text.removeprefix(".") in SPACES and cursor.here.text.startswith("."):
        variable = cursor.variable(cursor.next().text[1:])
        cursor.wants(";")
        known = module.variables.get(variable.name)
        if known is None or known.initial is None:
            module.variables[variable.name] = variable
    else:
        raise cursor.complaint("expected a directive such as .entry, .func or .global")


def _function(cursor: Cursor, module: Module, *, is_kernel: bool) -> None:
    while cursor.here.text in (".noreturn", ".attribute"):
        cursor.next()
    results = _parameters(cursor) if cursor.here.text == "(" else []
    name = cursor.name()
    function = Function(name, is_kernel, results=results)
    if cursor.here.text == "(":
        function.parameters = _parameters(cursor)
    for variable in (*function.parameters, *function.results):
        function.variables[variable.name] = variable
    while cursor.here.text not in ("{", ";"):  # .maxntid 128, 1, 1 and the like: hints
        if cursor.next().kind == "end":
            raise cursor.complaint("expected '{' or ';'")
    known = module.functions.get(name)
    if cursor.takes("{"):
        if known is not None and known.has_body:
            raise UnreadablePtxError(f"function {name} is defined twice; expected it once")
        body = Body(cursor, function)
        body.scopes[0][1].update({variable: variable for variable in function.variables})
        body.read()
        module.functions[name] = function
    else:
        cursor.wants(";")
        module.functions.setdefault(name, function)


def _parameters(cursor: Cursor) -> list[Variable]:
    found: list[Variable] = []
    cursor.wants("(")
    while not cursor.takes(")"):
        if cursor.here.text == ".reg":
            raise cursor.complaint("parameters in registers (.reg) are not known here; expected .param")
        cursor.wants(".param")
        found.append(cursor.variable("param"))
        if not cursor.takes(",") and cursor.here.text != ")":
            raise cursor.complaint("expected ',' or ')'")
    return found
