"""One process that was started, with what it holds until it has ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import time

from treadle.tools.sandbox.levels.warden_side.cgroups import END_SECONDS, Cgroups
from treadle.tools.sandbox.levels.warden_side.uid_pool import UidPool, end_all_of

Message = dict[str, object]


class Execution:
    """A process, its cgroups, its uid, and the lifeline to the host.

    gentle: it is ended by SIGTERM first, because it is a keeper, which ends what it keeps.
    """

    def __init__(self, lifeline: socket.socket, seconds: float, pool: UidPool | None) -> None:
        self.lifeline = lifeline
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds
        self.cgroups = Cgroups({})
        self.pool = pool
        self.uid: int | None = None
        self.lock: int | None = None
        self.pid = 0
        self.pidfd = -1
        self.gentle = False
        self.verdict: tuple[str, str] | None = None
        self._status = 0
        self._spent = 0.0
        self._reported = False

    def end(self, status: str, reason: str) -> None:
        """Kill it; the first one to say why is right."""
        first = self.verdict is None
        self.verdict = self.verdict or (status, reason)
        if first and self.gentle:
            self._send(signal.SIGTERM)
            self.deadline = time.monotonic() + END_SECONDS
            return
        self._send(signal.SIGKILL)
        self.cgroups.kill()

    def _send(self, number: int) -> None:
        if self.pidfd >= 0:
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                return  # it has just ended; its cgroups and namespaces go all the same

    def ended(self) -> None:
        """Collect the process, which has ended; what it had started may still be there."""
        _pid, self._status, used = os.wait4(self.pid, 0)
        self._spent = used.ru_utime + used.ru_stime
        os.close(self.pidfd)
        self.pidfd = -1
        self.deadline = time.monotonic() + END_SECONDS
        self.cgroups.kill()

    def finished(self, orphans: bool) -> bool:
        """After its end: whether it is gone for good; then the host knows, and it holds nothing.

        orphans: whether something of some execution is still on its way out. To be asked again and
        again; it waits for nothing.
        """
        late = time.monotonic() > self.deadline
        if not self._reported:
            if (orphans or not self._clean()) and not late:
                return False
            self._report(late)
        if not self.cgroups.removed() and not late:
            return False
        # Where that fails, the uid stays leased: something may still run under it.
        if self.pool is not None and self.lock is not None and not late:
            self.pool.release(self.lock)
            self.lock = None
        return True

    def _clean(self) -> bool:
        """Whether nothing of it runs any more; what does is killed."""
        if self.uid is not None and self.cgroups.empty:
            return end_all_of(self.uid)
        return self.cgroups.kill()

    def _report(self, late: bool) -> None:
        self._reported = True
        verdict = self.verdict or self.cgroups.overstepped()
        if late:
            verdict = ("killed", "some of its processes could not be ended")
        usage = self.cgroups.usage()
        if usage["cpu_seconds"] is None:
            usage["cpu_seconds"] = self._spent
        self.say(
            {
                "ended": os.waitstatus_to_exitcode(self._status),
                "status": None if verdict is None else verdict[0],
                "reason": "" if verdict is None else verdict[1],
                "usage": usage,
            }
        )
        self.lifeline.close()

    def abandon(self) -> None:
        """It never began: give back what it held. Raises OSError where its cgroups do not go."""
        self.lifeline.close()
        self.cgroups.remove()
        if self.pool is not None and self.lock is not None:
            self.pool.release(self.lock)
            self.lock = None

    def say(self, message: Message) -> None:
        """Tell the host."""
        try:
            self.lifeline.send(json.dumps(message).encode())
        except OSError:
            return  # the host does not listen any more; there is nobody left to tell
