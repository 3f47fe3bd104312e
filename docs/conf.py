"""How the manual is built: ``make docs``. Pages are MyST; the tutorials are executed, and a cell that fails fails the build."""

from __future__ import annotations

import sys
from pathlib import Path

import rsnn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "rsnn"
author = "the rsnn developers"
version = release = rsnn.__version__

extensions = [
    "myst_nb",  # tutorials are executed, and Markdown is read
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # docstrings are numpy's style
    "generated",  # docs/generated.py: the pages of the neurons and of the API
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_show_tb = True  # a cell that fails is a warning with its traceback, and warnings are errors (make docs)

autodoc_typehints = "none"  # the docstrings say types in words
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_param = False  # a type is words: as a field, each word of it would be looked up as a name
napoleon_use_rtype = False
napoleon_use_ivar = True

# Types in signatures and fields are words; two classes may have an attribute of that name.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = f"rsnn {rsnn.__version__}"
