"""
hikrecv-access: opens a door or a barrier, switches an alarm output or a siren, answers a terminal that asks.

Who may, stands in lists of people and plates; what was decided, and why, in an audit file.
"""

from .plugin import Plugin
from .settings import Settings

__version__ = "0.1.0"

__all__ = ["Plugin", "Settings"]
