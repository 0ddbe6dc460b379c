"""PTX to a Program: functions in order, variables laid out, labels and calls resolved."""

from __future__ import annotations

from ptx import moving
from ptx.decoding import decode, guard
from ptx.faults import PtxError, TrapError, UnsupportedInstructionError
from ptx.linkage import Layout, Linkage
from ptx.operation import Shape
from ptx.parser import parse
from ptx.program import CALL, PLAIN, RETURN, Program, Step
from ptx.registers import Lanes, numbers
from ptx.syntax import Function, Group, Instruction, Module, Operand, Symbol
from ptx.wave import Wave


def load_program(source: str | Module, kernel: str | None = None) -> Program:
    """Link a kernel.

    Parameters
    ----------
    source : PTX text, or what `parse` made of it
    kernel : its name; may be left out where there is one

    Raises
    ------
    PtxError : in one sentence that names line and instruction
    """
    module = parse(source) if isinstance(source, str) else source
    names = module.kernels
    if kernel is None and len(names) != 1:
        raise PtxError(f"the text has {len(names)} kernels ({', '.join(names[:5]) or 'none'}); say which one")
    function = module.functions.get(kernel or names[0])
    if function is None or not function.is_kernel or not function.has_body:
        raise PtxError(f"there is no kernel {kernel}; the text has {', '.join(names[:5]) or 'none'}")
    return _Linker(module, function).program


class _Linker:
    def __init__(self, module: Module, kernel: Function) -> None:
        self.module = module
        self.program = Program(kernel, Layout())
        self.starts: dict[str, int] = {}
        layout = self.program.layout
        for variable in module.variables.values():
            layout.place(variable.name, variable)
        self.program.variables = [v for v in module.variables.values() if v.space in ("global", "const")]
        order = self._called_first(kernel)
        for function in order:
            self._lay_out(function)
        layout.close()
        for function in order:
            self._add(function)

    def _called_first(self, kernel: Function) -> list[Function]:
        """Functions in such an order that each comes behind those that it calls.

        The machine runs the lowest step first, so that threads that return meet those that were not called.
        """
        order: list[Function] = []
        path: list[str] = []

        def visit(function: Function) -> None:
            if function.name in path:
                raise UnsupportedInstructionError(f"function {function.name} calls itself, which is not known here")
            if any(function is known for known in order):
                return
            path.append(function.name)
            for instruction in function.instructions:
                called = self.module.functions.get(_called(instruction)) if instruction.opcode == "call" else None
                if called is not None and called.has_body:
                    visit(called)
            path.pop()
            order.append(function)

        visit(kernel)
        return order

    def _lay_out(self, function: Function) -> None:
        program = self.program
        own = {v.name for v in program.kernel.parameters} if function is program.kernel else set()
        for name, variable in function.variables.items():
            key = f"{function.name}/{name}"
            program.layout.place(key, variable)
            if variable.space in ("global", "const"):
                raise UnsupportedInstructionError(f"variable {name} of function {function.name} stands in a function")
            if variable.space == "param" and name not in own:
                program.call_blocks[key] = variable.size
        program.formats |= {f"{function.name}/{name}": form for name, form in function.registers.items()}

    def _add(self, function: Function) -> None:
        program, link = self.program, Linkage(self.module, function, self.program.layout)
        steps = program.steps
        # A call is two steps, the second of which takes the results: labels are counted in steps.
        places = [len(steps)]
        for instruction in function.instructions:
            places.append(places[-1] + 1 + (instruction.opcode == "call"))
        self.starts[function.name] = program.entry = places[0]
        for instruction in function.instructions:
            if instruction.opcode == "call":
                steps.extend(self._call(link, instruction))
            else:
                self._note_access(instruction)
                steps.append(decode(link, instruction, places))
        line = function.instructions[-1].line if function.instructions else 0
        end = Instruction(line, f"end of {function.name}", None, True, "ret", (), ())
        steps.append(Step(end, function.name, flow=RETURN))
        for place in (places[0], *(places[label] for label in function.labels.values())):
            steps[place].leader = True
        for place in range(places[0], places[-1]):
            steps[place + 1].leader |= steps[place].flow != PLAIN

    def _note_access(self, instruction: Instruction) -> None:
        parameter = any(name.startswith("param") for name in instruction.modifiers)
        if instruction.opcode in ("ld", "st", "atom", "red") and not parameter:
            self.program.smallest_access = min(self.program.smallest_access, Shape(instruction).form.size)
            self.program.reads_only |= "nc" in instruction.modifiers

    def _call(self, link: Linkage, instruction: Instruction) -> tuple[Step, Step]:
        """The call, and the step behind it, where its threads come back to take the results."""
        call, after = Step(instruction, link.function.name), Step(instruction, link.function.name)
        for step in (call, after):  # who was kept from the call must not take results of an earlier one either
            guard(link, step)
        name = _called(instruction)
        function = self.module.functions.get(name)
        after.run = moving.nothing(link, instruction)
        if function is None or not function.has_body:
            call.run = self._foreign(link, instruction, name)
            return call, after
        first = instruction.operands[0]
        taken = [_block(link, m, instruction) for m in first.members] if isinstance(first, Group) else []
        groups = [operand for operand in instruction.operands[1:] if isinstance(operand, Group)]
        given = [_block(link, member, instruction) for group in groups[:1] for member in group.members]
        wanted, results = ([f"{name}/{v.name}" for v in group] for group in (function.parameters, function.results))
        if len(given) != len(wanted) or len(taken) > len(results):
            raise link.refuse(instruction, f"{name} takes {len(wanted)} arguments and gives {len(results)} results")
        call.flow, call.target = CALL, self.starts[name]
        call.run = lambda wave, lanes: _copy_blocks(wave, lanes, given, wanted)
        after.run = lambda wave, lanes: _copy_blocks(wave, lanes, results[: len(taken)], taken)
        return call, after

    def _foreign(self, link: Linkage, instruction: Instruction, name: str) -> moving.Run:
        what = "printf is not carried out" if name == "vprintf" else f"{name or 'its target'} has no body here"
        refusal = link.refuse(instruction, f"{what}; leave the call out of what is tested")

        def refuse(wave: Wave, lanes: Lanes) -> None:
            if name in ("__assertfail", "__assert_fail"):
                raise TrapError("an assertion of the kernel failed", int(numbers(lanes, wave.threads)[0]))
            raise refusal

        return refuse


def _called(instruction: Instruction) -> str:
    return next((operand.name for operand in instruction.operands if isinstance(operand, Symbol)), "")


def _block(link: Linkage, operand: Operand, instruction: Instruction) -> str:
    found = link.variable(operand.name) if isinstance(operand, Symbol) else None
    if found is None or found[1].space != "param":
        raise link.refuse(instruction, "its arguments are no .param variables")
    return found[0]


def _copy_blocks(wave: Wave, lanes: Lanes, sources: list[str], targets: list[str]) -> None:
    for source, target in zip(sources, targets, strict=True):
        rows, into = wave.parameters[source], wave.parameters[target]
        width = min(rows.shape[1], into.shape[1])
        into[lanes, :width] = (rows[lanes] if rows.shape[0] > 1 else rows)[:, :width]
