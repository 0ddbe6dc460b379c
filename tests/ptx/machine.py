"""The machine: threads of a wave in lockstep, divergence by the lowest step first.

Every thread has its own place in the program. The machine takes the lowest place of all threads that can run, lets
the threads that stand there go on together, and stops at each place where others may join. Compilers lay out code so
that paths meet again further down, which makes the lowest first a good order; no graph of the program is needed, and
no result rests on it: PTX promises nothing about the order of threads, and what they do to each other without a barrier
is found as a race. Lanes wait at collective instructions until all of their member mask have come; threads wait at
barriers for their whole block.
"""

from __future__ import annotations

import numpy as np

from ptx.faults import DivergentBarrierError, DivergentWarpError, EndlessLoopError, FaultError, Place
from ptx.formats import FORMATS
from ptx.program import BARRIER, BRANCH, CALL, COLLECTIVE, PLAIN, RETURN, Program, Step
from ptx.registers import EVERY, Lanes, numbers
from ptx.wave import Shape3, Wave

RUNNING, AT_BARRIER, AT_COLLECTIVE, ENDED = range(4)
PREDICATE = FORMATS["pred"]


class Machine:
    """Runs a wave to its end.

    Parameters
    ----------
    budget : steps that may be issued, to groups of threads, before a loop counts as endless

    Attributes
    ----------
    executed : which steps were run by any thread
    issued : steps
    instructions : steps × threads
    """

    def __init__(self, program: Program, wave: Wave, grid: Shape3, block: Shape3, budget: int) -> None:
        self.program, self.wave, self.grid, self.block, self.budget = program, wave, grid, block, budget
        self.steps = program.steps
        self.executed = np.zeros(len(program.steps), np.bool_)
        self.issued = self.instructions = 0
        self.place = np.full(wave.threads, program.entry, np.int64)
        self.state = np.zeros(wave.threads, np.int8)
        self.masks = np.zeros(wave.threads, np.uint32)
        self.returns = {step.function: np.full(wave.threads, -1, np.int64) for step in program.steps}
        self.now: tuple[int, Lanes] = (program.entry, EVERY)
        self._count_living()

    def run(self) -> None:
        """Until all threads have ended.

        Raises
        ------
        FaultError : with the place where it happened
        """
        try:
            with np.errstate(all="ignore"):
                while self._turn():
                    pass
        except FaultError as error:
            self._locate(error)
            raise

    def _locate(self, error: FaultError) -> None:
        number, lanes = self.now
        thread = error.thread if error.thread >= 0 else int(numbers(lanes, self.wave.threads)[-1 - error.thread])
        instruction = self.steps[number].instruction
        error.place = Place(
            self.program.kernel.name,
            self.wave.block_index(thread, self.grid),
            self.wave.thread_index(thread, self.block),
            instruction.line,
            instruction.text,
        )

    def _turn(self) -> bool:
        running = np.flatnonzero(self.state == RUNNING)
        if running.size:
            places = self.place[running]
            lowest = int(places.min())
            group = running[places == lowest]
            self._go(lowest, group, alone=group.size == running.size)
            return True
        if self._collectives_go_on() or self._barriers_open():
            return True
        waiting = np.flatnonzero(self.state != ENDED)
        if waiting.size:
            first = waiting[self.state[waiting] == AT_COLLECTIVE]
            thread = int(first[0]) if first.size else int(waiting[0])
            self.now = (int(self.place[thread]), np.array([thread]))
            raise DivergentWarpError(
                f"waits for lanes of mask {int(self.masks[thread]):#010x} that wait elsewhere", thread
            )
        return False

    def _go(self, number: int, group: np.ndarray, *, alone: bool) -> None:
        """Let a group of threads go on together until it parts, or may meet others."""
        wave = self.wave
        every: Lanes = EVERY if group.size == wave.threads else group
        while True:
            step = self.steps[number]
            self.now = (number, every)
            self.issued += 1
            self.instructions += group.size
            if self.issued > self.budget:
                raise EndlessLoopError(f"the budget of {self.budget} steps is spent", int(group[0]))
            active, lanes = group, every
            if step.guard:
                chosen = wave.registers[step.guard].read(every, PREDICATE)
                chosen = chosen if step.when else ~chosen
                if not chosen.all():
                    active = lanes = group[chosen]
            self.now = (number, lanes)
            if active.size:
                self.executed[number] = True
            if step.flow == PLAIN:
                if active.size and step.run is not None:
                    step.run(wave, lanes)
                number += 1
            elif not active.size:
                number += 1
            elif step.flow == BRANCH and active.size == group.size and alone:
                number = step.target
                continue
            else:
                self.place[group] = number + 1
                self._part(step, number, active, lanes)
                return
            if self.steps[number].leader and not alone:
                self.place[group] = number
                return

    def _part(self, step: Step, number: int, active: np.ndarray, lanes: Lanes) -> None:
        """What a step of control does to the threads that carry it out; the others stand behind it."""
        if step.flow == BRANCH:
            self.place[active] = step.target
        elif step.flow == CALL:
            if step.run is not None:
                step.run(self.wave, lanes)
            self.returns[self.steps[step.target].function][active] = number + 1
            self.place[active] = step.target
        elif step.flow == COLLECTIVE:
            self._come_to_collective(step, number, active, lanes)
        elif step.flow == BARRIER:
            self.place[active] = number
            self.state[active] = AT_BARRIER
            if step.count is not None and (step.count(self.wave, lanes) != self.wave.per_block).any():
                raise DivergentBarrierError("barriers for a part of the block are not known here", int(active[0]))
        elif step.flow == RETURN and step.function != self.program.kernel.name:
            self.place[active] = self.returns[step.function][active]
        else:
            self.state[active] = ENDED
            self._count_living()

    def _count_living(self) -> None:
        living = np.flatnonzero(self.state != ENDED)
        self.wave.living_lanes = self._lanes_of(living)

    def _lanes_of(self, threads: np.ndarray) -> np.ndarray:
        """Lanes of some threads, as bits, of each warp."""
        bits = np.zeros(self.wave.warps, np.uint32)
        lanes = np.uint32(1) << self.wave.lane[threads].astype(np.uint32)
        np.bitwise_or.at(bits, self.wave.warp_in_wave[threads], lanes)
        return bits

    def _come_to_collective(self, step: Step, number: int, active: np.ndarray, lanes: Lanes) -> None:
        assert step.members is not None
        masks = self.wave.many(step.members(self.wave, lanes), lanes)
        outside = masks >> self.wave.lane[active].astype(np.uint32) & np.uint32(1) == 0
        if outside.any():
            raise DivergentWarpError("a lane is not in its own member mask", int(active[outside][0]))
        self.place[active] = number
        self.state[active] = AT_COLLECTIVE
        self.masks[active] = masks
        self._complete(number)

    def _complete(self, number: int) -> bool:
        """Run a collective for those whose members have all come; whether there were any."""
        waiting = np.flatnonzero((self.state == AT_COLLECTIVE) & (self.place == number))
        here = self._lanes_of(waiting)
        warp = self.wave.warp_in_wave[waiting]
        missing = self.masks[waiting] & self.wave.living_lanes[warp] & ~here[warp]
        ready = waiting[missing == 0]
        step = self.steps[number]
        for mask in np.unique(self.masks[ready]):
            members = ready[self.masks[ready] == mask]
            self.now = (number, members)
            if step.run is not None:
                step.run(self.wave, members)
        self.place[ready] = number + 1
        self.state[ready] = RUNNING
        return ready.size > 0

    def _collectives_go_on(self) -> bool:
        """Collectives that wait for lanes which have ended meanwhile."""
        places = np.unique(self.place[self.state == AT_COLLECTIVE])
        went_on = [self._complete(int(place)) for place in places]
        return any(went_on)

    def _barriers_open(self) -> bool:
        """Open the barrier of each block all of whose threads have come to it."""
        wave = self.wave
        waiting = np.flatnonzero(self.state == AT_BARRIER)
        if not waiting.size:
            return False
        blocks = wave.block_in_wave[waiting]
        counts = np.bincount(blocks, minlength=wave.blocks)
        opened = False
        for block in np.flatnonzero(counts):
            members = np.flatnonzero(wave.block_in_wave == block)
            if (self.state[members] == AT_COLLECTIVE).any():
                continue
            self._one_place(members)
        whole = counts[blocks] == wave.per_block
        for number in np.unique(self.place[waiting[whole]]):
            group = waiting[whole & (self.place[waiting] == number)]
            run = self.steps[number].run
            self.now = (int(number), group)
            if run is not None:
                run(wave, EVERY if group.size == wave.threads else group)
            wave.barriers_passed[group] += 1
            self.place[group] = number + 1
            self.state[group] = RUNNING
            opened = True
        return opened

    def _one_place(self, members: np.ndarray) -> None:
        """Complain unless all threads of a block wait at one barrier."""
        at_barrier = self.state[members] == AT_BARRIER
        first = members[at_barrier][0]
        self.now = (int(self.place[first]), np.array([first]))
        if not at_barrier.all():
            missing = self.wave.thread_index(int(members[~at_barrier][0]), self.block)
            raise DivergentBarrierError(f"thread {missing} of the block has ended without coming here", int(first))
        elsewhere = members[self.place[members] != self.place[first]]
        if elsewhere.size:
            line = self.steps[int(self.place[elsewhere[0]])].instruction.line
            other = self.wave.thread_index(int(elsewhere[0]), self.block)
            raise DivergentBarrierError(f"thread {other} of the block waits at the barrier of line {line}", int(first))
