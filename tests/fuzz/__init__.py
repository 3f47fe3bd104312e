"""Drive the whole public interface with values that belong nowhere: `make fuzz`, or ``cd tests && python -m fuzz --help``.

`entries` finds what is public and how its examples call it, `values` makes arguments hostile, `calls` makes the calls in a process of its
own, `files` cuts and alters files, `stress` mixes threads, forks and Ctrl-C, and `__main__` watches over them and reports.
"""
