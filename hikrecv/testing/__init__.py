"""
The author's kit: what a plugin is tested with, without a camera and without a network.

pytest finds these fixtures by itself where hikrecv is installed (`fixtures.py`):

================== ===========================================================================
`make_event`       an event by family, with changes: ``make_event("plate", plate={"text": "X1"})``
`sample_events`    one of every family, made by the real decoder (`samples.py`, `events.py`)
`make_context`     a real `Context` for a plugin; its settings are checked as in a configuration
`context`          the same without settings
`recording_server` an HTTP server in memory: ``fail(3)``, ``slow(40)``, ``drop()``, ``lose_answer()``
`digest_device`    a terminal and barrier with Digest login that does what it is told (`door.py`)
`fake_clock`       the clock on which all of them wait
`receiver`         a receiver in memory: give it reactions, push messages, see what was done
`simulated_device` the messages of a model, one after the other (`profiles/`)
`bench`            all of it at once; ``bench.call(plugin.hikrecv_event, event, context)`` calls a hook
`loopback`         the same on real sockets of loopback, for a few tests
================== ===========================================================================

A plugin's tests begin with the contract: subclass `hikrecv.testing.contract.PluginContract`, say
which plugin it is and how to see that something was done, and repeats, failures, time-outs, late
and odd events, missing pictures, restarts and wrong settings are tested.

``hikrecv simulate`` is made of the same devices, over real sockets (`line.py`, `crowd.py`).

Nothing is imported here: every test run loads this package.
"""
