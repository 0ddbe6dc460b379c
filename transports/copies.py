"""Counting copies by the kernel (CMA: process_vm_readv and process_vm_writev), from inside the process.

A seccomp filter hands each such call to a listener thread, which counts it and lets it continue (seccomp_unotify(2),
Linux 5.5 or newer, no privilege needed). The filter cannot be removed and slows the calls it counts, so it belongs
into a launch of its own, never into one that measures.
"""

from __future__ import annotations

import ctypes
import fcntl
import platform
import struct
import threading
from array import array

# (seccomp, process_vm_readv, process_vm_writev) in the system-call tables of Linux.
_CALLS = {"x86_64": (317, 310, 311), "aarch64": (277, 270, 271)}
_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _FLAG_NEW_LISTENER = 1, 8
_RETURN_ALLOW, _RETURN_USER_NOTIF = 0x7FFF0000, 0x7FC00000
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NOTIF_RECEIVE, _NOTIF_SEND = 0xC0502100, 0xC0182101
_NOTIF_BYTES = 80
_FLAG_CONTINUE = 1


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


class CopyCounter:
    """Counts from `start` until the process ends; `count` is the number of calls so far."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self._counts = array("Q", [0])
        self._listener: int | None = None

    @property
    def count(self) -> int | None:
        """Calls so far, None where this kernel or container does not let them be counted."""
        return None if self._listener is None else self._counts[0]

    def start(self) -> None:
        """Install the filter for this thread and those it starts; without support, `count` stays None.

        Call it after MPI_Init: that call holds Python's lock, and the listener could not answer for it.
        """
        calls = _CALLS.get(platform.machine())
        if calls is None:
            return
        libc = ctypes.CDLL(None, use_errno=True)
        program = _filter(calls[1], calls[2])
        header = _Program(len(program) // 8, program)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            return
        listener = libc.syscall(calls[0], _SET_MODE_FILTER, _FLAG_NEW_LISTENER, ctypes.byref(header))
        if listener < 0:
            return
        self._listener = listener
        threading.Thread(target=self._listen, args=(listener,), daemon=True).start()

    def _listen(self, listener: int) -> None:
        while True:
            notice = bytearray(_NOTIF_BYTES)
            try:
                fcntl.ioctl(listener, _NOTIF_RECEIVE, notice)
                identity = struct.unpack_from("=Q", notice)[0]
                self._counts[0] += 1
                fcntl.ioctl(listener, _NOTIF_SEND, struct.pack("=QqiI", identity, 0, 0, _FLAG_CONTINUE))
            except OSError:
                continue  # the caller was interrupted before its notice was read


def _filter(*numbers: int) -> bytes:
    """BPF: the system call's number is loaded; a listed one notifies, every other is allowed."""

    def instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, value)

    parts = [instruction(_LOAD_WORD, 0, 0, 0)]
    for index, number in enumerate(numbers):
        parts.append(instruction(_JUMP_IF_EQUAL, len(numbers) - index, 0, number))
    parts.append(instruction(_RETURN, 0, 0, _RETURN_ALLOW))
    parts.append(instruction(_RETURN, 0, 0, _RETURN_USER_NOTIF))
    return b"".join(parts)
