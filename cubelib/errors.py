"""Mistakes a user can mend. The command line shows the sentence and exits with 2; anything else is a fault of ours."""


class UserError(ValueError):
    """What was being done, what was given, what was expected, what to do."""


class ConfigError(UserError):
    """A configuration that cannot be used."""


class DataError(UserError):
    """A file, text or vector that cannot be used."""


class CheckpointError(UserError):
    """A checkpoint that cannot be read or written."""
