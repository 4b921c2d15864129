"""Where messages go. Each is sent by a process of its own, which is ended when it takes too long: nothing here can hang.

That process also keeps what services' libraries write about themselves, addresses with tokens in them, out of our logs.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from mlwright.alerts.messages import Message
from mlwright.core import MlwrightError

_VARIABLE = re.compile(r"\$\{(\w+)\}")


class ChannelFailed(MlwrightError):
    """A channel did not take a message; it will be tried again."""


class AlertChannel(Protocol):
    """Takes messages to people."""

    def send(self, message: Message, *, timeout_s: float) -> None:
        """Send one message; it may be one that was sent before, and then has the same id.

        Raises
        ------
        ChannelFailed
            If it was not taken within the time. The message of the error has no address and no secret.
        """
        ...


class SenderProcess:
    """A channel behind a URL, reached by a process of its own.

    Parameters
    ----------
    name
        As the spec has it.
    url
        As the spec has it: `${NAME}` is read from the environment when something is sent.
    """

    def __init__(self, name: str, url: str) -> None:
        self._name, self._url = name, url

    def send(self, message: Message, *, timeout_s: float) -> None:
        asked = json.dumps({"url": self._complete(), "timeout_s": timeout_s, "message": message.state()})
        # The address goes by the pipe: an argument could be read by every user of the machine.
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "mlwright.alerts.sending"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:  # no memory, too many processes, too many files
            raise self._failed(f"the sending process could not be started: {error.strerror}") from None
        try:
            answer, _ = process.communicate(asked.encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise self._failed(f"no answer within {timeout_s:g} s") from None
        finally:
            _end(process)
        try:
            problem = json.loads(answer)["problem"]
        except (ValueError, KeyError, TypeError):
            raise self._failed("the sending process broke down") from None
        if problem is not None:
            raise self._failed(str(problem))

    def _complete(self) -> str:
        missing = next((name for name in _VARIABLE.findall(self._url) if not os.environ.get(name)), None)
        if missing is not None:
            raise self._failed(f"the environment variable {missing} is not set")
        return _VARIABLE.sub(lambda found: os.environ[found[1]], self._url)

    def _failed(self, why: str) -> ChannelFailed:
        return ChannelFailed(
            why,
            where=f"alerts.channels.{self._name}",
            fix="check the URL of the channel, its environment variables and the service; the message is tried again",
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it started."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None and not pipe.closed:
            pipe.close()
    process.wait()


#: By the scheme of the URL; `*` is every other one.
CHANNELS: Final[dict[str, Callable[[str, str], AlertChannel]]] = {"*": SenderProcess}


def channel_of(name: str, url: str, kinds: Mapping[str, Callable[[str, str], AlertChannel]] = CHANNELS) -> AlertChannel:
    """The channel that a URL of the spec means."""
    return kinds.get(url.partition("://")[0], kinds["*"])(name, url)
