"""The errors of rsnn: one base, and subclasses that are also the built-in error one would expect. And its warning."""


class RsnnError(Exception):
    """Base of every error that rsnn raises on purpose."""


class InvalidValueError(RsnnError, ValueError):
    """A value or a shape that is not accepted; the message names the argument, what came, what is accepted, the cure."""


class InvalidTypeError(RsnnError, TypeError):
    """A type or a dtype that is not accepted; the message names the argument, what came, what is accepted, the cure."""


class FileFormatError(InvalidValueError):
    """A file that is not what it should be, or only a part of it; the message says what is wrong with it."""


class AbsentError(RsnnError, AttributeError):
    """Something that a result does not hold, such as a trace that was not recorded; the message says how to get it."""


class OutOfRangeError(RsnnError, IndexError):
    """A step or an element that is not there; the message says how many there are."""


class InUseError(RsnnError, RuntimeError):
    """An array that another call is writing at this moment."""


class RsnnWarning(UserWarning):
    """Something that is accepted and hardly ever meant; the message says what is likely meant."""


class InternalError(RsnnError, RuntimeError):
    """A check inside rsnn failed: a defect of rsnn, not of the caller."""
