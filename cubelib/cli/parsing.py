"""What all commands share in reading the words behind them. Imports nothing that may not be installed."""

from __future__ import annotations

import argparse
from typing import NoReturn

from cubelib.errors import ConfigError


class CommandParser(argparse.ArgumentParser):
    """argparse whose mistakes are a ConfigError, which the command line shows as one sentence.

    Args:
        name: of the command.
        description, epilog: as for argparse.

    Example:
        >>> parser = CommandParser("ask", "Ask the cube.")
        >>> try:
        ...     parser.parse_args(["--speed"])
        ... except ConfigError as error:
        ...     print(error)
        unrecognized arguments: --speed. See python -m cubelib ask --help.
    """

    def __init__(self, name: str, description: str, epilog: str | None = None) -> None:
        super().__init__(prog=f"python -m cubelib {name}", description=description, epilog=epilog, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}. See {self.prog} --help.")
