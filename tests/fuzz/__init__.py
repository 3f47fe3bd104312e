"""Drive the whole public interface with values that belong nowhere: `make fuzz`, or ``cd tests && python -m fuzz --help``.

`names` says what is public, and what of it is not called and why; `entries` finds how examples and `scenes` call it, `values` and `tensors`
make arguments hostile, `commands` the words of the command line, `files` cuts and alters files; `calls` makes the calls in a process of its
own, `stress` mixes threads, forks and Ctrl-C, and `__main__` watches over them and reports.
"""
