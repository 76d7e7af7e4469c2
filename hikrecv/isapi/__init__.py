"""What device messages mean.  No Twisted, no I/O, no clock."""
