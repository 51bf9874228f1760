"""The exceptions dinplug raises on purpose.

DinplugError                 anything below; its message says what, which file, and what to do
├── UsageError               a wish that cannot be met as stated (exit code 2)
├── SetupError               this machine lacks something: device, weights, library (exit code 3)
│   └── CheckpointError      a weights file that is damaged, hostile, or of no known network
├── BusyError                another run writes to the folder of results (exit code 4)
├── PhotoError               one photo cannot be restored (exit code 1); the others go on
│   ├── ReadError            it cannot be read: damaged, unsupported, or too large
│   └── WriteError           its result cannot be written
└── Interrupted              the user stopped the run (exit code 130)
"""


class DinplugError(Exception):
    """Root of all errors raised on purpose; the message is one line for a person."""

    exit_code = 1


class UsageError(DinplugError):
    """A wish that cannot be met as stated."""

    exit_code = 2


class SetupError(DinplugError):
    """This machine lacks something the wish needs: a device, weights, a library."""

    exit_code = 3


class CheckpointError(SetupError):
    """A weights file that is damaged, hostile, or of no known network."""


class BusyError(DinplugError):
    """Another run writes to the folder where results shall go."""

    exit_code = 4


class PhotoError(DinplugError):
    """One photo cannot be restored; the others go on."""


class ReadError(PhotoError):
    """A photo cannot be read: damaged, unsupported, or too large."""


class WriteError(PhotoError):
    """A result cannot be written."""


class Interrupted(DinplugError):  # noqa: N818 - the user's wish, not a fault
    """The user stopped the run."""

    exit_code = 130
