"""How a socket that listens is closed without a reset for those who are connecting at that moment.

Closing it resets the connections that are complete and not accepted yet. So first no new ones are let in (a filter in the
kernel leaves the packets out that would begin one), those there are accepted, and then it is closed.
"""

from __future__ import annotations

import ctypes
import socket
import sys

#: For those who ask /readyz to see that they should ask elsewhere; then nobody is let in …
NOTICE_S = 1.0
#: … and so long later the socket is closed.
LAST_ARRIVALS_S = 0.3

_SO_ATTACH_FILTER = 26
_SYN = 0x02


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def let_nobody_in(listening: socket.socket) -> bool:
    """Have the kernel leave out packets that begin a connection; whoever sends one tries again a second later.

    Returns whether it could be done: it is Linux' classic packet filter, which sees a packet from its TCP header on.
    """
    if sys.platform != "linux":
        return False
    instructions = (_Instruction * 4)(
        _Instruction(0x30, 0, 0, 13),  # load the byte of flags
        _Instruction(0x45, 0, 1, _SYN),  # if SYN is not set, skip one
        _Instruction(0x06, 0, 0, 0),  # drop
        _Instruction(0x06, 0, 0, 0xFFFFFFFF),  # keep all of it
    )
    program = _Program(len(instructions), ctypes.cast(instructions, ctypes.POINTER(_Instruction)))
    try:
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))
    except OSError:
        return False
    return True
