"""Tells twistd and twist that there is a hikrecv (and imports nothing of it yet)."""

from twisted.application.service import ServiceMaker

hikrecv = ServiceMaker("hikrecv", "hikrecv.tap", "Receive what Hikvision devices push over HTTP.", "hikrecv")
