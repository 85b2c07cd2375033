"""Populations that only count down, some steps ahead: which lanes spike in which of them.

``when[lane]`` is the step in which a lane's countdown ends: the value of the state after step t is
``when - t``. In the step after, it takes a new value. What happens in the steps ``t .. end - 1``
is found for all of them together: the *events* (lane, step) of the lanes that end in them, round by
round, since a lane may end several times; ``link`` leads from an event to the lane's next one, or
is -1. In the first round a lane that ended in step t - 1 counts as an event of that step, since it
as well begins anew.
"""

from __future__ import annotations

import numpy as np

from neurohw_native.jit import inlined, jit

__all__ = ["AHEAD", "arrange", "first_events", "later_events", "timers_load", "timers_store"]
__all__ += ["stretch", "waiting"]

AHEAD = 1024
"""Steps that a countdown is ahead, at most."""
_EVENTS = 8192  # aimed at in a window: so many that rounds are long, so few that caches hold them
_SHARE = 8  # lanes per event, at most, that are looked at in vain


@jit
def timers_load(wait, t0, when):
    """Fill ``when`` from the state before step ``t0``."""
    for i in range(len(when)):
        when[i] = t0 - 1 + np.int64(wait[i])


@jit
def timers_store(when, t1, lowest, wait):
    """The state after the last step, ``t1 - 1``; it saturates at ``lowest``."""
    for i in range(len(when)):
        wait[i] = max(when[i] - (t1 - 1), lowest)


@inlined
def stretch(span, events, n):
    """Steps to look ahead, after there were ``events`` of ``n`` lanes in ``span`` steps."""
    wanted = max(_EVENTS, n // _SHARE)
    return max(1, min(AHEAD, 2 * span, wanted * span // max(1, events)))


@jit
def first_events(when, t, end, lane, step, link):
    """List the first event of each lane in the steps ``t - 1 .. end - 1``; return their number."""
    m = 0
    for i in range(len(when)):
        lane[m], step[m], link[m] = i, when[i], -1
        m += (when[i] >= t - 1) & (when[i] < end)
    return m


@jit
def waiting(lane, step, first, last, end, who, lanes, steps):
    """List the events ``first .. last - 1`` after which a countdown begins before ``end``.

    Give their lanes, and the steps in which it begins; return their number.
    """
    c = 0
    for j in range(first, last):
        who[c], lanes[c], steps[c] = j, lane[j], step[j] + 1
        c += step[j] < end - 1
    return c


@jit
def later_events(who, c, wait, end, lane, step, link, when, m):
    """Let the lanes of the first ``c`` events ``who`` count down from the step after on.

    Add the events that this brings before ``end`` to the ``m`` that there are; return the number.
    """
    for j in range(c):
        last = who[j]
        i = lane[last]
        due = step[last] + 1 + np.int64(wait[i])
        when[i] = due
        lane[m], step[m], link[m] = i, due, -1
        link[last] = m if due < end else -1
        m += due < end
    return m


@jit
def arrange(lane, step, link, count, m, t, end, start, order):
    """Sort by step: the lanes of step ``t + k``, ascending, lie from ``start[k]`` on.

    The first ``count`` of the ``m`` events are the first of their lanes, which ascend.
    """
    for k in range(end - t + 2):
        start[k] = 0
    for j in range(m):  # those of step t - 1, which have been seen before, come to lie in front
        start[step[j] - t + 2] += 1
    for k in range(end - t):
        start[k + 1] += start[k]
    for f in range(count):
        j = np.int64(f)
        while j >= 0:
            k = step[j] - t + 1
            order[start[k]] = lane[j]
            start[k] += 1
            j = np.int64(link[j])
