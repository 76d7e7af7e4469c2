"""`python -m hikrecv.cli`: the command, where its script is not on the PATH."""

from hikrecv.cli.main import main

main()
