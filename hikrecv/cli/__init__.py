"""The hikrecv command, one sub-command a file."""
